import Files
import Foundation
import Imagery
import Kernels
import Network
import Sampling
import Testing
import Training

/// Passes a directory of its own, which is gone afterwards.
func withTemporaryDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
  let directory = FileManager.default.temporaryDirectory.appending(path: "inkflow-\(UUID())").path
  try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
  defer { try? FileManager.default.removeItem(atPath: directory) }
  return try body(directory)
}

/// A record for a small run on `train`.
///
/// - Parameter lossScale: of `test`, where it is made once for many records.
func record(
  _ network: UNetConfiguration, _ settings: TrainingSettings, train: ImageDataset, test: ImageDataset,
  threads: Int, checkpointEvery: Int = 1000, lossScale: RunRecord.LossScale? = nil
) throws -> RunRecord {
  RunRecord(
    recipe: .quick, preset: nil,
    dataset: try .init(train: train, test: test, isConditional: network.classCount != nil),
    network: network, settings: settings, initialWeights: nil,
    execution: .init(threads: threads, checkpointEvery: checkpointEvery, keep: 2),
    lossScale: lossScale ?? .init(test))
}

extension Trainer {
  /// Begins a run on images with a record of the test's making.
  convenience init(
    beginning run: RunDirectory, record: RunRecord, train: ImageDataset, test: ImageDataset,
    minutes: Double? = nil
  ) throws {
    let dequantize = record.settings.dequantize
    try self.init(
      beginning: run, record: record, examples: ImageExamples(train, dequantize: dequantize),
      heldOut: ImageExamples(test, dequantize: dequantize), minutes: minutes)
  }

  /// Goes on with a run on images with a record of the test's making.
  convenience init(
    resuming run: RunDirectory, record: RunRecord, train: ImageDataset, test: ImageDataset,
    minutes: Double? = nil
  ) throws {
    let dequantize = record.settings.dequantize
    try self.init(
      resuming: run, record: record, examples: ImageExamples(train, dequantize: dequantize),
      heldOut: ImageExamples(test, dequantize: dequantize), minutes: minutes)
  }
}

/// A flow with random weights, its last layer's among them, which training would begin at zero.
///
/// - Parameters:
///   - scale: of the last layer's; 0.1 gives a field of the order of its input, as trained ones are.
///   - isScaled: which of the last layer's parameters the scale is for.
func randomFlow(
  _ configuration: UNetConfiguration, scale: Float = 1,
  where isScaled: (_ name: String) -> Bool = { $0.hasPrefix("conv_out") }
) throws -> TrainedFlow {
  let unet = try UNet(configuration)
  let parameters = unet.initialParameters(seed: 5)
  for parameter in unet.parameters where parameter.name.hasPrefix("conv_out") {
    Philox(seed: 6, purpose: .initialization).fillNormals(parameters.mutable(parameter.slice))
    var weights = parameters.mutable(parameter.slice)
    if isScaled(parameter.name) { for i in weights.indices { weights[i] *= scale } }
  }
  return TrainedFlow(unet, Weights(reading: parameters))
}

/// A flow of three classes that can be guided, of 8×8 images.
func classFlow() throws -> TrainedFlow {
  var configuration = UNetConfiguration(
    sampleHeight: 8, sampleWidth: 8, inputChannels: 1, outputChannels: 1, blockOutputChannels: [8, 16],
    layersPerBlock: 1, attentionLevels: [false, true], normGroupCount: 4)
  (configuration.classCount, configuration.unconditionalClass) = (4, 3)
  return try randomFlow(configuration, scale: 0.3)
}

/// That `body` fails with a `FileError` of a kind.
@discardableResult
func expect<Result>(
  _ kind: FileError.Kind, at location: SourceLocation = #_sourceLocation, _ body: () throws -> Result
) -> FileError? {
  let error = #expect(throws: FileError.self, sourceLocation: location) { _ = try body() }
  #expect(error?.kind == kind, "\(error?.description ?? "")", sourceLocation: location)
  return error
}
