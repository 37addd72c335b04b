/// The kernel distance of two sets (Bińkowski, Sutherland, Arbel & Gretton 2018, "Demystifying MMD GANs"): the squared
/// maximum mean discrepancy with the kernel k(x, y) = (x·y/d + 1)³, estimated without bias,
///
///     Σ_{i≠j} k(x_i, x_j)/(m(m − 1)) + Σ_{i≠j} k(y_i, y_j)/(m(m − 1)) − 2·Σ_ij k(x_i, y_j)/m²,
///
/// so that it is 0 in the mean, and may be negative, for sets of one distribution, however small they are.
public struct KernelDistance: Sendable {
  /// The mean over pairs of blocks.
  public let value: Double
  /// Its standard error, from how the blocks differ; nil for one block.
  public let error: Double?

  /// Points in a block: the more, the more exact, and the slower.
  public static let blockSize = 1000

  /// - Parameters:
  ///   - first, second: at least two points each. The sets are cut into as many disjoint blocks of `blockSize` as the
  ///     smaller one has, at least one; block i is compared with block i.
  public init(_ first: FeatureSet, _ second: FeatureSet, forEach: ForEachNumber) {
    precondition(first.dimension == second.dimension && min(first.count, second.count) >= 2)
    let count = min(first.count, second.count)
    let size = min(count, Self.blockSize)
    let values = forEach(count / size) { block in
      let rows = block * size..<(block + 1) * size
      return Self.discrepancy(first, second, rows)
    }
    let mean = values.reduce(0, +) / Double(values.count)
    value = mean
    let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    error =
      values.count > 1 ? (squares / Double(values.count - 1) / Double(values.count)).squareRoot() : nil
  }

  private static func discrepancy(_ x: FeatureSet, _ y: FeatureSet, _ rows: Range<Int>) -> Double {
    let share = 1 / Double(x.dimension)
    func kernel(_ product: Double) -> Double {
      let base = product * share + 1
      return base * base * base
    }
    var (within, across) = (0.0, 0.0)
    for i in rows {
      for j in rows.lowerBound..<i { within += kernel(x.product(i, x, j)) + kernel(y.product(i, y, j)) }
      for j in rows { across += kernel(x.product(i, y, j)) }
    }
    let m = Double(rows.count)
    return 2 * within / (m * (m - 1)) - 2 * across / (m * m)
  }
}
