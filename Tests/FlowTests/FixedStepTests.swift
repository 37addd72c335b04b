import Flow
import Foundation
import TestSupport
import Testing

@Suite struct FixedStepTests {
  static let methods: [ButcherTableau] = [.euler, .midpoint, .heun, .rk4, .dormandPrince]

  /// log₂ of the factor by which the error at the end falls when the steps are halved.
  static func slope(
    _ method: ButcherTableau, _ field: some VelocityField, from start: ([Double], time: Double),
    to end: ([Double], time: Double)
  ) throws -> Double {
    let steps = method.order > 2 ? 64 : 512
    let errors = try [steps, 2 * steps].map { steps in
      var field = field
      var states = start.0
      try Solver.fixed(method, steps: steps)
        .integrate(&field, from: start.time, to: end.time, states: &states)
      return zip(states, end.0).map { abs($0 - $1) }.reduce(0, max)
    }
    return log2(errors[0] / errors[1])
  }

  /// y′ = y² cos t, nonlinear and with time, whose solution is 1/(1/y₀ − sin t).
  @Test(arguments: methods, [true, false])
  func orderOnANonlinearField(method: ButcherTableau, isForward: Bool) throws {
    let field = ClosureField(dimension: 1) { y, t in [y[0] * y[0] * cos(t)] }
    let ends = [([0.8], time: 0.0), ([1 / (1.25 - sin(0.7))], time: 0.7)]
    let slope = try Self.slope(
      method, field, from: ends[isForward ? 0 : 1], to: ends[isForward ? 1 : 0])
    #expect(abs(slope - Double(method.order)) < 0.25, "\(method.name): slope \(slope)")
  }

  /// The exact map of a Gaussian. There the midpoint rule gains an order: x − tμ obeys z′ = g z with
  /// g = σ′/σ, and as σ² is quadratic in t, the rule's local error h³(g″/24 + g g′/4 + g³/6) z vanishes.
  @Test(arguments: [(ButcherTableau.euler, 1.0), (.midpoint, 3), (.heun, 2), (.rk4, 4)], [true, false])
  func orderOnTheGaussian(expected: (method: ButcherTableau, order: Double), isForward: Bool) throws {
    let noise = [0.7, -1.1]
    let ends = [(noise, time: 0.0), (gaussian.flow(noise, time: 0.6), time: 0.6)]
    let slope = try Self.slope(
      expected.method, gaussian, from: ends[isForward ? 0 : 1], to: ends[isForward ? 1 : 0])
    #expect(abs(slope - expected.order) < 0.25, "\(expected.method.name): slope \(slope)")
  }

  @Test(arguments: zip(methods, [1, 2, 2, 4, 6]))
  func evaluationsPerStep(method: ButcherTableau, evaluations: Int) throws {
    var field = RecordingField(gaussian)
    var states = [0.7, -1.1, 0.2, 0.3, 0, 0]
    let statistics = try Solver.fixed(method, steps: 10)
      .integrate(&field, from: 0, to: 1, states: &states)
    // Dormand and Prince's first slope is the only one that no step before it has left.
    let expected = 10 * evaluations + (method.isFirstSameAsLast ? 1 : 0)
    #expect(statistics.evaluations == [expected, expected, expected])
    #expect(statistics.calls == expected)
    #expect(field.batches.count == expected)
    #expect(statistics.accepted == [10, 10, 10])
    #expect(statistics.rejected == [0, 0, 0])
  }

  /// Where naive arithmetic does not: ten times 0.1, summed, is 1 − 1.1e-16, and 0.03 + (0.29 − 0.03) is
  /// beyond 0.29, as is 0.29 + (0.03 − 0.29) beyond 0.03.
  @Test(arguments: methods, [(0.0, 1.0), (1.0, 0.0), (0.03, 0.29), (0.29, 0.03)])
  func staysInsideAndEndsExactly(method: ButcherTableau, interval: (Double, Double)) throws {
    let (start, end) = interval
    for steps in [1, 3, 10, 49] {
      var field = RecordingField(gaussian)
      var states = [0.7, -1.1]
      var ends: [Double] = []
      try Solver.fixed(method, steps: steps)
        .integrate(&field, from: start, to: end, states: &states) { ends.append($0.end) }
      #expect(ends.count == steps)
      #expect(ends.last == end)
      #expect(field.times.allSatisfy { (min(start, end)...max(start, end)).contains($0) })
    }
  }

  @Test(arguments: methods)
  func sampleAloneHasTheSameBits(method: ButcherTableau) throws {
    var random = TestRandom(seed: 1)
    let noise = random.normals(128)
    var field = mixture
    var together = noise
    try Solver.fixed(method, steps: 7).integrate(&field, from: 0, to: 1, states: &together)
    for sample in [0, 1, 31, 63] {
      let range = 2 * sample..<2 * sample + 2
      var alone = Array(noise[range])
      try Solver.fixed(method, steps: 7).integrate(&field, from: 0, to: 1, states: &alone)
      #expect(alone == Array(together[range]))
    }
  }
}
