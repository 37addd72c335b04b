import Flow
import Imagery
import Kernels

/// The training examples of one step, or of a held-out evaluation: which images, and which random numbers go
/// with them. Every number is named by (seed, purpose, step, index), so a batch can be drawn by any number of
/// threads, and drawn again.
struct Batch: Sendable {
  /// What the random numbers are for.
  enum Draws: Sendable {
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

  var count: Int { images.count }

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
