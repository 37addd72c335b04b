import Foundation

/// What went wrong with a file: which one, what is the matter, and what to do about it.
///
/// Whatever reads or writes files throws it. Its description is a whole sentence:
///
/// ```swift
/// do throws(FileError) {
///   let array = try IDXFile.read("images.idx")
/// } catch where error.kind == .missing {
///   print(error)  // 'images.idx' can't be opened: No such file or directory; check the path and the file's permissions
/// }
/// ```
public struct FileError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What a program may want to tell apart.
  public enum Kind: Sendable {
    /// The input is absent or may not be read.
    case missing
    /// The input was read, but is not what it should be.
    case malformed
    /// The output can't be created.
    case cannotCreate
    /// Reading or writing failed half way: a full disk, a broken one.
    case inputOutput
  }

  /// The kind of failure.
  public let kind: Kind
  /// The file or directory, as it was named by the caller.
  public let path: String
  /// What is the matter. It continues a sentence that begins with the path: "is not a regular file".
  public let problem: String
  /// What to do about it, an instruction: "run 'make datasets'".
  public let remedy: String

  /// An error about the file at `path`, with a problem and a remedy that make a sentence of the description.
  public init(_ kind: Kind, _ path: String, _ problem: String, remedy: String) {
    self.kind = kind
    self.path = path
    self.problem = problem
    self.remedy = remedy
  }

  /// A sentence: the path in quotes, the problem, the remedy.
  public var description: String { "'\(path)' \(problem); \(remedy)" }

  /// The process's exit status for this error, by sysexits.h.
  public var exitStatus: Int32 {
    switch kind {
    case .malformed: 65
    case .missing: 66
    case .cannotCreate: 73
    case .inputOutput: 74
    }
  }
}

extension FileError {
  /// An input that is broken, in a way that nothing but another copy can mend.
  package static func damaged(_ path: String, _ problem: String) -> FileError {
    FileError(.malformed, path, problem, remedy: "get the file again from its source")
  }
}

/// The text of the current `errno`. Read it before any other call can change it.
package func systemErrorText() -> String { String(cString: strerror(errno)) }
