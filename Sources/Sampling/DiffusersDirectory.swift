import Files
import Foundation

/// Where the files of a diffusers model lie: the directory of a `UNet2DModel`, or a pipeline's with such a one in
/// `unet`.
struct DiffusersDirectory {
  static let configurationName = "config.json"
  /// Of the network: it holds `config.json` and the weights.
  let path: String

  /// Nil where there is no `config.json`.
  init?(_ path: String) {
    let candidates = [path, path.appendingPath("unet")]
    guard let found = candidates.first(where: { Self.exists($0.appendingPath(Self.configurationName)) })
    else {
      return nil
    }
    self.path = found
  }

  var configurationPath: String { path.appendingPath(Self.configurationName) }

  /// The nearest file of that name: here, in a folder here, or in the pipeline's folder above.
  func neighbour(_ names: String...) -> String? {
    names.map { path.appendingPath($0) }.first(where: Self.exists)
  }

  static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  /// - Throws: `FileError` unless the file is a JSON object.
  static func readObject(_ path: String) throws(FileError) -> [String: Any] {
    let data = Data(try readFile(path))
    guard let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
      throw .damaged(path, "is not a JSON object")
    }
    return object
  }
}
