import Flow
import Imagery
import Kernels
import Network
import Sampling
import TestSupport
import Testing
import Training

/// Training on a 1-D Gaussian, whose best loss and flow are known. A trainer that confuses noise and data, or
/// shows the network x₁ in place of x_t, trains as smoothly, but not to these numbers.
@Suite struct GaussianTests {
  // The bytes end at 1, three deviations from the mean.
  private let mean = 0.1
  private let deviation = 0.3

  /// One pixel an image, normal before it is rounded to a byte.
  private func dataset(_ split: ImageDataset.Split, count: Int) -> ImageDataset {
    let noise = Arena(count: count)
    Philox(seed: split == .train ? 1 : 2, purpose: .synthetic).fillNormals(noise.mutable(noise.all))
    let values = noise[noise.all]
    let pixels = values.indices.map { Pixels.byte(Float(mean + deviation * Double(values[$0]))) }
    return ImageDataset(
      name: "gaussian", split: split, pixels: pixels, height: 1, width: 1, channels: 1, labels: nil)
  }

  @Test func reachesTheIrreducibleLossAndCarriesNoiseOntoTheData() throws {
    let network = UNetConfiguration(
      sampleHeight: 1, sampleWidth: 1, inputChannels: 1, outputChannels: 1, blockOutputChannels: [16],
      layersPerBlock: 1, attentionLevels: [false], midAttention: false, normGroupCount: 2)
    var settings = TrainingSettings(recipe: .quick, steps: 1200)
    settings.batchSize = 256
    settings.dequantize = true
    settings.learningRate = 3e-3
    let (train, test) = (dataset(.train, count: 20_000), dataset(.test, count: 4096))
    try withTemporaryDirectory { directory in
      let trainer = try Trainer(
        beginning: RunDirectory(directory + "/run"),
        record: record(network, settings, train: train, test: test, threads: 2), train: train, test: test)
      var losses: [Double] = []
      var heldOut = Double.nan
      let outcome = try trainer.train { event in
        switch event {
        case .step(let metrics): losses.append(metrics.loss)
        case .epoch(let metrics, _): heldOut = metrics.heldOutLoss ?? .nan
        case .checkpoint: break
        }
      }
      #expect(outcome == .finished)
      // Zeroed at first, the network is the zero field: 1 + E[x₁²].
      #expect(abs(losses[0] - (1 + mean * mean + deviation * deviation)) < 0.25)

      let target = GaussianTarget(mean: [mean], standardDeviation: [deviation])
      let best = target.irreducibleLoss
      let last = losses.suffix(300).reduce(0, +) / 300
      // 76,800 examples: a standard error of 0.4 %.
      #expect(abs(last / best - 1) < 0.02, "loss \(last), irreducible \(best)")
      #expect(abs(heldOut / best - 1) < 0.06, "held-out loss \(heldOut), irreducible \(best)")

      let samples = try trainer.flow.sample(
        0..<4000, seed: 3, solver: .fixed(.midpoint, steps: 12), on: WorkerPool(threadCount: 2))
      let values = samples.values.map { Double($0) }
      let sampleMean = values.reduce(0, +) / Double(values.count)
      let variance = values.reduce(0) { $0 + ($1 - sampleMean) * ($1 - sampleMean) } / Double(values.count)
      #expect(abs(sampleMean - mean) < 0.03, "mean \(sampleMean)")
      #expect(abs(variance.squareRoot() / deviation - 1) < 0.05, "deviation \(variance.squareRoot())")
    }
  }
}
