import Flow
import Foundation
import TestSupport
import Testing

/// u_i = sin(Σ_j A_ij x_j + t), whose Jacobian diag(cos …)·A is full and known.
private struct SineField: DivergenceField, DifferentiableField {
  static let matrix = [[0.9, -0.4, 0.3], [0.7, -0.5, 1.1], [-0.2, 0.8, 0.6]]
  var dimension: Int { 3 }

  static func jacobian(_ x: [Double], time: Double) -> [[Double]] {
    matrix.map { row in
      let slope = cos(zip(row, x).reduce(0) { $0 + $1.0 * $1.1 } + time)
      return row.map { slope * $0 }
    }
  }

  static func quadraticForm(_ z: [Double], _ jacobian: [[Double]]) -> Double {
    zip(z, jacobian).reduce(0) { sum, row in
      sum + row.0 * zip(row.1, z).reduce(0) { $0 + $1.0 * $1.1 }
    }
  }

  private func row(_ states: Span<Double>, _ row: Int) -> [Double] { (0..<3).map { states[3 * row + $0] } }

  func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>
  ) {
    for row in times.indices {
      let x = self.row(states, row)
      for (i, a) in Self.matrix.enumerated() {
        velocities[3 * row + i] = sin(zip(a, x).reduce(0) { $0 + $1.0 * $1.1 } + times[row])
      }
    }
  }

  func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>, divergences: inout MutableSpan<Double>
  ) {
    evaluate(states, times: times, samples: samples, into: &velocities)
    for row in times.indices {
      let jacobian = Self.jacobian(self.row(states, row), time: times[row])
      divergences[row] = (0..<3).reduce(0) { $0 + jacobian[$1][$1] }
    }
  }

  func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>, probes: Span<Double>,
    into velocities: inout MutableSpan<Double>, quadraticForms: inout MutableSpan<Double>
  ) {
    evaluate(states, times: times, samples: samples, into: &velocities)
    let count = quadraticForms.count / times.count
    for row in times.indices {
      let jacobian = Self.jacobian(self.row(states, row), time: times[row])
      for probe in 0..<count {
        let z = self.row(probes, samples[row] * count + probe)
        quadraticForms[row * count + probe] = Self.quadraticForm(z, jacobian)
      }
    }
  }
}

/// Quadratic forms of another field by central differences, zᵀ(u(x + hz) − u(x − hz))/2h, of error O(h²).
private struct DifferenceField<Base: VelocityField>: DifferentiableField {
  var base: Base
  var dimension: Int { base.dimension }

  mutating func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>
  ) throws {
    try base.evaluate(states, times: times, samples: samples, into: &velocities)
  }

  mutating func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>, probes: Span<Double>,
    into velocities: inout MutableSpan<Double>, quadraticForms: inout MutableSpan<Double>
  ) throws {
    try evaluate(states, times: times, samples: samples, into: &velocities)
    let (h, d) = (1e-5, dimension)
    let count = quadraticForms.count / times.count
    for row in times.indices {
      func velocity(_ z: [Double], _ h: Double) throws -> [Double] {
        let x = (0..<d).map { states[row * d + $0] + h * z[$0] }
        var u = Array(repeating: Double.nan, count: d)
        var span = u.mutableSpan
        try base.evaluate(x.span, times: [times[row]].span, samples: [samples[row]].span, into: &span)
        return u
      }
      for probe in 0..<count {
        let z = (0..<d).map { probes[(samples[row] * count + probe) * d + $0] }
        let slopes = zip(try velocity(z, h), try velocity(z, -h)).map { ($0 - $1) / (2 * h) }
        quadraticForms[row * count + probe] = zip(z, slopes).reduce(0) { $0 + $1.0 * $1.1 }
      }
    }
  }
}

/// All vectors of signs.
private func allSigns(dimension: Int) -> [Double] {
  (0..<1 << dimension).flatMap { bits in (0..<dimension).map { bits >> $0 & 1 == 0 ? -1.0 : 1 } }
}

