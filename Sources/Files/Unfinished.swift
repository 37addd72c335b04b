import Foundation

/// Files and directories in the making. They have hidden names, and a lock for as long as they are written: the kernel
/// drops it with the process. One that isn't locked was left behind by a process that was killed.
enum Unfinished {
  /// Makes one in `directory` and locks it.
  ///
  /// - Parameter make: makes and opens what its path says: a descriptor, or -1 with `errno` set.
  /// - Returns: its path and its descriptor, which the caller closes when it has its final name; nil where `make` failed.
  static func make(
    in directory: String, _ make: (String) -> Int32
  ) -> (path: String, descriptor: Int32)? {
    while true {
      // A name of its own length: the destination's plus a suffix could exceed the file system's limit.
      let tag = String(UInt64.random(in: 0 ... .max), radix: 16)
      let path = directory.appendingPath(".inkflow-\(tag).tmp")
      let descriptor = make(path)
      guard descriptor >= 0 else { return nil }
      // Where the file system has no locks, nothing is ever removed.
      _ = retrying { flock(descriptor, LOCK_EX) }
      var status = stat()
      if lstat(path, &status) == 0 || errno != ENOENT { return (path, descriptor) }
      // Another process took it for a leftover before it was locked.
      close(descriptor)
    }
  }

  /// Deletes what killed processes left in a directory, and nothing that is still being written.
  static func removeLeftovers(in directory: String) {
    let names = (try? FilePath(directory).names()) ?? []
    for name in names.map(\.description) where name.hasPrefix(".inkflow-") && name.hasSuffix(".tmp") {
      let path = directory.appendingPath(name)
      // To write, if it can be: NFS locks nothing that is open for reading only.
      var descriptor = openFile(path, O_RDWR | O_NONBLOCK | O_NOFOLLOW)
      if descriptor < 0 { descriptor = openFile(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW) }
      guard descriptor >= 0 else { continue }
      // Held while it is deleted: who has made it at this moment waits, and finds it gone.
      if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { try? FileManager.default.removeItem(atPath: path) }
      close(descriptor)
    }
  }
}
