import Files
import Foundation

/// A regular file read from front to back through a buffer of fixed size.
struct FileInput: ~Copyable {
  let path: String
  /// Bytes in the file when it was opened.
  let size: Int
  private let descriptor: Int32
  private var buffer = [UInt8](repeating: 0, count: 1 << 16)
  /// The bytes of `buffer` not yet consumed.
  private var pending = 0..<0

  /// - Throws: `.missing` if the file is absent or may not be read, `.malformed` if it is not a regular file.
  init(_ path: String) throws(FileError) {
    // O_NONBLOCK: opening a pipe would wait for its writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw FileError(
        .missing, path, "can't be opened: \(systemErrorText())",
        remedy: "check the path and the file's permissions")
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw FileError(.malformed, path, "is not a regular file", remedy: "name a file")
    }
    self.path = path
    self.descriptor = descriptor
    self.size = Int(status.st_size)
  }

  deinit { close(descriptor) }

  /// The next byte, without consuming it; nil at the end of the file.
  mutating func peek() throws(FileError) -> UInt8? {
    try refill() ? buffer[pending.lowerBound] : nil
  }

  /// Makes sure that at least one byte is pending; false at the end of the file.
  mutating func refill() throws(FileError) -> Bool {
    guard pending.isEmpty else { return true }
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      if count >= 0 {
        pending = 0..<count
        return count > 0
      } else if errno != EINTR {
        throw FileError(
          .inputOutput, path, "can't be read: \(systemErrorText())", remedy: "check the disk it lies on")
      }
    }
  }

  /// Whether the pending bytes begin with `prefix`. Call it before anything is consumed: later, a prefix may
  /// straddle two buffers.
  mutating func begins(with prefix: [UInt8]) throws(FileError) -> Bool {
    try refill() && buffer[pending].starts(with: prefix)
  }

  /// Shows the pending bytes to `body` and drops as many from their front as it returns.
  mutating func consume(_ body: (UnsafeMutableBufferPointer<UInt8>) -> Int) {
    let range = pending
    let used = buffer.withUnsafeMutableBufferPointer { body(.init(rebasing: $0[range])) }
    pending = range.dropFirst(used)
  }
}
