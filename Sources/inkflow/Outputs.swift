import Files
import Foundation
import Imagery

/// Refuses files that can't be written, that two outputs share, or whose names say another format, before long work.
///
/// - Parameters: pictures: PNG; labelled: PNG, or SVG with labels; other: of any name.
func requireWritable(_ pictures: [String?], labelled: [String?] = [], other: [String?] = []) throws {
  let paths = (pictures + labelled + other).compactMap { $0 }
  let resolved = Set(paths.map { URL(fileURLWithPath: $0).standardizedFileURL.path })
  try require(resolved.count == paths.count, "two outputs go to the same file; name a file for each.")
  for path in pictures.compactMap({ $0 }) { try requireExtension(of: path) }
  for path in labelled.compactMap({ $0 }) { try requireExtension(of: path, LabelledSheet.fileExtensions) }
  for path in paths { try requireDirectory(of: path) }
}

private func requireDirectory(of path: String) throws(FileError) {
  let directory = path.parentDirectory
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
