/// Mean and covariance of a set of samples.
///
/// A sample costs dimension² operations: 10,000 images of 28×28 take a second or two.
public struct Covariance: Sendable {
  public let dimension: Int
  /// The samples added.
  public private(set) var count = 0
  /// [dimension] Σ x.
  private var sums: [Double]
  /// Σ x xᵀ, the lower triangle: row i has i + 1 entries.
  private var products: [[Double]]

  public init(dimension: Int) {
    precondition(dimension > 0)
    self.dimension = dimension
    sums = Array(repeating: 0, count: dimension)
    products = (1...dimension).map { Array(repeating: 0, count: $0) }
  }

  /// Adds one sample. Its components should be of order 1, as pixels in [−1, 1] are: the raw products lose
  /// the digits by which a mean exceeds the deviations.
  ///
  /// - Parameter sample: [dimension].
  public mutating func add(_ sample: Span<Float>) { add(sample.indices.map { Double(sample[$0]) }) }

  /// Adds one sample.
  ///
  /// - Parameter x: [dimension].
  public mutating func add(_ x: [Double]) {
    precondition(x.count == dimension)
    count += 1
    for i in x.indices {
      let value = x[i]
      sums[i] += value
      let head = x.span.extracting(first: i + 1)
      var row = products[i].mutableSpan
      precondition(row.count == head.count)
      for j in row.indices { row[j] += value * head[j] }
    }
  }

  /// [dimension] E[x].
  public var mean: [Double] {
    precondition(count > 0, "no samples were added")
    return sums.map { $0 / Double(count) }
  }

  /// [dimension, dimension] E[x xᵀ] − E[x] E[x]ᵀ.
  public var matrix: [Double] {
    precondition(count > 0, "no samples were added")
    let share = 1 / Double(count)
    return symmetricMatrix(dimension) { i, j in share * (products[i][j] - share * sums[i] * sums[j]) }
  }
}

/// [n, n] The symmetric matrix with these entries, which are asked for where column ≤ row.
func symmetricMatrix(_ n: Int, _ entry: (_ row: Int, _ column: Int) -> Double) -> [Double] {
  var matrix = Array(repeating: 0.0, count: n * n)
  for i in 0..<n {
    for j in 0...i {
      let value = entry(i, j)
      matrix[i * n + j] = value
      matrix[j * n + i] = value
    }
  }
  return matrix
}
