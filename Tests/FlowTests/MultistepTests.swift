import Flow
import Foundation
import TestSupport
import Testing

extension MultistepMethod: CustomTestStringConvertible {
  public var testDescription: String { name }
}

@Suite struct MultistepTests {
  static let methods: [MultistepMethod] = [.adamsBashforth2, .dpmSolver2M, .exponentialAdamsBashforth3]

  /// The largest error at the end, with each number of steps.
  private func errors(
    _ method: MultistepMethod, _ grid: TimeGrid, steps: [Int], _ field: some VelocityField,
    from start: ([Double], time: Double), to end: ([Double], time: Double)
  ) throws -> [Double] {
    try steps.map { steps in
      var field = field
      var states = start.0
      try Solver.multistep(method, steps: steps, grid: grid)
        .integrate(&field, from: start.time, to: end.time, states: &states)
      return zip(states, end.0).map { abs($0 - $1) }.reduce(0, max)
    }
  }

  /// y′ = y² cos t, whose solution is 1/(1/y₀ − sin t).
  @Test(arguments: methods, [true, false])
  func orderOnANonlinearField(method: MultistepMethod, isForward: Bool) throws {
    let field = ClosureField(dimension: 1) { y, t in [y[0] * y[0] * cos(t)] }
    let ends = [([0.8], time: 0.0), ([1 / (1.25 - sin(0.7))], time: 0.7)]
    let errors = try errors(
      method, .uniform, steps: [512, 1024], field, from: ends[isForward ? 0 : 1], to: ends[isForward ? 1 : 0])
    let slope = log2(errors[0] / errors[1])
    #expect(abs(slope - 2) < 0.25, "slope \(slope)")
  }

  /// The exact map of a Gaussian, from noise to data. (The EDM grid's first and last steps don't become shorter with
  /// their number.)
  @Test(arguments: methods) func orderFromNoiseToData(method: MultistepMethod) throws {
    let noise = [0.7, -1.1]
    let errors = try errors(
      method, .uniform, steps: [512, 1024], gaussian, from: (noise, time: 0),
      to: (gaussian.flow(noise, time: 1), time: 1))
    let slope = log2(errors[0] / errors[1])
    #expect(abs(slope - 2) < 0.25, "slope \(slope), errors \(errors)")
  }

  /// Where all data are one point, the data prediction is that point from everywhere, and one step leads there.
  @Test(arguments: [MultistepMethod.dpmSolver2M, .exponentialAdamsBashforth3], TimeGrid.allCases)
  func aConstantDataPredictionIsSolvedExactly(method: MultistepMethod, grid: TimeGrid) throws {
    let field = ClosureField(dimension: 2) { x, t in [(1.5 - x[0]) / (1 - t), (-0.5 - x[1]) / (1 - t)] }
    for steps in [1, 2, 3, 10] {
      let error = try errors(
        method, grid, steps: [steps], field, from: ([0.7, -1.1], time: 0), to: ([1.5, -0.5], time: 1))
      #expect(error[0] < 1e-12, "\(steps) steps: \(error[0])")
    }
  }

  /// On steps of any lengths: a velocity linear in time is solved exactly but for the first step, which is Euler's.
  @Test(arguments: TimeGrid.allCases) func aVelocityLinearInTime(grid: TimeGrid) throws {
    let field = ClosureField(dimension: 1) { _, t in [3 * t - 1] }
    for steps in [1, 2, 3, 10, 49] {
      let first = grid.times(steps: steps, from: 0, to: 1)[1]
      let error = try errors(
        .adamsBashforth2, grid, steps: [steps], field, from: ([0.7], time: 0),
        to: ([0.7 - 1 + 1.5 * (1 - first * first)], time: 1))
      #expect(error[0] < 1e-12, "\(steps) steps: \(error[0])")
    }
  }

  /// A data prediction quadratic in time likewise; the first steps' errors vanish towards the data.
  @Test(arguments: TimeGrid.allCases) func aDataPredictionQuadraticInTime(grid: TimeGrid) throws {
    let field = ClosureField(dimension: 1) { x, t in [(3 * t * t - t - 0.5 - x[0]) / (1 - t)] }
    for steps in [3, 4, 10, 49] {
      let error = try errors(
        .exponentialAdamsBashforth3, grid, steps: [steps], field, from: ([0.7], time: 0), to: ([1.5], time: 1)
      )
      #expect(error[0] < 1e-11, "\(steps) steps: \(error[0])")
    }
  }

