import Files
import Foundation
import Kernels
import Network

/// A flow of images as the directory of a `UNet2DModel`.
extension TrainedFlow {
  private static let unconditionalClassKey = "unconditional_class"

  /// Whether a directory looks like one of diffusers': a model's, or a pipeline's with the model in `unet`.
  public static func isDiffusersDirectory(_ path: String) -> Bool { DiffusersDirectory(path) != nil }

  /// Reads a directory that `write` or diffusers wrote. What the network predicts is made sure of: a model of another
  /// kind is refused, one for diffusers' own flow-matching schedulers, whose time runs the other way, becomes ours by
  /// `UNet.reverseTime`. `remark` says so.
  ///
  /// - Parameter side: of the images, where `config.json` doesn't state it.
  /// - Throws: `FileError` naming the file, and the configuration's key or the tensor.
  public init(diffusers path: String, side: Int? = nil) throws(FileError) {
    guard let directory = DiffusersDirectory(path) else {
      throw FileError(
        .missing, path, "holds no model (config.json)", remedy: "name a directory with a UNet2DModel")
    }
    let json = Data(try readFile(directory.configurationPath))
    let object = try? JSONSerialization.jsonObject(with: json) as? [String: Any]
    let notes = object?["_inkflow"] as? [String: String] ?? [:]
    // First, as a model of another kind often has settings too that are not supported.
    let convention = try DiffusersConvention(of: directory, notes: notes)
    let unet: UNet
    do throws(ConfigurationError) {
      var configuration = try UNetConfiguration(diffusers: json, side: side)
      if let text = notes[Self.unconditionalClassKey] {
        guard let number = Int(text) else {
          throw ConfigurationError("under _inkflow, \(Self.unconditionalClassKey) is '\(text)', no number")
        }
        configuration.unconditionalClass = number
      }
      unet = try UNet(configuration)
    } catch {
      throw FileError(
        .malformed, directory.configurationPath, "can't be used: \(error.description)",
        remedy: "mend it if it is wrong, or name a UNet2DModel of the supported settings")
    }
    let file = try DiffusersWeights(in: directory.path)
    let weights = try unet.load(file.values)
    try file.requireOnly(unet.parameters)
    if convention.isReversed { unet.reverseTime(of: weights) }
    self.init(
      unet, Weights(reading: weights), notes: notes, path: path, isDequantized: convention.isDequantized,
      remark: convention.remark)
    guard notes[Self.classNamesKey] == nil || classNames?.count == classCount ?? 0 && presentClasses != []
    else {
      throw FileError(
        .malformed, directory.configurationPath,
        "under _inkflow, \(Self.classNamesKey) is no list of \(classCount ?? 0) names",
        remedy: "mend it, or remove that key")
    }
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
      to: directory.appendingPath(DiffusersWeights.standardName))
    var notes = notes.merging(
      DiffusersConvention.ours(isDequantized: isDequantized ?? false)
    ) { _, convention in convention }
    notes[Self.unconditionalClassKey] = network.unconditionalClass.map { "\($0)" }
    let json = configuration.diffusersJSON(notes: notes)
    try writeDurably(
      directory.appendingPath(DiffusersDirectory.configurationName), [UInt8](json) + [10])
  }
}
