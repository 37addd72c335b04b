import Files
import Foundation
import Synchronization
import Testing

#if os(Linux)
  /// What `fsync` was called with, and errors to give: this program's own `fsync` stands in for the system's.
  private struct Syncs: Sendable {
    var paths: [String] = []
    var failures: [String: Int32] = [:]
  }

  private let syncs = Mutex(Syncs())
  private typealias Fsync = @convention(c) (Int32) -> Int32
  private let systemFsync = unsafeBitCast(
    dlsym(UnsafeMutableRawPointer(bitPattern: -1), "fsync"), to: Fsync.self)

  @_cdecl("fsync") func recordingFsync(_ descriptor: Int32) -> Int32 {
    var name = [CChar](repeating: 0, count: 4096)
    let length = max(0, readlink("/proc/self/fd/\(descriptor)", &name, name.count - 1))
    let path = String(decoding: name[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let failure = syncs.withLock { syncs in
      syncs.paths.append(path)
      return syncs.failures[path]
    }
    guard let failure else { return systemFsync(descriptor) }
    errno = failure
    return -1
  }

  @Suite struct SyncTests {
    let scratch: Scratch
    let root: String
    init() throws {
      scratch = try Scratch()
      root = URL(fileURLWithPath: scratch.path).resolvingSymlinksInPath().path
    }

    private func synced(_ path: String) -> Bool { syncs.withLock { $0.paths.contains(path) } }

    /// Where a directory was made, its parent holds the new name.
    @Test func theParentOfEachNewDirectoryIsSynced() throws {
      try createDirectory(root + "/a/b/c")
      for parent in ["", "/a", "/a/b"] { #expect(synced(root + parent), "\(parent)") }
      #expect(!synced(root + "/a/b/c"))
      try createDirectory(root + "/a/b/c/")
      #expect(!synced(root + "/a/b/c"))
    }

    /// A file system that can't sync directories is tolerated, a broken one is not.
    @Test(arguments: [(EINVAL, true), (ENOTSUP, true), (EIO, false), (ENOSPC, false)])
    func failuresOfDirectories(code: Int32, isTolerated: Bool) throws {
      syncs.withLock { $0.failures[root] = code }
      let steps: [() throws -> Void] = [
        { try createDirectory(root + "/new") }, { try writeDurably(root + "/file", [1]) },
        { try writeDirectoryDurably(root + "/data") { _ in } },
      ]
      for step in steps {
        if isTolerated {
          try step()
        } else {
          let error = #expect(throws: FileError.self) { try step() }
          #expect(error?.kind == .inputOutput)
        }
      }
    }
  }
#endif
