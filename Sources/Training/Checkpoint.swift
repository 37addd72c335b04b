import Files
import Foundation
import Kernels
import Network

/// A checkpoint: everything that a run needs to go on, in one safetensors file, so that one rename commits it.
/// Its bytes depend on data, settings, build flavour and step alone.
///
/// Tensors are `parameters.NAME`, `average.NAME` (where the settings average), `first_moment.NAME` and
/// `second_moment.NAME`, in PyTorch's names and order.
public struct Checkpoint {
  private static let format = "inkflow-checkpoint-1"

  /// What a checkpoint says of itself.
  public struct Header: Codable, Equatable, Sendable {
    /// Steps done.
    public var step: Int
    public var build: String
    public var dataset: RunRecord.DatasetRecord
    public var network: UNetConfiguration
    public var settings: TrainingSettings
  }

  public let header: Header
  private let file: SafetensorsFile

  public var path: String { file.path }
  public var hasAverage: Bool { header.settings.averageDecay != nil }

  /// Whether a safetensors file's metadata says that it is a checkpoint.
  public static func isCheckpoint(_ file: SafetensorsFile) -> Bool { file.metadata["format"] == format }

  /// - Throws: `FileError` if the file is missing, damaged, or no checkpoint.
  public init(path: String) throws(FileError) { try self.init(file: SafetensorsFile(contentsOf: path)) }

  /// The same for a file already read.
  public init(file: SafetensorsFile) throws(FileError) {
    guard Self.isCheckpoint(file), file.checksum != nil else {
      throw FileError(
        .malformed, file.path, "is a safetensors file, but no checkpoint",
        remedy: "name a RUN, a file of its checkpoints/, or a diffusers directory")
    }
    // The format's checksum covers the tensors; this one what is said about them.
    guard let text = file.metadata["header"],
      file.metadata["header_crc32"] == hexadecimal(crc32(Array(text.utf8).span.bytes)),
      let header = try? RunRecord.decoder().decode(Header.self, from: Data(text.utf8))
    else {
      throw FileError(
        .malformed, file.path, "has a damaged header", remedy: "use an earlier checkpoint of the run")
    }
    self.header = header
    self.file = file
  }

  static func write(
    _ state: TrainingState, of unet: UNet, _ record: RunRecord, to path: String
  ) throws(FileError) {
    let header = Header(
      step: state.step, build: RunRecord.currentBuild, dataset: record.dataset, network: record.network,
      settings: record.settings)
    let text: Data
    do {
      text = try RunRecord.encoder(pretty: false).encode(header)
    } catch {
      preconditionFailure("a header of plain values is JSON: \(error)")
    }
    var tensors = unet.tensors(of: state.parameters, prefix: "parameters.")
    if let average = state.average { tensors += unet.tensors(of: average, prefix: "average.") }
    tensors += unet.tensors(of: state.firstMoments, prefix: "first_moment.")
    tensors += unet.tensors(of: state.secondMoments, prefix: "second_moment.")
    try SafetensorsFile.write(
      tensors,
      metadata: [
        "format": format, "header": String(decoding: text, as: UTF8.self),
        "header_crc32": hexadecimal(crc32([UInt8](text).span.bytes)),
      ], to: path)
  }

  /// - Throws: `FileError` unless a run of this record, of whatever length, can go on from here.
  public func requireRecord(_ record: RunRecord) throws(FileError) {
    var settings = header.settings
    settings.steps = record.settings.steps
    // Of a run that took no step, the length decides the warm-up too.
    if header.step == 0 { settings.warmupSteps = record.settings.warmupSteps }
    guard header.network == record.network, settings == record.settings, header.dataset == record.dataset
    else {
      throw FileError(
        .malformed, path, "was written by a run with other settings than its run.json",
        remedy: "restore the run.json that belongs to it")
    }
  }

  func restore(_ state: TrainingState, of unet: UNet) throws(FileError) {
    try unet.load(file, prefix: "parameters.", into: state.parameters)
    if let average = state.average { try unet.load(file, prefix: "average.", into: average) }
    try unet.load(file, prefix: "first_moment.", into: state.firstMoments)
    try unet.load(file, prefix: "second_moment.", into: state.secondMoments)
    state.step = header.step
  }

  /// The model at this point.
  ///
  /// - Parameter averaged: whether to take the moving average; nil takes it where there is one.
  /// - Throws: `FileError` if an average is asked for and there is none.
  public func model(averaged: Bool? = nil) throws(FileError) -> Model {
    if averaged == true && !hasAverage {
      throw FileError(
        .malformed, path, "has no averaged weights, as its recipe averages none",
        remedy: "pass --weights raw, or leave it out")
    }
    let unet: UNet
    do throws(ConfigurationError) {
      unet = try UNet(header.network)
    } catch {
      throw FileError(
        .malformed, path, "describes a network that can't be: \(error.description)",
        remedy: "use an earlier checkpoint of the run")
    }
    let averaged = averaged ?? hasAverage
    let parameters = Arena(count: unet.plan.parameters.count)
    try unet.load(file, prefix: averaged ? "average." : "parameters.", into: parameters)
    return Model(
      unet: unet, parameters: parameters,
      notes: Self.notes(step: header.step, averaged: averaged, dataset: header.dataset.name))
  }

  /// What a model directory says of its origin.
  static func notes(step: Int, averaged: Bool, dataset: String) -> [String: String] {
    [
      "weights": averaged ? "averaged" : "raw", "step": "\(step)", "dataset": dataset,
      "inkflow_version": RunRecord.currentVersion,
    ]
  }
}
