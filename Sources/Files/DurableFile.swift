import Foundation

/// A file in the making. It grows under a temporary name in the directory of its destination, and takes the
/// destination's name by one rename once its bytes have reached the disk: whoever opens the destination sees
/// the old file or the new one, never a part. If it is dropped before `commit()`, nothing remains.
///
/// Foundation's `.atomic` option syncs neither the file nor the directory, so a crash of the machine could
/// leave an empty file under the new name.
package struct DurableFile: ~Copyable {
  private let path: String
  private let temporaryPath: String
  /// Open, and so locked, until the file has its name.
  private let descriptor: Int32
  private var isRenamed = false

  /// - Throws: `.cannotCreate` if the destination's directory is missing or not writable, or the destination
  ///   exists and is not a regular file (a rename would replace `/dev/null` too).
  package init(replacing path: String) throws(FileError) {
    var status = stat()
    if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
      throw FileError(.cannotCreate, path, "is not a regular file", remedy: "name another output file")
    }
    let unfinished = Unfinished.make(in: path.parentDirectory) { openFile($0, O_WRONLY | O_CREAT | O_EXCL) }
    guard let unfinished else { throw creationFailure(path, in: path.parentDirectory) }
    self.path = path
    (temporaryPath, descriptor) = unfinished
  }

  deinit {
    if !isRenamed { unlink(temporaryPath) }
    close(descriptor)
  }

  /// Appends `bytes`.
  package mutating func write(_ bytes: RawSpan) throws(FileError) {
    var written = 0
    while written < bytes.byteCount {
      let rest = bytes.extracting(droppingFirst: written)
      let count = rest.withUnsafeBytes { buffer in
        retrying { Foundation.write(descriptor, buffer.baseAddress, buffer.count) }
      }
      guard count >= 0 else { throw writingFailure(path, "can't be written") }
      written += count
    }
  }

  /// Makes the bytes durable and gives them the destination's name.
  package mutating func commit() throws(FileError) {
    // After a failed fsync the kernel may drop the dirty pages and let a second one succeed: never retry.
    guard fsync(descriptor) == 0 else { throw writingFailure(path, "can't be synced to disk") }
    guard rename(temporaryPath, path) == 0 else {
      throw writingFailure(path, "can't be renamed into place")
    }
    isRenamed = true
    try syncDirectory(path.parentDirectory, of: path)
  }

  /// Deletes what killed processes left half written in a directory; what others are writing there stays.
  package static func removeLeftovers(in directory: String) { Unfinished.removeLeftovers(in: directory) }
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

/// What the current `errno` means for a file that can't be made in `directory`.
func creationFailure(_ path: String, in directory: String) -> FileError {
  FileError(
    .cannotCreate, path, "can't be created: \(systemErrorText())",
    remedy: "make sure that the directory '\(directory)' exists and is writable")
}

/// What the current `errno` means for a file that is being written.
func writingFailure(_ path: String, _ problem: String) -> FileError {
  FileError(
    .inputOutput, path, "\(problem): \(systemErrorText())",
    remedy: "check the disk's free space and health, and run again")
}
