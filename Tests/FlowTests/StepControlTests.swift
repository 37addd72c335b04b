import Flow
import TestSupport
import Testing

@Suite struct StepControlTests {
  static let solver = Solver.adaptive(rtol: 1e-4, atol: 1e-5, control: .sample)

  /// 64 samples of the mixture, which take different numbers of steps.
  static let noise: [Double] = {
    var random = TestRandom(seed: 7)
    return random.normals(2 * 64)
  }()

  @Test(arguments: [true, false])
  func sampleAloneHasTheSameBits(isForward: Bool) throws {
    let start = isForward ? 0.0 : 1.0
    var field = RecordingField(mixture)
    var together = Self.noise
    let statistics = try Self.solver
      .integrate(&field, from: start, to: 1 - start, states: &together)
    #expect(Set(statistics.evaluations).count > 2, "the samples should need different work")

    for control in StepControl.allCases {
      let solver = Solver.adaptive(rtol: 1e-4, atol: 1e-5, control: control)
      for sample in 0..<64 {
        let range = 2 * sample..<2 * sample + 2
        var alone = Array(Self.noise[range])
        let own = try solver.integrate(&field, from: start, to: 1 - start, states: &alone)
        #expect(alone == Array(together[range]), "sample \(sample)")
        #expect(own.evaluations == [statistics.evaluations[sample]])
        #expect(own.accepted == [statistics.accepted[sample]])
        #expect(own.rejected == [statistics.rejected[sample]])
      }
    }
  }

  @Test func finishedSamplesLeaveTheBatch() throws {
    var field = RecordingField(mixture)
    var states = Self.noise
    let statistics = try Self.solver.integrate(&field, from: 0, to: 1, states: &states)
    #expect(statistics.calls == field.batches.count)
    #expect(statistics.calls == statistics.evaluations.reduce(0, max))
    #expect(field.times.count == statistics.evaluations.reduce(0, +))
    for sample in 0..<64 {
      let own = field.batches.filter { $0.contains(sample) }.count
      #expect(own == statistics.evaluations[sample])
      let attempts = statistics.accepted[sample] + statistics.rejected[sample]
      #expect(own == 2 + 6 * attempts)
    }
    #expect(field.batches.allSatisfy { $0 == $0.sorted() })
  }

  @Test func batchDependsOnItsMembersAndSampleDoesNot() throws {
    var field = mixture
    for (control, isEqual) in [(StepControl.batch, false), (.sample, true)] {
      let solver = Solver.adaptive(rtol: 1e-3, atol: 1e-3, control: control)
      var pair = Array(Self.noise[0..<4])
      var alone = Array(Self.noise[0..<2])
      try solver.integrate(&field, from: 0, to: 1, states: &pair)
      try solver.integrate(&field, from: 0, to: 1, states: &alone)
      #expect((alone == Array(pair[0..<2])) == isEqual)
    }
  }

  @Test(arguments: StepControl.allCases)
  func returnsToTheNoise(control: StepControl) throws {
    let tolerance = 1e-6
    let solver = Solver.adaptive(rtol: tolerance, atol: tolerance, control: control)
    var field = gaussian
    var states = Self.noise
    try solver.integrate(&field, from: 0, to: 1, states: &states)
    for sample in 0..<64 {
      let exact = gaussian.flow(Array(Self.noise[2 * sample..<2 * sample + 2]))
      for j in 0..<2 { #expect(abs(states[2 * sample + j] - exact[j]) < 10 * tolerance) }
    }
    try solver.integrate(&field, from: 1, to: 0, states: &states)
    for (state, noise) in zip(states, Self.noise) { #expect(abs(state - noise) < 30 * tolerance) }
  }

  /// Below 100 ulp of 1 the relative tolerance has no effect, as in SciPy.
  @Test func relativeToleranceHasAFloor() throws {
    var results: [[Double]] = []
    for rtol in [0, 1e-16, 100 * Double.ulpOfOne] {
      var field = gaussian
      var states = [0.7, -1.1]
      try Solver.adaptive(rtol: rtol, atol: 1e-12).integrate(&field, from: 0, to: 1, states: &states)
      results.append(states)
    }
    #expect(results[0] == results[2] && results[1] == results[2])
  }

  @Test func nothingToDo() throws {
    var field = RecordingField(gaussian)
    for solver in [Self.solver, .fixed(.rk4, steps: 3)] {
      var none: [Double] = []
      #expect(try solver.integrate(&field, from: 0, to: 1, states: &none).evaluations == [])
      var states = [0.7, -1.1]
      let statistics = try solver.integrate(&field, from: 0.5, to: 0.5, states: &states)
      #expect(statistics.evaluations == [0] && states == [0.7, -1.1])
    }
    #expect(field.batches.isEmpty)
  }
}
