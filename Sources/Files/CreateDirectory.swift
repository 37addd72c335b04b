import Foundation

/// Makes a directory and those above it, where they are missing.
///
/// - Throws: `.cannotCreate`.
package func createDirectory(_ path: String) throws(FileError) {
  var isDirectory: ObjCBool = false
  if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), !isDirectory.boolValue {
    throw FileError(.cannotCreate, path, "is a file, not a directory", remedy: "name a directory")
  }
  do {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  } catch {
    throw FileError(
      .cannotCreate, path, "can't be created: \(error.localizedDescription)",
      remedy: "name a directory in a place that is writable")
  }
}
