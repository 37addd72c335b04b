import Files
import Foundation
import Imagery

/// Refuses files that can't be written, that two outputs share, whose names say another format, or in whose place lies
/// what Inkflow didn't make, before long work.
///
/// - Parameters: pictures: PNG; labelled: PNG, or SVG with labels; images: IDX, of any name.
func requireWritable(_ pictures: [String?], labelled: [String?] = [], images: String? = nil) throws {
  let paths = (pictures + labelled + [images]).compactMap { $0 }
  let resolved = Set(paths.map { URL(fileURLWithPath: $0).standardizedFileURL.path })
  try require(resolved.count == paths.count, "two outputs go to the same file; name a file for each.")
  for path in pictures.compactMap({ $0 }) { try requireExtension(of: path) }
  for path in labelled.compactMap({ $0 }) { try requireExtension(of: path, LabelledSheet.fileExtensions) }
  for path in paths { try requireDirectory(of: path) }
  for path in (pictures + labelled).compactMap({ $0 }) { try requireOwnPicture(path) }
  if let images { try requireSamples(images) }
}

/// A picture that is drawn again may be replaced; a photograph that someone named by mistake would be lost.
private func requireOwnPicture(_ path: String) throws(FileError) {
  guard let handle = FileHandle(forReadingAtPath: path) else { return }
  let beginning = (try? handle.read(upToCount: 4096)) ?? Data()
  // In the text that goes with a PNG, and in the first line of an SVG.
  guard beginning.isEmpty || beginning.range(of: Data("inkflow".utf8)) != nil else {
    throw FileError(
      .cannotCreate, path, "is there already and is no picture that Inkflow drew",
      remedy: "move it away, or name another file")
  }
}

/// Labels or names of classes beside images make them a data set.
private func hasLabels(beside path: String) -> Bool {
  let directory = path.parentDirectory
  let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
  return names.contains { name in
    name == "classes.json" || (try? IDXFile.dimensions(of: directory.appendingPath(name)))?.count == 1
  }
}

/// The same for images: those of a data set, and files of other kinds, stay.
private func requireSamples(_ path: String) throws(FileError) {
  guard FileManager.default.fileExists(atPath: path) else { return }
  let name = path.lastPathComponent
  let isOfDataSet =
    ImageDataset.Split.allCases.contains { name.hasPrefix("\($0.filePrefix)-") }
    || hasLabels(beside: path)
  guard !isOfDataSet, (try? IDXFile.dimensions(of: path)) != nil else {
    throw FileError(
      .cannotCreate, path,
      "is there already and is " + (isOfDataSet ? "a data set's" : "no file of images"),
      remedy: "move it away, or name another file")
  }
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
