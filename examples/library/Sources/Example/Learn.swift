import Imagery
import Network
import Training

/// Trains a small network on a data set and leaves a run, which the command line can go on with.
func learn(_ name: String, steps: Int, into directory: String) throws {
  let (train, test) = try ImageDataset.loadBoth(name)
  let record = RunRecord(
    recipe: .quick, preset: .tiny, dataset: .init(train: train, test: test),
    network: UNetConfiguration(.tiny, height: train.height, width: train.width, channels: train.channels),
    settings: TrainingSettings(recipe: .quick, steps: steps), initialWeights: nil,
    execution: .init(threads: 2, checkpointEvery: 250, keep: 1), lossScale: .init(train))
  let trainer = try Trainer(beginning: RunDirectory(directory), record: record, train: train, test: test)
  _ = try trainer.train { event in
    switch event {
    case .step(let metrics): print("step \(metrics.step): loss \(metrics.loss)")
    case .epoch(let metrics): print("held-out loss \(metrics.heldOutLoss ?? .nan)")
    case .checkpoint(let path): print("saved \(path)")
    }
  }
}
