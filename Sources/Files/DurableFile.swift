import Foundation

/// A file in the making. It grows under a temporary name in the directory of its destination, and takes the
/// destination's name by one rename once its bytes have reached the disk: whoever opens the destination sees
/// the old file or the new one, never a part. If it is dropped before `commit()`, nothing remains.
///
/// Foundation's `.atomic` option syncs neither the file nor the directory, so a crash of the machine could
/// leave an empty file under the new name.
package struct DurableFile: ~Copyable {
  private let path: String
  private let directory: String
  private let temporaryPath: String
  private var descriptor: Int32
  private var isRenamed = false

  /// - Throws: `.cannotCreate` if the destination's directory is missing or not writable, or the destination
  ///   exists and is not a regular file (a rename would replace `/dev/null` too).
  package init(replacing path: String) throws(FileError) {
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
      throw FileError(.cannotCreate, path, "is not a regular file", remedy: "name another output file")
    }
    let parent = (path as NSString).deletingLastPathComponent
    let directory = parent.isEmpty ? "." : parent
    // A name of its own length: the destination's plus a suffix could exceed the file system's limit.
    let tag = String(UInt64.random(in: 0 ... .max), radix: 16)
    let temporaryPath = (directory as NSString).appendingPathComponent(".inkflow-\(tag).tmp")
    let descriptor = open(temporaryPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else {
      throw FileError(
        .cannotCreate, path, "can't be created: \(systemErrorText())",
        remedy: "make sure that the directory '\(directory)' exists and is writable")
    }
    self.path = path
    self.directory = directory
    self.temporaryPath = temporaryPath
    self.descriptor = descriptor
  }

  deinit {
    if descriptor >= 0 { _ = close(descriptor) }
    if !isRenamed { unlink(temporaryPath) }
  }

  /// Appends `bytes`.
  package mutating func write(_ bytes: RawSpan) throws(FileError) {
    var written = 0
    while written < bytes.byteCount {
      let rest = bytes.extracting(droppingFirst: written)
      let result = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if result >= 0 {
        written += result
      } else if errno != EINTR {
        throw failure("can't be written")
      }
    }
  }

  /// Makes the bytes durable and gives them the destination's name.
  package mutating func commit() throws(FileError) {
    // After a failed fsync the kernel may drop the dirty pages and let a second one succeed: never retry.
    guard fsync(descriptor) == 0 else { throw failure("can't be synced to disk") }
    let closing = close(descriptor)
    descriptor = -1
    // On EINTR the descriptor is gone all the same, and the bytes were synced.
    guard closing == 0 || errno == EINTR else { throw failure("can't be closed") }
    guard rename(temporaryPath, path) == 0 else { throw failure("can't be renamed into place") }
    isRenamed = true
    try syncDirectory()
  }

  /// Deletes what killed processes left half written in a directory. The caller sees to it that no one writes there.
  package static func removeLeftovers(in directory: String) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
    for name in names where name.hasPrefix(".inkflow-") && name.hasSuffix(".tmp") {
      unlink((directory as NSString).appendingPathComponent(name))
    }
  }

  /// Makes the rename itself durable.
  private func syncDirectory() throws(FileError) {
    let handle = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard handle >= 0 else { throw failure("was written, but its directory can't be opened to sync it") }
    defer { close(handle) }
    // EINVAL: this file system doesn't sync directories.
    guard fsync(handle) == 0 || errno == EINVAL else {
      throw failure("was written, but its directory can't be synced")
    }
  }

  private func failure(_ problem: String) -> FileError {
    FileError(
      .inputOutput, path, "\(problem): \(systemErrorText())",
      remedy: "check the disk's free space and health, and run again")
  }
}

/// Replaces the file at `path` by `bytes`, all or nothing, and returns once they are on the disk.
package func writeDurably(_ path: String, _ bytes: [UInt8]) throws(FileError) {
  try writeDurably(path) { (file) throws(FileError) in try file.write(bytes.span.bytes) }
}

/// The same, for contents that `writeChunks` hands over piece by piece.
package func writeDurably(
  _ path: String, _ writeChunks: (inout DurableFile) throws(FileError) -> Void
) throws(FileError) {
  var file = try DurableFile(replacing: path)
  try writeChunks(&file)
  try file.commit()
}
