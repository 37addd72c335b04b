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
  let place = exists ? destination : (destination as NSString).deletingLastPathComponent
  try createDirectory(place)
  let tag = String(UInt64.random(in: 0 ... .max), radix: 16)
  let temporaryPath = (place as NSString).appendingPathComponent(".inkflow-\(tag).tmp")
  try createDirectory(temporaryPath)
  func move(_ source: String, to target: String) throws(FileError) {
    guard rename(source, target) == 0 else { throw writingFailure(path, "can't be renamed into place") }
  }
  do throws(FileError) {
    try fill(temporaryPath)
    if exists {
      guard let names = try? manager.contentsOfDirectory(atPath: temporaryPath) else {
        throw writingFailure(path, "can't be filled from '\(temporaryPath)'")
      }
      for name in names.sorted() {
        try move(temporaryPath + "/" + name, to: destination + "/" + name)
      }
      rmdir(temporaryPath)
    } else {
      try move(temporaryPath, to: destination)
    }
  } catch {
    // The error that matters is the one that led here.
    try? manager.removeItem(atPath: temporaryPath)
    throw error
  }
  try syncDirectory(place, of: path)
}

/// - Throws: `.cannotCreate` if there is anything at `path` but an empty directory.
package func requireNoFiles(in path: String) throws(FileError) {
  guard FileManager.default.fileExists(atPath: path) else { return }
  guard (try? FileManager.default.contentsOfDirectory(atPath: path).isEmpty) ?? false else {
    throw FileError(
      .cannotCreate, path, "exists and is not an empty directory", remedy: "name another, or remove it first")
  }
}
