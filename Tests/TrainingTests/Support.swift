import Foundation
import Imagery
import Kernels
import Network
import Training

/// Passes a directory of its own, which is gone afterwards.
func withTemporaryDirectory<Result>(_ body: (String) throws -> Result) throws -> Result {
  let directory = FileManager.default.temporaryDirectory.appending(path: "inkflow-\(UUID())").path
  try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
  defer { try? FileManager.default.removeItem(atPath: directory) }
  return try body(directory)
}

/// A record for a small run on `train`.
func record(
  _ network: UNetConfiguration, _ settings: TrainingSettings, train: ImageDataset, test: ImageDataset,
  threads: Int, checkpointEvery: Int = 1000
) -> RunRecord {
  RunRecord(
    recipe: .quick, preset: nil, dataset: .init(train: train, test: test),
    network: network, settings: settings, initialWeights: nil,
    execution: .init(threads: threads, checkpointEvery: checkpointEvery, keep: 2),
    lossScale: .init(test))
}

/// A model with random weights, its last layer's among them, which training would begin at zero.
func randomModel(_ configuration: UNetConfiguration) throws -> Model {
  let unet = try UNet(configuration)
  let parameters = Arena(count: unet.plan.parameters.count)
  unet.initialize(parameters, seed: 5)
  for parameter in unet.parameters where parameter.name.hasPrefix("conv_out") {
    Philox(seed: 6, purpose: .initialization).fillNormals(parameters.mutable(parameter.slice))
  }
  return Model(unet: unet, parameters: parameters)
}
