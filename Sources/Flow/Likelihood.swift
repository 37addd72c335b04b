import Foundation

/// Log-densities by the instantaneous change of variables (Chen et al. 2018, "Neural ordinary differential
/// equations"; with an estimated divergence Grathwohl et al. 2018, "FFJORD"): with x₀ = the state at t = 0 of the
/// solution through x at t = 1,
///
///     log p₁(x) = log N(x₀; 0, I) − ∫₀¹ div u(x_t, t) dt.
///
/// State and integral are one system of dimension + 1 components, solved from t = 1 back to 0 under one error norm.
public enum Likelihood {
  /// What `logDensities` finds for each sample.
  public struct Result: Sendable {
    /// [count] log p₁(x), in nats.
    public var logDensities: [Double]
    /// [count, dimension] x₀.
    public var noise: [Double]
    public var statistics: SolverStatistics
  }

  /// - Parameters:
  ///   - data: [count, dimension] x, at t = 1.
  ///   - field: with an estimated divergence, so are the log-densities; they are then without bias too.
  ///   - observe: is lent each accepted step, whose states have the integral as their last component.
  /// - Throws: `SolverError`, and whatever the field or the observer throws.
  public static func logDensities<Field: DivergenceField>(
    of data: [Double], under field: Field, solver: Solver,
    observe: (borrowing AcceptedStep) throws -> Void = { _ in }
  ) throws -> Result {
    let dimension = field.dimension
    precondition(data.count.isMultiple(of: dimension), "not a whole number of samples")
    let count = data.count / dimension
    var augmented = AugmentedField(base: field)
    var states = (0..<count).flatMap { data[$0 * dimension..<($0 + 1) * dimension] + [0] }
    let statistics = try solver.integrate(&augmented, from: 1, to: 0, states: &states, observe: observe)
    let rows = (0..<count).map { states[$0 * (dimension + 1)..<($0 + 1) * (dimension + 1)] }
    return Result(
      // The last component is ∫₁⁰ div u dt, with the sign that it is needed with.
      logDensities: rows.map { standardNormalLogDensity($0.dropLast()) + ($0.last ?? 0) },
      noise: rows.flatMap { $0.dropLast() }, statistics: statistics)
  }

  /// log N(x; 0, I).
  public static func standardNormalLogDensity(_ x: some Collection<Double>) -> Double {
    -(Double(x.count) * log(2 * .pi) + x.reduce(0) { $0 + $1 * $1 }) / 2
  }

  /// −log₂ p of a dimension, for pixels of 256 grey levels that were given uniform noise of one level,
  /// x = (k + u)/128 − 1: a level is 1/128 = 2⁻⁷ wide. Its mean over u is an upper bound of the bits that the grey
  /// levels themselves take (Theis, van den Oord & Bethge 2016).
  public static func bitsPerDimension(logDensity: Double, dimension: Int) -> Double {
    -logDensity / (Double(dimension) * log(2)) + 7
  }
}

/// d/dt [x | a] = [u | div u].
private struct AugmentedField<Base: DivergenceField>: VelocityField {
  var base: Base

  var dimension: Int { base.dimension + 1 }

  mutating func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>
  ) throws {
    let (count, width) = (times.count, base.dimension)
    // The rows without their last component.
    var inner = [Double](repeating: 0, count: count * width)
    var innerVelocities = inner
    var divergences = [Double](repeating: 0, count: count)
    for row in 0..<count {
      for j in 0..<width { inner[row * width + j] = states[row * (width + 1) + j] }
    }
    var u = innerVelocities.mutableSpan
    var divergence = divergences.mutableSpan
    try base.evaluate(inner.span, times: times, samples: samples, into: &u, divergences: &divergence)
    for row in 0..<count {
      for j in 0..<width { velocities[row * (width + 1) + j] = u[row * width + j] }
      velocities[row * (width + 1) + width] = divergence[row]
    }
  }
}
