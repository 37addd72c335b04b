import Flow
import Foundation
import TestSupport
import Testing

@Suite struct StochasticTests {
  /// Each sample and step has numbers of its own.
  private static func normals(_ sample: Int, _ step: Int) -> [Double] {
    var random = TestRandom(seed: UInt64(sample) << 20 | UInt64(step) + 1)
    return random.normals(2)
  }

  private static func ends(
    _ solver: Solver, of count: Int, _ field: some VelocityField, to end: Double = 1
  ) throws -> [Double] {
    var random = TestRandom(seed: 5)
    var (field, states) = (field, random.normals(2 * count))
    try solver.integrate(&field, from: 0, to: end, states: &states, normals: normals)
    return states
  }

  /// Of each dimension, within four standard errors.
  private static func expectNormal(
    _ states: [Double], _ moments: [(mean: Double, variance: Double)], _ what: String
  ) {
    for (j, expected) in moments.enumerated() {
      let values = stride(from: j, to: states.count, by: 2).map { states[$0] }
      let count = Double(values.count)
      let mean = values.reduce(0, +) / count
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / (count - 1)
      #expect(
        abs(mean - expected.mean) < 4 * (expected.variance / count).squareRoot(), "\(what), mean \(mean)")
      #expect(abs(variance / expected.variance - 1) < 4 * (2 / count).squareRoot(), "\(what): \(variance)")
    }
  }

  /// Mean and variance after equal steps from noise to N(mean, deviation²): the velocity μ + g·(x − t·μ) is linear in x, and
  /// each step an affine map and noise.
  private static func moments(
    _ mean: Double, _ deviation: Double, noise: Double, steps: Int
  ) -> (mean: Double, variance: Double) {
    var (m, v) = (0.0, 1.0)
    for step in 0..<steps {
      let (t, u) = (Double(step) / Double(steps), Double(step + 1) / Double(steps))
      let g =
        (t * deviation * deviation - (1 - t)) / ((1 - t) * (1 - t) + t * t * deviation * deviation)
      let velocity = { (x: Double) in mean + g * (x - t * mean) }
      let r = pow((1 - u) / (1 - t), noise)
      let next = { (x: Double) in
        u * (x + (1 - t) * velocity(x)) + (1 - u) * r.squareRoot() * (x - t * velocity(x))
      }
      let slope = next(1) - next(0)
      (m, v) = (next(m), slope * slope * v + (1 - u) * (1 - u) * (1 - r))
    }
    return (m, v)
  }

  /// Whatever the noise, samples end as the data are distributed, with order 1. (Without the score's part of the drift a
  /// standard normal's variance would become 1 + c·π/4.)
  @Test(arguments: [0, 0.5, 1, 4]) func endsAsTheDataAre(noise: Double) throws {
    let data = zip(gaussian.mean, gaussian.standardDeviation)
    for steps in [8, 30] {
      let ends = try Self.ends(.stochastic(noise: noise, steps: steps), of: 2000, gaussian)
      Self.expectNormal(
        ends, data.map { Self.moments($0, $1, noise: noise, steps: steps) }, "\(steps) steps")
    }
    for (mean, deviation) in data {
      let variance = deviation * deviation
      let found = [2000, 4000].map { Self.moments(mean, deviation, noise: noise, steps: $0) }
      // What the error of order 1 leaves when it is extrapolated away.
      #expect(abs(2 * found[1].variance - found[0].variance - variance) < 1e-3 * variance)
      #expect(abs(found[1].mean - mean) < 1e-9)
      let order = log2((found[0].variance - variance) / (found[1].variance - variance))
      #expect(abs(order - 1) < 0.1, "order \(order)")
    }
  }

  /// Where all data are one point, a step of any length is exact: on its way the noise is (1 − t)·N(0, 1).
  @Test(arguments: TimeGrid.allCases, [0.3, 1, 50]) func aPointIsReachedExactly(grid: TimeGrid, noise: Double)
    throws
  {
    let field = ClosureField(dimension: 2) { x, t in [(1.5 - x[0]) / (1 - t), (-0.5 - x[1]) / (1 - t)] }
    for steps in [1, 2, 7] {
      let solver = Solver.stochastic(noise: noise, steps: steps, grid: grid)
      let ends = try Self.ends(solver, of: 30, field)
      for (i, end) in ends.enumerated() { #expect(abs(end - (i % 2 == 0 ? 1.5 : -0.5)) < 1e-12) }
      let halfway = try Self.ends(solver, of: 2000, field, to: 0.5)
      Self.expectNormal(halfway, [(0.75, 0.25), (-0.25, 0.25)], "\(steps) steps")
    }
  }

  @Test func withoutNoiseItIsEulersMethod() throws {
    let solver = Solver.stochastic(noise: 0, steps: 9, grid: .edm)
    var random = TestRandom(seed: 5)
    let euler = try Solver.fixed(.euler, steps: 9, grid: .edm).solve(gaussian, from: random.normals(20))
    #expect(try Self.ends(solver, of: 10, gaussian) == euler)
  }

  @Test func sampleAloneHasTheSameBits() throws {
    let solver = Solver.stochastic(noise: 1.5, steps: 6, grid: .logit)
    var random = TestRandom(seed: 5)
    let noise = random.normals(40)
    var (field, together) = (mixture, noise)
    let statistics = try solver.integrate(
      &field, from: 0, to: 1, states: &together, normals: Self.normals)
    #expect(statistics.evaluations == Array(repeating: 6, count: 20) && statistics.calls == 6)
    for sample in [0, 7, 19] {
      let range = 2 * sample..<2 * sample + 2
      var alone = Array(noise[range])
      try solver.integrate(
        &field, from: 0, to: 1, states: &alone, normals: { Self.normals(sample + $0, $1) })
      #expect(alone == Array(together[range]))
    }
  }

  @Test func whatIsNotFiniteIsAnError() {
    let solver = Solver.stochastic(noise: 1, steps: 10)
    var field = ClosureField(dimension: 2) { _, t in [0, t > 0.55 ? .nan : 1] }
    var states = [0.0, 0]
    #expect(throws: SolverError.nonFiniteVelocity(sample: 0, component: 1, time: 0.6)) {
      try solver.integrate(&field, from: 0, to: 1, states: &states, normals: Self.normals)
    }
    #expect(states == [0, 0])
    field = ClosureField(dimension: 2) { _, _ in [0, 1] }
    #expect(throws: SolverError.nonFiniteState(sample: 0, component: 1, time: 0.1)) {
      try solver.integrate(&field, from: 0, to: 1, states: &states, normals: { _, _ in [0, .infinity] })
    }
  }
}