private func divergences<Field: DivergenceField>(
  _ field: Field, _ states: [Double], times: [Double]
) throws -> [Double] {
  var field = field
  var velocities = states.map { _ in Double.nan }
  var divergences = times.map { _ in Double.nan }
  var velocitySpan = velocities.mutableSpan
  var divergenceSpan = divergences.mutableSpan
  try field.evaluate(
    states.span, times: times.span, samples: Array(times.indices).span, into: &velocitySpan,
    divergences: &divergenceSpan)
  return divergences
}

@Suite struct LikelihoodTests {
  private func solver(_ tolerance: Double) -> Solver { .adaptive(rtol: tolerance, atol: tolerance) }

  /// The densities in closed form, and what an independent RK45 gave for the same system.
  @Test func mixtureDensity() throws {
    func logDensities(_ tolerance: Double) throws -> [Double] {
      try Likelihood.logDensities(of: [2, 0, 0.5, 0.5], under: mixture, solver: solver(tolerance))
        .logDensities
    }
    let fine = try logDensities(1e-9)
    #expect(abs(fine[0] - 0.177025954133) < 1e-8)
    #expect(abs(fine[0] - 0.177025954476) < 1e-11)
    #expect(abs(fine[1] - -8.17447054649) < 1e-7)
    #expect(abs(try logDensities(1e-5)[0] - 0.1770557) < 5e-8)
  }

  @Test func mixtureDivergenceByDifferences() throws {
    let h = 1e-5
    let times = [0, 0.3, 0.7, 1]
    let states = [0.4, 0.3, -1.2, 0.5, 1.7, 0.1, 0.9, 0.2]
    let exact = try divergences(mixture, states, times: times)
    for (row, time) in times.enumerated() {
      func velocity(_ x: [Double]) -> [Double] {
        var u = [Double.nan, .nan]
        var span = u.mutableSpan
        mixture.evaluate(x.span, times: [time].span, samples: [0].span, into: &span)
        return u
      }
      let (x, y) = (states[2 * row], states[2 * row + 1])
      let difference =
        (velocity([x + h, y])[0] - velocity([x - h, y])[0] + velocity([x, y + h])[1]
          - velocity([x, y - h])[1]) / (2 * h)
      #expect(abs(exact[row] - difference) < 1e-6 * max(1, abs(difference)))
    }
  }

  /// N(μ, diag s²) has its density in closed form, and a diagonal Jacobian: one probe of signs is exact.
  @Test func signsAreExactOnADiagonalJacobian() throws {
    let target = GaussianTarget(mean: [1.5, -0.5, 0.2], standardDeviation: [0.8, 0.3, 1.7])
    let (states, times) = ([0.3, -2, 1, 0.4, 0.1, -0.6], [0.2, 0.9])
    let estimate = HutchinsonField(target, probes: [1, -1, -1, -1, -1, 1], probeCount: 1)
    let exact = try divergences(target, states, times: times)
    for (a, b) in zip(try divergences(estimate, states, times: times), exact) {
      #expect(abs(a - b) < 1e-14 * abs(b))
    }
    let x = [1.1, -0.1, 2.0]
    let expected = (0..<3).reduce(0) { sum, j in
      let s = target.standardDeviation[j]
      let z = (x[j] - target.mean[j]) / s
      return sum - (log(2 * .pi) + z * z) / 2 - log(s)
    }
    let one = HutchinsonField(target, probes: [1, -1, -1], probeCount: 1)
    let result = try Likelihood.logDensities(of: x, under: one, solver: solver(1e-9))
    #expect(abs(result.logDensities[0] - expected) < 1e-7)
  }

