import Files
import Foundation
import Network

/// The weights of a diffusers directory under the names that diffusers gives them today, whatever the file or files in
/// which they lie.
struct DiffusersWeights {
  static let standardName = "diffusion_pytorch_model.safetensors"

  private let directory: String
  private var places: [String: (file: SafetensorsFile, name: String)] = [:]

  /// - Throws: `FileError` if there are none, or none that can be read.
  init(in directory: String) throws(FileError) {
    self.directory = directory
    for path in try Self.files(in: directory) {
      let file = try SafetensorsFile(contentsOf: path)
      for entry in file.entries {
        let name = Self.currentName(of: entry.name)
        if let other = places.updateValue((file, entry.name), forKey: name) {
          throw FileError(
            .malformed, path,
            "has a tensor '\(entry.name)' that '\(other.name)' of '\(other.file.path)' is too",
            remedy: "remove the files or tensors that don't belong to the model")
        }
      }
    }
  }

  /// The finite values of a parameter, in the file's order.
  func values(of parameter: Parameter) throws(FileError) -> [Float] {
    guard let place = places[parameter.name] else {
      throw FileError(
        .malformed, directory, "has no tensor '\(parameter.name)' among its \(places.count)",
        remedy: "take config.json and weights from the same model")
    }
    return try place.file.finiteFloats(place.name, shape: parameter.shape)
  }

  /// - Throws: `.malformed` if there are tensors of which the network knows nothing.
  func requireOnly(_ parameters: [Parameter]) throws(FileError) {
    let known = Set(parameters.map(\.name))
    guard let extra = places.keys.filter({ !known.contains($0) }).min(), let place = places[extra] else {
      return
    }
    throw FileError(
      .malformed, place.file.path, "has a tensor '\(place.name)' that its config.json knows nothing of",
      remedy: "take config.json and weights from the same model")
  }

  /// torch.compile and parallel training put words in front of a name, or between its parts; early versions of
  /// diffusers had other names for the layers of attention.
  static func currentName(of name: String) -> String {
    var parts = name.split(separator: ".", omittingEmptySubsequences: false).filter { $0 != "_orig_mod" }
    while parts.first == "module" { parts.removeFirst() }
    let layers: [Substring: Substring] = [
      "query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0",
    ]
    if let i = parts.firstIndex(of: "attentions"), i + 2 < parts.count, let today = layers[parts[i + 2]] {
      parts[i + 2] = today
    }
    return parts.joined(separator: ".")
  }

  // MARK: Files

  /// The first that there is: diffusers' name and others', each in whole and in half precision, as one file or several.
  private static func files(in directory: String) throws(FileError) -> [String] {
    for stem in ["diffusion_pytorch_model", "model"] {
      for variant in ["", ".fp16", ".bf16"] {
        let path = directory.appendingPath("\(stem)\(variant).safetensors")
        let index = directory.appendingPath("\(stem).safetensors.index\(variant).json")
        switch (DiffusersDirectory.exists(path), DiffusersDirectory.exists(index)) {
        case (false, false): continue
        case (true, false): return [path]
        case (false, true): return try shards(of: index, in: directory)
        case (true, true):
          throw FileError(
            .malformed, index, "and one file with all weights lie side by side",
            remedy: "remove this file and those that it names, or '\(path)': whichever is out of date")
        }
      }
    }
    throw noWeights(in: directory)
  }

  private static func shards(of index: String, in directory: String) throws(FileError) -> [String] {
    guard let map = try DiffusersDirectory.readObject(index)["weight_map"] as? [String: String], !map.isEmpty
    else { throw .damaged(index, "has no weight_map that names a file for each tensor") }
    var paths: [String] = []
    for name in Set(map.values).sorted() {
      let path = directory.appendingPath(name)
      // A file elsewhere is none of the model's.
      guard !name.contains("/"), DiffusersDirectory.exists(path) else {
        throw FileError(
          .missing, index, "names a file '\(name)' that is not beside it",
          remedy: "get all files of the model")
      }
      paths.append(path)
    }
    return paths
  }

  /// What lies there instead, and what to do with it.
  private static func noWeights(in directory: String) -> FileError {
    let names = ((try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []).sorted()
    if let pickle = names.first(where: { ["bin", "pt", "pth", "ckpt"].contains($0.fileExtension) }) {
      let command =
        pickle == "diffusion_pytorch_model.bin"
        ? "from diffusers import UNet2DModel as U; U.from_pretrained('\(directory)').save_pretrained('\(directory)')"
        : "import torch, safetensors.torch as s; s.save_file(torch.load('\(directory.appendingPath(pickle))', 'cpu', "
          + "weights_only=True), '\(directory.appendingPath(standardName))')"
      return FileError(
        .malformed, directory, "holds its weights as '\(pickle)', a Python pickle, and these are not read",
        remedy: "convert them, with PyTorch and diffusers: python3 -c \"\(command)\"")
    }
    if let other = names.first(where: { $0.fileExtension == "safetensors" }) {
      return FileError(
        .malformed, directory, "holds no '\(standardName)', but '\(other)'",
        remedy: "if these are the weights that you mean, give them that name")
    }
    return FileError(
      .missing, directory, "holds a config.json, but no weights ('\(standardName)')",
      remedy: "get all files of the model")
  }
}
