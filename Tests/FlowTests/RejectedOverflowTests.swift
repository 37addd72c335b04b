import Flow
import Foundation
import TestSupport
import Testing

/// At rest until t = 1/2, so that steps grow; then y′ = −sinh y, of which a step too large overflows. Its solution
/// is tanh(y/2) = tanh(y₀/2)·exp(1/2 − t).
private let suddenFall = ClosureField(dimension: 1) { y, t in [t < 0.5 ? 0 : -sinh(y[0])] }

@Suite struct RejectedOverflowTests {
  static let initial = [0.3, 20, -0.1, -15, 1]
  static let exact = initial.map { 2 * atanh(tanh($0 / 2) * exp(-0.5)) }

  /// A step whose trial overflows is tried again with a smaller one.
  @Test(arguments: StepControl.allCases)
  func recovers(control: StepControl) throws {
    var field = RecordingField(suddenFall)
    var states = Self.initial
    let statistics = try Solver.adaptive(rtol: 1e-6, atol: 1e-6, control: control)
      .integrate(&field, from: 0, to: 1, states: &states)
    for (state, exact) in zip(states, Self.exact) { #expect(abs(state - exact) < 1e-4) }
    for sample in states.indices {
      #expect(statistics.rejected[sample] > 0)
      #expect(statistics.evaluations[sample] == field.batches.count { $0.contains(sample) })
    }
    #expect(statistics.calls == field.batches.count)
    // Attempts that ended early have fewer than six evaluations.
    let attempts = statistics.accepted[1] + statistics.rejected[1]
    #expect(statistics.evaluations[1] < 2 + 6 * attempts)
  }

  /// One sample's overflow leaves the bits and the counts of the others as they are.
  @Test func othersDoNotNotice() throws {
    let solver = Solver.adaptive(rtol: 1e-6, atol: 1e-6)
    var field = suddenFall
    var together = Self.initial
    let statistics = try solver.integrate(&field, from: 0, to: 1, states: &together)
    for sample in together.indices {
      var alone = [Self.initial[sample]]
      let own = try solver.integrate(&field, from: 0, to: 1, states: &alone)
      #expect(alone == [together[sample]])
      #expect(own.evaluations == [statistics.evaluations[sample]])
      #expect(own.accepted == [statistics.accepted[sample]])
      #expect(own.rejected == [statistics.rejected[sample]])
    }
  }

  /// The short Euler step from which the first step is chosen, of 1 % of the state, may overflow too.
  @Test func firstStep() throws {
    var field = RecordingField(
      ClosureField(dimension: 1) { y, t in [y[0] > 1.41 ? .infinity : exp(-1000 * t)] })
    var states = [1.4]
    let statistics = try Solver.adaptive(rtol: 1e-6, atol: 1e-6)
      .integrate(&field, from: 0, to: 1, states: &states)
    #expect(abs(field.times[1] - 0.014) < 1e-6 && abs(states[0] - 1.401) < 1e-5)
    #expect(statistics.evaluations == [field.times.count])
  }
}