  /// Over all 2^d probes of signs the mean is the trace, and the variance 2 Σ_{i≠j} S_ij².
  @Test func meanAndVarianceOverAllSigns() throws {
    let (state, time) = ([0.3, -0.8, 0.5], 0.4)
    let jacobian = SineField.jacobian(state, time: time)
    let trace = (0..<3).reduce(0) { $0 + jacobian[$1][$1] }
    let all = HutchinsonField(SineField(), probes: allSigns(dimension: 3), probeCount: 8)
    let mean = try divergences(all, state, times: [time])[0]
    #expect(abs(mean - trace) < 1e-14)

    // A probe for each of eight samples at one state.
    let each = HutchinsonField(SineField(), probes: allSigns(dimension: 3), probeCount: 1)
    let forms = try divergences(
      each, Array(repeatElement(state, count: 8).joined()), times: Array(repeating: time, count: 8))
    let variance = forms.reduce(0) { $0 + ($1 - trace) * ($1 - trace) } / 8
    var expected = 0.0
    for (i, j) in [(0, 1), (0, 2), (1, 2)] {
      let symmetric = (jacobian[i][j] + jacobian[j][i]) / 2
      expected += 4 * symmetric * symmetric
    }
    #expect(relativeError(variance, expected) < 1e-12)

    // The mean over all probes is the exact divergence all along a solve.
    let estimated = try Likelihood.logDensities(of: state, under: all, solver: solver(1e-8))
    let exact = try Likelihood.logDensities(of: state, under: SineField(), solver: solver(1e-8))
    #expect(abs(estimated.logDensities[0] - exact.logDensities[0]) < 1e-10)
  }

  /// The probes √d·e_i of each sample give the divergence exactly: of a diagonal Jacobian, of a full one, and of the
  /// mixture's, by differences.
  @Test func scaledUnitVectorsAreExact() throws {
    func unitProbes(_ d: Int, samples: Int) -> [Double] {
      (0..<samples * d).flatMap { row in
        (0..<d).map { $0 == row % d ? Double(d).squareRoot() : 0 }
      }
    }
    func largestError<Field: DifferentiableField>(
      _ field: Field, _ states: [Double], times: [Double], exact: some DivergenceField
    ) throws -> Double {
      let d = field.dimension
      let hutchinson = HutchinsonField(
        field, probes: unitProbes(d, samples: times.count), probeCount: d)
      return try zip(
        divergences(hutchinson, states, times: times), divergences(exact, states, times: times)
      ).reduce(0) { max($0, abs($1.0 - $1.1) / max(1, abs($1.1))) }
    }
    let times = [0, 0.3, 0.9]
    var random = TestRandom(seed: 5)
    let (pairs, triples) = (random.normals(6), random.normals(9))
    #expect(try largestError(gaussian, pairs, times: times, exact: gaussian) < 1e-14)
    #expect(try largestError(SineField(), triples, times: times, exact: SineField()) < 1e-14)
    let differences = DifferenceField(base: mixture)
    #expect(try largestError(differences, pairs, times: times, exact: mixture) < 1e-7)
  }

  /// A sample's probes are found by its number, also when others have left the batch.
  @Test func samplesKeepTheirProbes() throws {
    var random = TestRandom(seed: 4)
    let (states, probes) = (random.normals(15), random.normals(30))
    func logDensities(_ samples: Range<Int>) throws -> [Double] {
      let field = HutchinsonField(
        SineField(), probes: Array(probes[6 * samples.lowerBound..<6 * samples.upperBound]), probeCount: 2)
      return try Likelihood.logDensities(
        of: Array(states[3 * samples.lowerBound..<3 * samples.upperBound]), under: field,
        solver: solver(1e-4)
      ).logDensities
    }
    let together = try logDensities(0..<5)
    #expect(try (0..<5).flatMap { try logDensities($0..<$0 + 1) } == together)
    #expect(Set(together).count == 5)
  }

  @Test func densityIntegratesToOne() throws {
    let target = GaussianMixtureTarget([
      .init(weight: 0.4, mean: [-1], standardDeviation: 0.3),
      .init(weight: 0.6, mean: [1.5], standardDeviation: 0.5),
    ])
    let width = 0.02
    let grid = (0..<400).map { -4 + width * Double($0) + width / 2 }
    let result = try Likelihood.logDensities(of: grid, under: target, solver: solver(1e-7))
    let integral = result.logDensities.reduce(0) { $0 + width * exp($1) }
    #expect(abs(integral - 1) < 1e-5, "\(integral)")
  }

