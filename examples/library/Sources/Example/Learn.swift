import Imagery
import Sampling
import Training

/// Trains a small network and leaves a run, which the command line can go on with.
func learn(_ dataset: String, steps: Int, into run: String) throws -> TrainedFlow {
  let (train, test) = try ImageDataset.loadBoth(dataset)
  let trainer = try Trainer(output: run, train: train, test: test, preset: .tiny, steps: steps)
  try trainer.train { event in
    if case .step(let metrics) = event { print("step \(metrics.step): loss \(metrics.loss)") }
  }
  return trainer.flow
}
