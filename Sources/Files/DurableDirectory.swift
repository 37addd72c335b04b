import Foundation

/// Makes the directory at `path` with what `fill` writes, all or nothing: it grows under a temporary name beside
/// its destination and takes the destination's name by one rename. Where there is an empty directory already, which may be
/// a link, a mount or someone's working directory, it grows within, and its files are renamed one by one at the end.
///
/// - Parameter fill: is given the directory to write into. Files that it writes durably stay so.
/// - Throws: as `requireNoFiles(in:)`; what `fill` throws, after which nothing remains; `FileError` where a file can't be
///   renamed.
package func writeDirectoryDurably(
  _ path: String, _ fill: (String) throws(FileError) -> Void
) throws(FileError) {
  try requireNoFiles(in: path)
  let manager = FileManager.default
  let exists = manager.fileExists(atPath: path)
  let destination = URL(fileURLWithPath: path).standardized.path
  let place = exists ? destination : destination.parentDirectory
  try createDirectory(place)
  Unfinished.removeLeftovers(in: place)
  let unfinished = Unfinished.make(in: place) { path in
    mkdir(path, 0o777) == 0 ? openFile(path, O_RDONLY | O_DIRECTORY) : -1
  }
  guard let unfinished else { throw creationFailure(path, in: place) }
  defer { close(unfinished.descriptor) }
  func move(_ source: FilePath, to target: FilePath) throws(FileError) {
    guard source.withCString({ source in target.withCString { rename(source, $0) } }) == 0 else {
      throw writingFailure(path, "can't be renamed into place")
    }
  }
  do throws(FileError) {
    try fill(unfinished.path)
    if exists {
      for name in try FilePath(unfinished.path).names() {
        try move(FilePath(unfinished.path).appending(name), to: FilePath(destination).appending(name))
      }
      rmdir(unfinished.path)
    } else {
      try move(FilePath(unfinished.path), to: FilePath(destination))
    }
  } catch {
    // The error that matters is the one that led here.
    try? manager.removeItem(atPath: unfinished.path)
    throw error
  }
  try syncDirectory(place, of: path)
}

/// Makes sure that a directory can be filled: what killed processes left half written there is removed.
///
/// - Throws: `.cannotCreate` if there is anything at `path` but an empty directory.
package func requireNoFiles(in path: String) throws(FileError) {
  guard FileManager.default.fileExists(atPath: path) else { return }
  Unfinished.removeLeftovers(in: path)
  guard (try? FilePath(path).names().isEmpty) ?? false else {
    throw FileError(
      .cannotCreate, path, "exists and is not an empty directory", remedy: "name another, or remove it first")
  }
}
