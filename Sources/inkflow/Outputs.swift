import Files
import Foundation

/// Refuses files that can't be written, or that two outputs share, before long work.
func requireWritable(_ paths: [String?]) throws {
  let paths = paths.compactMap { $0 }
  let resolved = Set(paths.map { URL(fileURLWithPath: $0).standardizedFileURL.path })
  try require(resolved.count == paths.count, "two outputs go to the same file; name a file for each.")
  for path in paths { try requireDirectory(of: path) }
}

private func requireDirectory(of path: String) throws(FileError) {
  let parent = (path as NSString).deletingLastPathComponent
  let directory = parent.isEmpty ? "." : parent
  guard FileManager.default.isWritableFile(atPath: directory) else {
    throw FileError(
      .cannotCreate, path, "can't be created: no writable directory '\(directory)'",
      remedy: "make it, or name another file")
  }
  var isDirectory: ObjCBool = false
  if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue {
    throw FileError(.cannotCreate, path, "is a directory", remedy: "name a file")
  }
}
