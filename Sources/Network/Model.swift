import Files
import Foundation
import Kernels

/// A network with its weights: what a diffusers directory holds.
public struct Model: Sendable {
  public let unet: UNet
  /// Texts beside diffusers' keys in `config.json`: our conventions, and where the weights come from.
  public let notes: [String: String]
  package let parameters: Arena

  package init(unet: UNet, parameters: Arena, notes: [String: String] = [:]) {
    self.unet = unet
    self.parameters = parameters
    self.notes = notes
  }

  /// CRC-32 of the weights as they lie in memory: tells two models apart.
  public var checksum: UInt32 {
    let parameters = parameters
    return crc32(parameters[parameters.all].bytes)
  }

  private static let configurationName = "config.json"
  private static let weightsName = "diffusion_pytorch_model.safetensors"

  /// What the weights mean, for whoever opens them elsewhere: diffusers' own flow-matching scheduler runs the
  /// other way.
  public static let conventions = [
    "time": "t = 0 is noise, t = 1 is data; the network is given t * 1000",
    "prediction": "velocity x1 - x0 at x_t = (1 - t) * x0 + t * x1",
    "pixels": "u8 / 127.5 - 1",
  ]

  /// Whether a directory looks like one of diffusers'.
  public static func isDirectory(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: (path as NSString).appendingPathComponent(configurationName))
  }

  /// Reads a diffusers directory of a `UNet2DModel`, ours or not.
  ///
  /// - Throws: `FileError` naming the file, and the configuration's key or the tensor.
  public init(directory: String) throws(FileError) {
    let configurationPath = (directory as NSString).appendingPathComponent(Self.configurationName)
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
      contentsOf: (directory as NSString).appendingPathComponent(Self.weightsName))
    let parameters = Arena(count: unet.plan.parameters.count)
    try unet.load(file, into: parameters)
    if let extra = file.entries.map(\.name).first(where: { name in
      !unet.parameters.contains { $0.name == name }
    }) {
      throw FileError(
        .malformed, file.path, "has a tensor '\(extra)' that its config.json knows nothing of",
        remedy: "take config.json and weights from the same model")
    }
    let object = try? JSONSerialization.jsonObject(with: json) as? [String: Any]
    self.init(
      unet: unet, parameters: parameters, notes: object?["_inkflow"] as? [String: String] ?? [:])
  }

  /// Writes a directory that `UNet2DModel.from_pretrained` opens. It is made if it is missing; each of its two
  /// files is replaced whole.
  public func write(to directory: String) throws(FileError) {
    try createDirectory(directory)
    try SafetensorsFile.write(
      unet.tensors(of: parameters), metadata: ["format": "pt"],
      to: (directory as NSString).appendingPathComponent(Self.weightsName))
    let json = unet.configuration.diffusersJSON(
      notes: notes.merging(Self.conventions) { _, convention in convention })
    try writeDurably(
      (directory as NSString).appendingPathComponent(Self.configurationName), [UInt8](json) + [10])
  }
}

extension UNet {
  /// The tensors of an arena of this network's layout, for a file: PyTorch's names, shapes and order.
  package func tensors(of arena: Arena, prefix: String = "") -> [SafetensorsTensor] {
    parameters.map { parameter in
      SafetensorsTensor(prefix + parameter.name, shape: parameter.shape) { body throws(FileError) in
        try body(parameter.exported(from: arena).span)
      }
    }
  }

  /// Fills an arena of this network's layout from a file.
  ///
  /// - Throws: `.malformed` naming the first tensor that is missing or has another shape.
  package func load(
    _ file: SafetensorsFile, prefix: String = "", into arena: Arena
  ) throws(FileError) {
    for parameter in parameters {
      let values = try file.floats(prefix + parameter.name, shape: parameter.shape)
      parameter.load(values, into: arena)
    }
  }
}
