import Flow
import Foundation
import TestSupport
import Testing

@Suite struct SolverErrorTests {
  static let solvers: [Solver] = [
    .adaptive(rtol: 1e-3, atol: 1e-3, control: .sample),
    .adaptive(rtol: 1e-3, atol: 1e-3, control: .batch),
    .fixed(.euler, steps: 10),
    .fixed(.rk4, steps: 10),
  ]

  @Test(arguments: solvers.indices)
  func fieldThatIsNotANumber(solver: Int) {
    // Only the second component of the third sample, from t = 0.5 on.
    var field = RecordingField(
      ClosureField(dimension: 2) { y, t in [1, t >= 0.5 && y[0] > 5 ? .nan : 0] })
    var states = [0.0, 0, 0, 0, 10, 0]
    let initial = states
    let error = #expect(throws: SolverError.self) {
      try Self.solvers[solver].integrate(&field, from: 0, to: 1, states: &states)
    }
    guard case .nonFiniteVelocity(sample: 2, component: 1, let time) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    if case .fixed = Self.solvers[solver] {
      #expect(time == 0.5 && time == field.times.max())
    } else {
      // Tried with ever smaller steps, until none was left.
      #expect(time >= 0.5 && time < 0.5 + 1e-14)
      #expect(field.batches.count < 1000)
    }
    #expect(states == initial, "the states are left as they were")
  }

  /// Nothing is tried again where the start itself is at fault.
  @Test(arguments: solvers.indices)
  func fieldThatIsNeverANumber(solver: Int) {
    var field = RecordingField(ClosureField(dimension: 2) { _, _ in [0, .nan] })
    var states = [0.0, 0, 1, 1]
    #expect(throws: SolverError.nonFiniteVelocity(sample: 0, component: 1, time: 0)) {
      try Self.solvers[solver].integrate(&field, from: 0, to: 1, states: &states)
    }
    #expect(field.batches == [[0, 1]])
  }

  @Test(arguments: solvers.indices, [Double.nan, .infinity])
  func initialStateThatIsNotFinite(solver: Int, value: Double) {
    var field = ClosureField(dimension: 1) { _, _ in [0] }
    var states = [0, 0, value]
    #expect(throws: SolverError.nonFiniteState(sample: 2, component: 0, time: 0)) {
      try Self.solvers[solver].integrate(&field, from: 0, to: 1, states: &states)
    }
  }

  /// The overflow happens in the last sum, after which the field is not evaluated any more.
  @Test func resultThatOverflows() {
    var field = ClosureField(dimension: 1) { _, _ in [.greatestFiniteMagnitude] }
    var states = [Double.greatestFiniteMagnitude]
    #expect(throws: SolverError.nonFiniteState(sample: 0, component: 0, time: 1)) {
      try Solver.fixed(.euler, steps: 1).integrate(&field, from: 0, to: 1, states: &states)
    }
  }

  /// y′ = y² from y(0) = 3 reaches infinity at t = 1/3.
  @Test(arguments: StepControl.allCases)
  func stepUnderflow(control: StepControl) throws {
    var field = ClosureField(dimension: 1) { y, _ in [y[0] * y[0]] }
    var states = [0.1, 3]
    let error = try #require(
      #expect(throws: SolverError.self) {
        try Solver.adaptive(rtol: 1e-6, atol: 1e-6, control: control)
          .integrate(&field, from: 0, to: 1, states: &states)
      })
    guard case .stepUnderflow(let samples, let time, let step) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(samples == (control == .sample ? 1..<2 : 0..<2))
    #expect(abs(time - 1.0 / 3) < 1e-6)
    #expect(step < 1e-14)
    for part in ["\(time)", "\(step)", control == .sample ? "sample 1" : "samples 0..<2", "rtol"] {
      #expect(error.description.contains(part), "\(error)")
    }
  }

  /// y′ = 1000 y from 1 overflows at t = log(1.8e308)/1000, whatever the step; weighted sums of the slopes, which
  /// are less than 30 times as large, shortly before.
  @Test(arguments: StepControl.allCases)
  func stateThatOverflowsWithAnyStep(control: StepControl) {
    let field = ClosureField(dimension: 1) { y, _ in [1000 * y[0]] }
    let error = #expect(throws: SolverError.self) {
      try Solver.adaptive(rtol: 1e-6, atol: 1e-6, control: control, maximumEvaluations: .max)
        .solve(field, from: [0, 1])
    }
    guard case .nonFiniteState(sample: 1, component: 0, let time) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    let growth = exp(1000 * time - log(Double.greatestFiniteMagnitude))
    #expect(growth > 1.0 / 30_000 && growth < 1)
  }

  /// A field that is rounded to Float has steps, which no step size resolves: the solve ends when its evaluations are used
  /// up, and says how far it came.
  @Test(arguments: StepControl.allCases)
  func evaluationsAreLimited(control: StepControl) throws {
    let field = ClosureField(dimension: 1) { y, t in [Double(Float(y[0] * t))] }
    let solver = Solver.adaptive(rtol: 1e-12, atol: 1e-12, control: control, maximumEvaluations: 200)
    let error = #expect(throws: SolverError.self) { try solver.solve(field, from: [0, 1]) }
    guard case .tooManyEvaluations(let samples, limit: 200, let time) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(samples == (control == .sample ? 1..<2 : 0..<2))
    #expect(time > 0 && time < 1)
    let numbered = error?.numbered(from: 40).description ?? ""
    for part in ["200 evaluations", "\(time)", control == .sample ? "sample 41" : "samples 40..<42", "rtol"] {
      #expect(numbered.contains(part), "\(numbered)")
    }
  }

  /// Just as many as are needed are enough.
  @Test func neededEvaluationsAreAllowed() throws {
    func solve(_ limit: Int) throws -> Int {
      var field = ClosureField(dimension: 1) { y, _ in [-y[0]] }
      var states = [1.0]
      return try Solver.adaptive(rtol: 1e-6, atol: 1e-6, maximumEvaluations: limit)
        .integrate(&field, from: 0, to: 1, states: &states).evaluations[0]
    }
    let needed = try solve(10_000)
    #expect(try solve(needed) == needed)
    #expect(throws: SolverError.self) { try solve(needed - 1) }
  }

  @Test func errorsOfFieldAndObserverPass() {
    struct Stop: Error {}
    var states = [1.0]
    var failing = ClosureField(dimension: 1) { _, _ in throw Stop() }
    var sound = ClosureField(dimension: 1) { _, _ in [1] }
    for solver in Self.solvers {
      #expect(throws: Stop.self) { try solver.integrate(&failing, from: 0, to: 1, states: &states) }
      #expect(throws: Stop.self) {
        try solver.integrate(&sound, from: 0, to: 1, states: &states) { _ in throw Stop() }
      }
    }
  }
}
