import Foundation

/// Makes the directory at `path` with what `fill` writes, all or nothing: it grows under a temporary name beside
/// its destination and takes the destination's name by one rename.
///
/// - Parameter fill: is given the directory to write into. Files that it writes durably stay so.
/// - Throws: as `requireNoFiles(in:)`; what `fill` throws, after which nothing remains.
package func writeDirectoryDurably(
  _ path: String, _ fill: (String) throws(FileError) -> Void
) throws(FileError) {
  try requireNoFiles(in: path)
  // Where a link leads to an empty directory, that one is replaced, and not the link.
  let destination = URL(fileURLWithPath: path).standardized.resolvingSymlinksInPath().path
  let parent = (destination as NSString).deletingLastPathComponent
  try createDirectory(parent)
  let tag = String(UInt64.random(in: 0 ... .max), radix: 16)
  let temporaryPath = (parent as NSString).appendingPathComponent(".inkflow-\(tag).tmp")
  try createDirectory(temporaryPath)
  do throws(FileError) {
    try fill(temporaryPath)
    // Over an empty directory too, but over no other.
    guard rename(temporaryPath, destination) == 0 else {
      throw writingFailure(path, "can't be renamed into place")
    }
  } catch {
    // The error that matters is the one that led here.
    try? FileManager.default.removeItem(atPath: temporaryPath)
    throw error
  }
  try syncDirectory(parent, of: path)
}

/// - Throws: `.cannotCreate` if there is anything at `path` but an empty directory.
package func requireNoFiles(in path: String) throws(FileError) {
  guard FileManager.default.fileExists(atPath: path) else { return }
  guard (try? FileManager.default.contentsOfDirectory(atPath: path).isEmpty) ?? false else {
    throw FileError(
      .cannotCreate, path, "exists and is not an empty directory", remedy: "name another, or remove it first")
  }
}
