import Flow
import Imagery
import Kernels

/// The training examples of one step, or of a held-out evaluation: which images, and which random numbers go
/// with them. Every number is named by (seed, purpose, step, index), so a batch can be drawn by any number of
/// threads, and drawn again.
package struct Batch: Sendable {
  /// What the random numbers are for.
  package enum Draws: Sendable {
    case training(step: Int)
    /// The same noise and times at every evaluation.
    case heldOut
  }

  let dataset: ImageDataset
  /// Rows of the data set.
  let images: ArraySlice<UInt32>
  let seed: UInt64
  let draws: Draws
  let times: TrainingSettings.TimeDraws
  let dequantize: Bool

  package init(
    dataset: ImageDataset, images: ArraySlice<UInt32>, seed: UInt64, draws: Draws,
    times: TrainingSettings.TimeDraws, dequantize: Bool
  ) {
    self.dataset = dataset
    self.images = images
    self.seed = seed
    self.draws = draws
    self.times = times
    self.dequantize = dequantize
  }

  var count: Int { images.count }

  /// Its first examples, at most `count`. (Their times are those of a batch of that size.)
  func first(_ count: Int) -> Batch {
    Batch(
      dataset: dataset, images: images.prefix(count), seed: seed, draws: draws, times: times,
      dequantize: dequantize)
  }

  /// Draws x₀ and x₁ of example `index` and returns its time t.
  func draw(
    _ index: Int, noise: consuming MutableSpan<Float>, data: consuming MutableSpan<Float>
  ) -> Float {
    let (timePurpose, noisePurpose, step) =
      switch draws {
      case .training(let step): (RandomPurpose.trainingTime, RandomPurpose.trainingNoise, step)
      case .heldOut: (RandomPurpose.heldOutTime, RandomPurpose.heldOutNoise, 0)
      }
    func random(_ purpose: RandomPurpose) -> Philox {
      Philox(seed: seed, purpose: purpose, step: UInt32(step), index: UInt32(index))
    }
    random(noisePurpose).fillNormals(noise)
    let first = Int(images[images.startIndex + index]) * dataset.imageSize
    let pixels = dataset.pixels.span.extracting(first..<first + dataset.imageSize)
    if dequantize {
      let uniform = random(.dequantization)
      for i in pixels.indices {
        data[i] = (Float(pixels[i]) + Float(uniform.uniform(UInt32(i)))) / 128 - 1
      }
    } else {
      Pixels.normalize(pixels, into: &data)
    }
    let u = random(timePurpose).uniform(0)
    return Float(times == .stratified ? (Double(index) + u) / Double(count) : u)
  }
}
