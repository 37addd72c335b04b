import Files
import Foundation
import Kernels
import Network

/// A flow of images as the directory of a `UNet2DModel`.
extension TrainedFlow {
  private static let configurationName = "config.json"
  private static let weightsName = "diffusion_pytorch_model.safetensors"

  /// What the weights mean, for whoever opens them elsewhere: diffusers' own flow-matching scheduler runs the
  /// other way.
  private static let conventions = [
    "time": "t = 0 is noise, t = 1 is data; the network is given t * 1000",
    "prediction": "velocity x1 - x0 at x_t = (1 - t) * x0 + t * x1",
    "pixels": "u8 / 127.5 - 1",
  ]

  /// Whether a directory looks like one of diffusers'.
  public static func isDiffusersDirectory(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: path.appendingPath(configurationName))
  }

  /// Reads a directory that `write` or diffusers wrote.
  ///
  /// - Throws: `FileError` naming the file, and the configuration's key or the tensor.
  public init(diffusers directory: String) throws(FileError) {
    let configurationPath = directory.appendingPath(Self.configurationName)
    let json = Data(try readFile(configurationPath))
    let unet: UNet
    do throws(ConfigurationError) {
      unet = try UNet(UNetConfiguration(diffusers: json))
    } catch {
      throw FileError(
        .malformed, configurationPath, "can't be used: \(error.description)",
        remedy: "name a directory with a UNet2DModel in the supported block types")
    }
    let file = try SafetensorsFile(
      contentsOf: directory.appendingPath(Self.weightsName))
    let weights = try unet.load(file)
    let known = Set(unet.parameters.map(\.name))
    if let extra = file.entries.first(where: { !known.contains($0.name) }) {
      throw FileError(
        .malformed, file.path, "has a tensor '\(extra.name)' that its config.json knows nothing of",
        remedy: "take config.json and weights from the same model")
    }
    let object = try? JSONSerialization.jsonObject(with: json) as? [String: Any]
    self.init(
      unet, Weights(reading: weights), notes: object?["_inkflow"] as? [String: String] ?? [:],
      path: directory)
  }

  /// Writes a directory that `UNet2DModel.from_pretrained` opens. It is made if it is missing; each of its two
  /// files is replaced whole.
  ///
  /// - Precondition: the network is a UNet.
  public func write(to directory: String) throws(FileError) {
    guard let configuration else { preconditionFailure("diffusers has no such network") }
    try createDirectory(directory)
    try SafetensorsFile.write(
      network.tensors(of: weights), metadata: ["format": "pt"],
      to: directory.appendingPath(Self.weightsName))
    let json = configuration.diffusersJSON(
      notes: notes.merging(Self.conventions) { _, convention in convention })
    try writeDurably(
      directory.appendingPath(Self.configurationName), [UInt8](json) + [10])
  }
}