  @Test func forwardThenReverseReturns() throws {
    let noise = [0.7, -1.1, -0.4, 0.2]
    var (field, states) = (mixture, noise)
    try solver(1e-6).integrate(&field, from: 0, to: 1, states: &states)
    let result = try Likelihood.logDensities(of: states, under: mixture, solver: solver(1e-6))
    for (a, b) in zip(result.noise, noise) { #expect(abs(a - b) < 1e-5) }
    for row in 0..<2 {
      let exact = mixture.logDensity(states.span.extracting(2 * row..<2 * row + 2))
      #expect(abs(result.logDensities[row] - exact) < 1e-4)
    }
  }

  @Test func bitsPerDimension() {
    // Uniform on [−1, 1], density 1/2: eight bits of a pixel of 256 levels.
    #expect(abs(Likelihood.bitsPerDimension(logDensity: -784 * log(2), dimension: 784) - 8) < 1e-12)
    let x = [0.5, -1, 0.25]
    let energy = x.reduce(0) { $0 + $1 * $1 } / 3
    let expected = 7 + log2(2 * .pi) / 2 + energy / (2 * log(2))
    let bits = Likelihood.bitsPerDimension(
      logDensity: Likelihood.standardNormalLogDensity(x), dimension: 3)
    #expect(abs(bits - expected) < 1e-12)
  }

  @Test func solverErrorsInTheCallersNumbers() {
    let error = SolverError.stepUnderflow(samples: 3..<4, time: 0.9, step: 1e-17)
    #expect(error.numbered(from: 64) == .stepUnderflow(samples: 67..<68, time: 0.9, step: 1e-17))
    #expect(
      SolverError.nonFiniteVelocity(sample: 1, component: 2, time: 0).numbered(from: 5)
        == .nonFiniteVelocity(sample: 6, component: 2, time: 0))
  }
}

@Suite struct LikelihoodEstimateTests {
  /// Two draws of three images: means 2, 3, 7, deviations ±1, 0, ±2 about them.
  private let fine = [1.0, 3, 9, 3, 3, 5]

  @Test func errorBars() throws {
    let estimate = LikelihoodEstimate(coarse: fine.map { $0 + 0.05 }, fine: fine, drawCount: 2)
    #expect(estimate.mean == 4)
    // Σ (2, 3, 7 − 4)² = 14 over 2, over 3 images.
    #expect(abs(try #require(estimate.standardError) - (14.0 / 2 / 3).squareRoot()) < 1e-14)
    // Variances of the draws 2, 0, 8, of their means a half, of the mean of three a ninth of the sum.
    #expect(abs(try #require(estimate.standardErrorOfDraws) - (5.0 / 9).squareRoot()) < 1e-14)
    #expect(abs(estimate.difference - 0.05) < 1e-14 && abs(estimate.coarseMean - 4.05) < 1e-14)
    #expect(estimate.isReliable)
  }

  @Test func refusal() {
    func estimate(_ differences: [Double], _ fine: [Double]) -> LikelihoodEstimate {
      LikelihoodEstimate(coarse: zip(fine, differences).map { $0 + $1 }, fine: fine, drawCount: 1)
    }
    // A wide error bar allows no more than 0.1 bits, a narrow or missing one 0.01.
    #expect(estimate([0.09, 0.09], [1, 9]).isReliable)
    #expect(!estimate([0.11, 0.11], [1, 9]).isReliable)
    #expect(estimate([0.009, 0.009], [2, 2]).isReliable)
    #expect(!estimate([0.011, 0.011], [2, 2]).isReliable)
    #expect(estimate([0.009], [2]).isReliable && !estimate([0.011], [2]).isReliable)
    #expect(estimate([0.009], [2]).standardError == nil)
    // Errors of opposite signs don't hide each other, nor does one that isn't a number pass.
    #expect(!estimate([0.5, -0.5], [1, 9]).isReliable)
    #expect(!estimate([.nan, 0], [1, 9]).isReliable)
  }
}
