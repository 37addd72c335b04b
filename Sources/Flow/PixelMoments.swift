/// Mean and variance of each pixel of a data set, and from them the losses of the fields that know no more:
/// the scale on which a flow-matching loss is to be read.
public struct PixelMoments: Sendable {
  /// The samples added.
  public private(set) var count = 0
  /// [dimension]
  public private(set) var mean: [Double]
  /// [dimension] Sums of squared deviations from the mean.
  private var squares: [Double]

  public init(dimension: Int) {
    mean = Array(repeating: 0, count: dimension)
    squares = mean
  }

  /// Adds one sample (Welford 1962, whose sums lose no digits to a large mean).
  ///
  /// - Parameter sample: [dimension].
  public mutating func add(_ sample: Span<Float>) {
    precondition(sample.count == mean.count)
    count += 1
    let share = 1 / Double(count)
    for i in mean.indices {
      let value = Double(sample[i])
      let deviation = value - mean[i]
      mean[i] += share * deviation
      squares[i] += deviation * (value - mean[i])
    }
  }

  /// [dimension] Σ (x − mean)² / count.
  public var variance: [Double] {
    precondition(count > 0, "no samples were added")
    return squares.map { $0 / Double(count) }
  }

  /// The loss of u = 0, that of a zero-initialised network: E|x₁ − x₀|²/d = 1 + E[x₁²].
  public var zeroFieldLoss: Double {
    meanFieldLoss + mean.reduce(0) { $0 + $1 * $1 } / Double(mean.count)
  }

  /// The loss of the best constant field, u = E[x₁]: 1 + the mean variance of a pixel.
  public var meanFieldLoss: Double {
    1 + variance.reduce(0, +) / Double(mean.count)
  }
}
