/// The kernel distance of two sets (Bińkowski, Sutherland, Arbel & Gretton 2018, "Demystifying MMD GANs"): the squared
/// maximum mean discrepancy with the kernel k(x, y) = (x·y/d + 1)³, estimated without bias,
///
///     Σ_{i≠j} k(x_i, x_j)/(m(m − 1)) + Σ_{i≠j} k(y_i, y_j)/(n(n − 1)) − 2·Σ_ij k(x_i, y_j)/(mn),
///
/// so that it is 0 in the mean, and may be negative, for sets of one distribution, however small they are. All pairs are
/// summed, where the paper takes the mean over subsets: the same quantity, less scattered.
public struct KernelDistance: Sendable {
  public let value: Double
  /// The jackknife's standard error, of drawing the first set: from how the value changes without each of its points.
  public let error: Double

  /// - Parameters:
  ///   - first: at least three points.
  ///   - second: at least two.
  public init(_ first: FeatureSet, _ second: FeatureSet, forEach: ForEachNumber) rethrows {
    precondition(first.dimension == second.dimension && first.count >= 3 && second.count >= 2)
    let (m, n) = (Double(first.count), Double(second.count))
    // [points] The kernel's sums over all other points of the set, and over the points of the other set.
    let within = try forEach(first.count) { first.kernelSum($0, first) - first.kernel($0, first, $0) }
    let across = try forEach(first.count) { first.kernelSum($0, second) }
    let others = try forEach(second.count) { second.kernelSum($0, second) - second.kernel($0, second, $0) }
    let (withinSum, acrossSum) = (within.reduce(0, +), across.reduce(0, +))
    let rest = others.reduce(0, +) / (n * (n - 1))
    value = withinSum / (m * (m - 1)) + rest - 2 * acrossSum / (m * n)
    let without = zip(within, across).map { within, across in
      (withinSum - 2 * within) / ((m - 1) * (m - 2)) + rest - 2 * (acrossSum - across) / ((m - 1) * n)
    }
    let mean = without.reduce(0, +) / m
    error = ((m - 1) / m * without.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }).squareRoot()
  }
}

extension FeatureSet {
  fileprivate func kernel(_ row: Int, _ other: FeatureSet, _ otherRow: Int) -> Double {
    let base = product(row, other, otherRow) / Double(dimension) + 1
    return base * base * base
  }

  /// Over all points of another set.
  fileprivate func kernelSum(_ row: Int, _ other: FeatureSet) -> Double {
    (0..<other.count).reduce(0) { $0 + kernel(row, other, $1) }
  }
}
