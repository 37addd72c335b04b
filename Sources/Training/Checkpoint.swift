import Files
import Foundation
import Kernels
import Network
import Sampling

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
    do throws(ConfigurationError) {
      try header.settings.validate()
      guard (0...header.settings.steps).contains(header.step) else {
        throw ConfigurationError("step \(header.step) of \(header.settings.steps)")
      }
      let (names, network) = (header.dataset.classes, header.network)
      guard
        names == nil
          || names?.count == network.labelledClassCount
            && names?.allSatisfy(\.isEmpty) == false
      else {
        throw ConfigurationError(
          "\(names?.count ?? 0) names of classes that are all empty, or of another number")
      }
    } catch {
      throw FileError(
        .malformed, file.path, "has a header that can't be: \(error.description)",
        remedy: "use an earlier checkpoint of the run")
    }
    self.header = header
    self.file = file
  }

  static func write(
    _ state: TrainingState, of network: any FlowNetwork, _ record: RunRecord, to path: String
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
    let arenas = [
      ("parameters.", state.parameters), ("average.", state.average), ("first_moment.", state.firstMoments),
      ("second_moment.", state.secondMoments),
    ]
    let tensors = arenas.flatMap { prefix, arena in
      arena.map { network.tensors(of: Weights(reading: $0), prefix: prefix) } ?? []
    }
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
    settings.earlierLengths = record.settings.earlierLengths
    // Before the first step the warm-up still follows the length.
    if header.step == 0 { settings.warmupSteps = record.settings.warmupSteps }
    guard header.network == record.network, settings == record.settings, header.dataset == record.dataset
    else {
      let differences =
        RunRecord.differences(header.network, from: record.network)
        + RunRecord.differences(settings, from: record.settings)
        + RunRecord.differences(header.dataset, from: record.dataset)
      throw FileError(
        .malformed, path,
        "was written by a run with other settings than its run.json: \(differences.joined(separator: "; "))",
        remedy: "restore the run.json that belongs to it")
    }
  }

  /// The network, and a parameter arena of the tensors with a prefix.
  func weights(_ prefix: String) throws(FileError) -> (UNet, Arena) {
    let unet = try network()
    return (unet, try unet.load(file, prefix: prefix))
  }

  private func network() throws(FileError) -> UNet {
    do throws(ConfigurationError) {
      return try UNet(header.network)
    } catch {
      throw FileError(
        .malformed, path, "describes a network that can't be: \(error.description)",
        remedy: "use an earlier checkpoint of the run")
    }
  }

  /// What training goes on with.
  func state() throws(FileError) -> TrainingState {
    let network = try network()
    return TrainingState(
      step: header.step, parameters: try network.load(file, prefix: "parameters."),
      average: hasAverage ? try network.load(file, prefix: "average.") : nil,
      firstMoments: try network.load(file, prefix: "first_moment."),
      secondMoments: try network.load(file, prefix: "second_moment."))
  }

  /// What a flow says of its origin.
  static func notes(
    step: Int, averaged: Bool, _ dataset: RunRecord.DatasetRecord
  ) -> [String: String] {
    var notes = [
      "weights": averaged ? "averaged" : "raw", "step": "\(step)", "dataset": dataset.name,
      "inkflow_version": RunRecord.currentVersion,
    ]
    notes[TrainedFlow.classNamesKey] = dataset.classes.map { names in
      guard let json = try? JSONEncoder().encode(names) else {
        preconditionFailure("a list of texts is JSON")
      }
      return String(decoding: json, as: UTF8.self)
    }
    return notes
  }
}
