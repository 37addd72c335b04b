import Files
import Foundation
import Network
import Statistics

/// The file of `evaluate --features`.
enum EvaluationFeatures {
  /// By which the file is known again.
  private static let format = (key: "format", value: "inkflow-features-1")

  /// Refuses a place where the file can't be written, or where another file lies, such as a checkpoint, before long work.
  static func requireWritable(_ path: String) throws(FileError) {
    var isDirectory: ObjCBool = false
    if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) {
      if isDirectory.boolValue {
        throw FileError(.cannotCreate, path, "is a directory", remedy: "name a file")
      }
      guard (try? SafetensorsFile(contentsOf: path))?.metadata[format.key] == format.value else {
        throw FileError(
          .cannotCreate, path, "is there already and is no file of features that evaluate wrote",
          remedy: "move it away, or name another file")
      }
    }
    let directory = path.parentDirectory
    guard FileManager.default.fileExists(atPath: directory, isDirectory: &isDirectory), isDirectory.boolValue,
      FileManager.default.isWritableFile(atPath: directory)
    else {
      throw FileError(
        .cannotCreate, path, "can't be created: no writable directory '\(directory)'",
        remedy: "make it, or name another file")
    }
  }

  fileprivate static func write(_ sets: [(String, FeatureSet)], to path: String) throws(FileError) {
    try SafetensorsFile.write(
      sets.map { name, points in
        SafetensorsTensor(name, shape: [points.count, points.dimension], values: points.values)
      }, metadata: [format.key: format.value], to: path)
  }
}

extension EvaluationSession {
  /// Writes all points that were compared: the test images', the floor's, and each solver's of each seed.
  func writeFeatures(of all: [Found], seeds: [UInt64], to path: String) throws(FileError) {
    var sets = [("reference", reference.features), ("floor", floor.features)]
    for found in all {
      sets += zip(found.features, seeds).map { points, seed in
        (found.choice.map { "\($0.text), seed \(seed)" } ?? found.scores.name, points)
      }
    }
    try EvaluationFeatures.write(sets, to: path)
  }
}
