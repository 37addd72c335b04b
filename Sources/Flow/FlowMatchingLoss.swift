/// The conditional flow-matching loss (Lipman et al. 2022, equation 9): the mean over samples and components
/// of (v − u)², where v is the prediction at (x_t, t) and u = x₁ − x₀. (The sum over components, which some
/// tutorials print, is larger by a factor of the dimension.)
public enum FlowMatchingLoss {
  /// The part of the mean that is due to the components given: Σ (v − u)² / total.
  ///
  /// Summed in ascending order, in double precision: the same bits whatever thread has which samples, as
  /// long as there is one call for each sample, and the losses are added in the order of the samples.
  ///
  /// - Parameters:
  ///   - prediction: v, [count].
  ///   - velocity: u, [count].
  ///   - total: the components over which the mean is taken: of one sample's loss, its dimension.
  public static func evaluate(
    prediction: Span<Float>, velocity: Span<Float>, total: Int
  ) -> Double {
    precondition(prediction.count == velocity.count && prediction.count <= total)
    var sum = 0.0
    for i in prediction.indices {
      let difference = Double(prediction[i] - velocity[i])
      sum += difference * difference
    }
    return sum / Double(total)
  }

  /// c of the pseudo-Huber loss.
  static let huberScale = 1e-3

  /// The derivative of the pseudo-Huber loss √(m + c²) − c by the mean square m of one sample: what its squares' gradient
  /// is to be multiplied by. (Lee et al. 2024, arXiv 2405.20320, have the loss for reflow.)
  public static func pseudoHuberSlope(meanSquare: Double) -> Double {
    0.5 / (meanSquare + huberScale * huberScale).squareRoot()
  }

  /// The gradient of the mean with respect to the prediction: slope · 2·(v − u) / total.
  ///
  /// - Parameters:
  ///   - total: as in `evaluate`; of a batch's loss, the components of all of its samples.
  ///   - slope: of the loss by the mean of the squares: 1 where it is that mean.
  ///   - gradient: [count], to be overwritten.
  public static func gradient(
    prediction: Span<Float>, velocity: Span<Float>, total: Int, slope: Double = 1,
    into gradient: inout MutableSpan<Float>
  ) {
    precondition(prediction.count == velocity.count && prediction.count <= total)
    precondition(gradient.count == prediction.count)
    let factor = Float(slope) * (2 / Float(total))
    for i in gradient.indices { gradient[i] = factor * (prediction[i] - velocity[i]) }
  }
}