  @Test(arguments: methods, TimeGrid.allCases)
  func oneEvaluationAStepAndNoneOutside(method: MultistepMethod, grid: TimeGrid) throws {
    for (start, end) in [(0.0, 1.0), (1.0, 0.0), (0.03, 0.29), (0.29, 0.03)] {
      for steps in [1, 2, 3, 10, 49] {
        var field = RecordingField(gaussian)
        var states = [0.7, -1.1, 0.2, 0.3]
        var ends: [Double] = []
        let statistics = try Solver.multistep(method, steps: steps, grid: grid)
          .integrate(&field, from: start, to: end, states: &states) { ends.append($0.end) }
        #expect(statistics.evaluations == [steps, steps] && statistics.calls == steps)
        #expect(ends.count == steps && ends.last == end)
        #expect(field.times.allSatisfy { (min(start, end)...max(start, end)).contains($0) })
        #expect(states.allSatisfy { $0.isFinite })
      }
    }
  }

  @Test(arguments: methods)
  func sampleAloneHasTheSameBits(method: MultistepMethod) throws {
    var random = TestRandom(seed: 1)
    let noise = random.normals(128)
    let solver = Solver.multistep(method, steps: 7, grid: .edm)
    let together = try solver.solve(mixture, from: noise)
    for sample in [0, 1, 31, 63] {
      let range = 2 * sample..<2 * sample + 2
      #expect(try solver.solve(mixture, from: Array(noise[range])) == Array(together[range]))
    }
  }

  /// A field that overflows ends the solve by name.
  @Test(arguments: methods) func whatIsNotFiniteIsAnError(method: MultistepMethod) throws {
    let field = ClosureField(dimension: 1) { y, t in [t < 0.5 ? 1 : .infinity] }
    let error = #expect(throws: SolverError.self) {
      try Solver.multistep(method, steps: 4).solve(field, from: [0])
    }
    #expect(error == .nonFiniteVelocity(sample: 0, component: 0, time: 0.5))
    let growing = ClosureField(dimension: 1) { _, _ in [1e308] }
    let overflow = #expect(throws: SolverError.self) {
      try Solver.multistep(method, steps: 4).solve(growing, from: [1.7e308])
    }
    #expect(overflow == .nonFiniteState(sample: 0, component: 0, time: 0.25))
  }

  /// The formula with powers: σ = (σ₀^⅐ + share·(σ₁^⅐ − σ₀^⅐))⁷, t = 1 − σ/(1 + σ).
  @Test(arguments: [1, 2, 3, 10, 50]) func grids(steps: Int) throws {
    let edm = TimeGrid.edm.times(steps: steps, from: 0, to: 1)
    for i in edm.indices.dropFirst().dropLast() {
      let share = Double(i) / Double(steps - 1)
      let sigma = pow(pow(80, 1.0 / 7) + share * (pow(0.002, 1.0 / 7) - pow(80, 1.0 / 7)), 7)
      #expect(abs(edm[i] - (1 - sigma / (1 + sigma))) < 1e-12)
    }
    // Equal steps of the logarithm, whose ends are the interval's.
    let logit = TimeGrid.logit.times(steps: steps, from: 0, to: 1)
    let logits = logit.map { log(($0 + 0.03) / (1.02 - $0)) }
    for i in logits.indices {
      let expected = logits[0] + Double(i) / Double(steps) * (logits[steps] - logits[0])
      #expect(abs(logits[i] - expected) < 1e-12)
    }
    for (grid, times) in [(TimeGrid.edm, edm), (.logit, logit)] {
      #expect(times.count == steps + 1 && times.first == 0 && times.last == 1)
      #expect(zip(times, times.dropFirst()).allSatisfy { $0 < $1 })
      let backward = grid.times(steps: steps, from: 1, to: 0)
      #expect(zip(backward, times.reversed()).allSatisfy { abs($0 - $1) < 1e-15 })
    }
  }
}
