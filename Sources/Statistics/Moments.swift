/// The mean of some numbers, and how far it can be trusted.
public struct MeanEstimate: Sendable {
  public let mean: Double
  /// Of the mean: Σ (x − mean)² / (n − 1) / n. Nil of one number.
  public let variance: Double?
  public var standardError: Double? { variance?.squareRoot() }

  public init(_ values: [Double]) {
    precondition(!values.isEmpty, "no numbers")
    let count = Double(values.count)
    let mean = values.reduce(0, +) / count
    self.mean = mean
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    variance = values.count > 1 ? squares / (count - 1) / count : nil
  }
}

/// Mean and variance of each component of a set of samples.
public struct Moments: Sendable {
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
}
