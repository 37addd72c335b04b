import Imagery
import Kernels

/// Pairs of noise and data to learn from: images with fresh noise, points drawn from a density, or the two ends of
/// a trained flow's paths.
package protocol ExampleSource: Sendable {
  /// Examples that there are; nil where each draw is a fresh one.
  var count: Int? { get }
  /// Numbers of one of them.
  var dimension: Int { get }

  /// Writes x₀ and x₁ of the `row`-th example, [dimension] each.
  func draw(
    _ row: Int, _ random: ExampleRandom, noise: consuming MutableSpan<Float>,
    data: consuming MutableSpan<Float>)

  /// The class of the `row`-th example; nil for sources without classes.
  func label(_ row: Int, _ random: ExampleRandom) -> Int?
}

extension ExampleSource {
  package func label(_ row: Int, _ random: ExampleRandom) -> Int? { nil }
}

/// The random numbers of one example of a batch.
package struct ExampleRandom: Sendable {
  /// What the random numbers are for.
  package enum Draws: Sendable {
    case training(step: Int)
    /// The same noise and times at every evaluation.
    case heldOut
  }

  package let seed: UInt64
  package let draws: Draws
  /// The example's place in the batch.
  package let index: Int

  package init(seed: UInt64, draws: Draws, index: Int) {
    self.seed = seed
    self.draws = draws
    self.index = index
  }

  private func generator(_ training: RandomPurpose, _ heldOut: RandomPurpose) -> Philox {
    switch draws {
    case .training(let step):
      Philox(seed: seed, purpose: training, step: UInt32(step), index: UInt32(index))
    case .heldOut: Philox(seed: seed, purpose: heldOut, step: 0, index: UInt32(index))
    }
  }

  package var noise: Philox { generator(.trainingNoise, .heldOutNoise) }
  package var time: Philox { generator(.trainingTime, .heldOutTime) }
  package var dequantization: Philox { generator(.dequantization, .heldOutDequantization) }
  package var labelDropout: Philox { generator(.labelDropout, .labelDropout) }
}

/// Images, each with fresh noise.
package struct ImageExamples: ExampleSource {
  package let dataset: ImageDataset
  /// Adds uniform noise of one grey level: x = (k + u)/128 − 1 in place of k/127.5 − 1.
  package let dequantize: Bool

  package init(_ dataset: ImageDataset, dequantize: Bool) {
    self.dataset = dataset
    self.dequantize = dequantize
  }

  package var count: Int? { dataset.count }
  package var dimension: Int { dataset.imageSize }

  package func draw(
    _ row: Int, _ random: ExampleRandom, noise: consuming MutableSpan<Float>,
    data: consuming MutableSpan<Float>
  ) {
    random.noise.fillNormals(noise)
    read(row, random, into: data)
  }

  package func label(_ row: Int, _ random: ExampleRandom) -> Int? { dataset.labels.map { Int($0[row]) } }

  /// Writes x₁ of the `row`-th image alone.
  func read(_ row: Int, _ random: ExampleRandom, into data: consuming MutableSpan<Float>) {
    let pixels = dataset.pixels.span.extracting(row * dimension..<(row + 1) * dimension)
    if dequantize {
      Pixels.dequantize(pixels, random.dequantization, into: &data)
    } else {
      Pixels.normalize(pixels, into: &data)
    }
  }
}
