import Foundation
import Imagery
import Kernels
import Network
import Sampling
import Testing
import Training

@Suite struct ColourTests {
  /// Squares of one random colour.
  private func data(_ side: Int, count: Int, _ split: ImageDataset.Split) -> ImageDataset {
    let random = Philox(seed: 3, purpose: .synthetic, step: split == .train ? 0 : 1)
    let pixels: [UInt8] = (0..<count).flatMap { image -> [UInt8] in
      let words = random[UInt32(image)]
      let colour = (0..<3).map { UInt8(words[$0] >> 24) }
      return (0..<side * side).flatMap { _ in colour }
    }
    return ImageDataset(
      name: "colours", split: split, pixels: pixels, height: side, width: side, channels: 3, labels: nil)
  }

  /// Each preset is a network for its own images, and a few steps lower the held-out loss.
  @Test(arguments: [
    UNetConfiguration.Preset.color32, .color64, .color128,
  ]) func aPresetTrainsAndSamples(_ preset: UNetConfiguration.Preset) throws {
    let (side, channels) = preset.standardImage
    let network = UNetConfiguration(preset, height: side, width: side, channels: channels)
    let (train, test) = (data(side, count: 8, .train), data(side, count: 4, .test))
    var settings = TrainingSettings(recipe: .quick, steps: 4)
    settings.batchSize = 4
    settings.averageDecay = nil
    try withTemporaryDirectory { directory in
      let trainer = try Trainer(
        beginning: RunDirectory(directory + "/run"),
        record: record(network, settings, train: train, test: test, threads: 2), train: train, test: test)
      #expect(trainer.unet.microBatchSize * side * side <= 8 * 28 * 28 || trainer.unet.microBatchSize == 1)
      var (losses, heldOut): ([Double], [Double]) = ([], [])
      _ = try trainer.train { event in
        if case .step(let metrics) = event {
          losses.append(metrics.loss)
          heldOut += metrics.heldOutLoss.map { [$0] } ?? []
        }
      }
      #expect(losses.count == 4 && losses.allSatisfy { $0.isFinite })
      #expect(heldOut.count == 2 && heldOut[1] < heldOut[0])
      let samples = try trainer.flow.sample(
        0..<2, seed: 0, solver: .fixed(.euler, steps: 2), on: WorkerPool(threadCount: 2))
      #expect(samples.values.count == 2 * network.shape.count && samples.values.allSatisfy { $0.isFinite })
    }
  }

  /// Attention, whose cost grows with the fourth power of the side, stays on at most 16×16 pixels.
  @Test func attentionIsCoarse() {
    for preset in UNetConfiguration.Preset.allCases {
      let (side, channels) = preset.standardImage
      let network = UNetConfiguration(preset, height: side, width: side, channels: channels)
      #expect(throws: Never.self) { try network.validate() }
      for (level, attends) in network.attentionLevels.enumerated() where attends {
        #expect(side >> level <= 16)
      }
    }
  }

  /// Grey 28×28 and 32×32 keep the count by which recorded runs were measured.
  @Test func heldOutImagesAreBoundedByPixels() {
    #expect(Trainer.heldOutLimit(height: 28, width: 28) == 2048)
    #expect(Trainer.heldOutLimit(height: 32, width: 32) == 2048)
    #expect(Trainer.heldOutLimit(height: 64, width: 64) == 512)
    #expect(Trainer.heldOutLimit(height: 128, width: 128) == 128)
    #expect(Trainer.heldOutLimit(height: 1024, width: 1024) == 32)
  }
}
