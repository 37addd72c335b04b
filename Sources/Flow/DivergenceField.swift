/// A velocity field that also gives its divergence: what a likelihood is integrated from.
public protocol DivergenceField: VelocityField {
  /// Computes u and div u = Σ_j ∂u_j/∂x_j of every row, the latter exactly, or as an estimate without bias that is
  /// one function of state and time throughout a solve.
  ///
  /// - Parameters:
  ///   - states, times, samples, velocities: as in `VelocityField.evaluate`.
  ///   - divergences: [count], to be overwritten entirely.
  mutating func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>, divergences: inout MutableSpan<Double>
  ) throws
}

/// A velocity field that can be differentiated along given directions.
public protocol DifferentiableField: VelocityField {
  /// Computes u of every row, and zᵀ(∂u/∂x)z for each of its probes z.
  ///
  /// - Parameters:
  ///   - states, times, samples, velocities: as in `VelocityField.evaluate`.
  ///   - probes: [all samples, probes, dimension]: those of row i are the ones of sample `samples[i]`.
  ///   - quadraticForms: [count, probes], to be overwritten entirely.
  mutating func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>, probes: Span<Double>,
    into velocities: inout MutableSpan<Double>, quadraticForms: inout MutableSpan<Double>
  ) throws
}

/// A field with Hutchinson's estimate of its divergence (1989; for likelihoods Grathwohl et al. 2018, "FFJORD"):
/// the mean of zᵀ(∂u/∂x)z over probes z with E[z zᵀ] = I. A sample's probes stay the same for as long as the field
/// is used, so that a solver sees a smooth right-hand side.
///
/// Probes of signs ±1 (Rademacher's) are exact where the Jacobian is diagonal; else their variance is
/// 2 Σ_{i≠j} S_ij², S being the Jacobian's symmetric part. Gaussian ones add 2 Σ_i S_ii².
///
/// The d probes √d·e_i of a sample, e_i the unit vectors, give the divergence exactly, for any Jacobian: the mean of
/// their d·J_ii is the trace.
public struct HutchinsonField<Base: DifferentiableField>: DivergenceField {
  private var base: Base
  /// [samples, probes, dimension]
  private let probes: [Double]
  private let probeCount: Int

  /// - Parameters:
  ///   - probes: [samples, probeCount, dimension].
  ///   - probeCount: the probes of a sample.
  public init(_ base: Base, probes: [Double], probeCount: Int) {
    precondition(probeCount > 0 && probes.count.isMultiple(of: probeCount * base.dimension))
    self.base = base
    self.probes = probes
    self.probeCount = probeCount
  }

  public var dimension: Int { base.dimension }

  public mutating func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>
  ) throws {
    try base.evaluate(states, times: times, samples: samples, into: &velocities)
  }

  public mutating func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>, divergences: inout MutableSpan<Double>
  ) throws {
    // Local memory: a span of a stored array would bar `base` from being changed meanwhile.
    let probes = probes
    var quadraticForms = [Double](repeating: 0, count: times.count * probeCount)
    var forms = quadraticForms.mutableSpan
    try base.evaluate(
      states, times: times, samples: samples, probes: probes.span, into: &velocities, quadraticForms: &forms)
    for row in times.indices {
      var sum = 0.0
      for probe in 0..<probeCount { sum += forms[row * probeCount + probe] }
      divergences[row] = sum / Double(probeCount)
    }
  }
}
