import Flow
import TestSupport
import Testing

/// Step by step agreement with `scipy.integrate.RK45` (SciPy 1.17.1), t from 0 to 1 and back.
/// The expected values are what SciPy printed for the same fields.
@Suite struct SciPyFixtureTests {
  struct Fixture: CustomTestStringConvertible, Sendable {
    var testDescription: String
    var field: any VelocityField & Sendable
    var isForward = true
    var tolerance: Double
    var initial = [0.7, -1.1]
    var firstStep: Double
    var evaluations: Int
    /// The ends of the accepted steps, and the rejections before each.
    var steps: [(end: Double, rejections: Int)]
    var result: [Double]
  }

  static let fixtures = [
    Fixture(
      testDescription: "Gaussian, 1e-3", field: gaussian,
      tolerance: 1e-3, firstStep: 0.12076648347082637, evaluations: 26,
      steps: [(0.12076648347082637, 0), (0.7284707628175395, 1), (1, 0)],
      result: [2.060789794657101, -0.829907760743912]),
    Fixture(
      testDescription: "Gaussian, 1e-5", field: gaussian,
      tolerance: 1e-5, firstStep: 0.048078003032266378, evaluations: 56,
      steps: [
        (0.04807800303226638, 0), (0.3986895540430231, 1), (0.6985275487424528, 1),
        (0.892062224901027, 2), (1, 0),
      ],
      result: [2.059995890047148, -0.829998552300553]),
    Fixture(
      testDescription: "mixture, 1e-5", field: mixture,
      tolerance: 1e-5, firstStep: 0.04040392250377575, evaluations: 56,
      steps: [
        (0.04040392250377575, 0), (0.25160212850128993, 1), (0.39410755553238097, 1),
        (0.536612982563472, 0), (0.7074169533179664, 0), (0.8822354357691414, 0), (1, 0),
      ],
      result: [1.9387497345160132, -0.15516604386004063]),
    Fixture(
      testDescription: "3t²", field: ClosureField(dimension: 1) { _, t in [3 * t * t] },
      tolerance: 1e-5, initial: [1], firstStep: 1e-4, evaluations: 32,
      steps: [(1e-4, 0), (1.1e-3, 0), (0.0111, 0), (0.1111, 0), (1, 0)], result: [2]),
    Fixture(
      testDescription: "zero", field: ClosureField(dimension: 2) { _, _ in [0, 0] },
      tolerance: 1e-5, firstStep: 1e-6, evaluations: 44,
      steps: [
        (1e-6, 0), (1.1e-5, 0), (1.11e-4, 0), (1.111e-3, 0), (0.011111, 0), (0.111111, 0), (1, 0),
      ],
      result: [0.7, -1.1]),
    Fixture(
      testDescription: "stiff, −50y", field: ClosureField(dimension: 1) { y, _ in [-50 * y[0]] },
      tolerance: 1e-5, initial: [1], firstStep: 0.009563524997900367, evaluations: 182,
      steps: [
        (0.008276220119436009, 1), (0.016552440238872018, 0), (0.02525716935692411, 0),
        (0.034428054150033624, 0), (0.04419122415134215, 0), (0.05468926968581725, 0),
        (0.06609368445019492, 0), (0.07861421590951986, 0), (0.09251474721430303, 0),
        (0.10813805099190518, 0), (0.12594510570880102, 0), (0.14657952992297, 0),
        (0.17097792185836905, 0), (0.20056881053234163, 0), (0.23764963589909383, 0),
        (0.28609775155531825, 0), (0.3521008061547145, 0), (0.43737946185814913, 0),
        (0.4971288249502013, 1), (0.5568781880422534, 0), (0.627946492858101, 0),
        (0.7056812867237969, 0), (0.7639662379715348, 1), (0.8222511892192728, 0),
        (0.891783517198526, 0), (0.9699289348076847, 0), (1, 0),
      ],
      result: [2.3420082641918963e-06]),
    Fixture(
      testDescription: "Gaussian, backward", field: gaussian,
      isForward: false, tolerance: 1e-3, initial: [2.06, -0.83],
      firstStep: 0.0927286809009978, evaluations: 20,
      steps: [(0.9072713190990022, 0), (0.33129466178400113, 0), (0, 0)],
      result: [0.6996823567301246, -1.1044021439567462]),
    Fixture(
      testDescription: "mixture, backward", field: mixture,
      isForward: false, tolerance: 1e-5, initial: [1.93875090727523, -0.155176593968201],
      firstStep: 0.0332906074528884, evaluations: 50,
      steps: [
        (0.9667093925471116, 0), (0.8009369134297981, 0), (0.6092400982418615, 0),
        (0.44704734603939716, 1), (0.2848545938369328, 0), (0.13654135519164232, 0), (0, 0),
      ],
      result: [0.6999817338897925, -1.0999793316296063]),
  ]

  @Test(arguments: fixtures)
  func agrees(fixture: Fixture) throws {
    var field = RecordingField(fixture.field)
    var states = fixture.initial
    var ends: [Double] = []
    var rejections: [Int] = []
    let start = fixture.isForward ? 0.0 : 1.0
    let solver = Solver.adaptive(rtol: fixture.tolerance, atol: fixture.tolerance, control: .batch)
    let statistics = try solver.integrate(&field, from: start, to: 1 - start, states: &states) { step in
      ends.append(step.end)
      rejections.append(step.rejections)
    }

    // The third evaluation is the first attempt's second stage, at a fifth of the first step.
    let firstStep = 5 * abs(field.times[2] - start)
    #expect(relativeError(firstStep, fixture.firstStep) < 1e-11)
    #expect(statistics.evaluations == [fixture.evaluations])
    #expect(field.times.count == fixture.evaluations)
    #expect(rejections == fixture.steps.map(\.rejections))
    #expect(statistics.accepted == [fixture.steps.count])
    #expect(statistics.rejected == [rejections.reduce(0, +)])
    #expect(ends.count == fixture.steps.count)
    // A step follows from the error, some 1e-6, a difference of slopes that are rounded at 1e-16.
    for (end, expected) in zip(ends, fixture.steps) { #expect(abs(end - expected.end) < 1e-9) }
    for (value, expected) in zip(states, fixture.result) {
      #expect(relativeError(value, expected) < 1e-10)
    }
    #expect(field.times.allSatisfy { (0...1).contains($0) })
  }

  /// Two samples under one step size are SciPy's concatenated vector; each under its own, two vectors.
  @Test(arguments: [
    (
      StepControl.batch, [44, 44],
      [1.9386316274920785, -0.15516490767147884, -1.0196965840763108, 1.033135219315288]
    ),
    (
      StepControl.sample, [50, 38],
      [1.9387959490832667, -0.15520394256621128, -1.0197529542998427, 1.0331568845746926]
    ),
  ])
  func twoSamples(control: StepControl, evaluations: [Int], result: [Double]) throws {
    var field = mixture
    var states = [0.7, -1.1, -0.4, 0.2]
    let statistics = try Solver.adaptive(rtol: 1e-4, atol: 1e-6, control: control)
      .integrate(&field, from: 0, to: 1, states: &states)
    #expect(statistics.evaluations == evaluations)
    #expect(statistics.calls == evaluations.reduce(0, max))
    for (value, expected) in zip(states, result) { #expect(relativeError(value, expected) < 1e-10) }
  }

  /// SciPy's `dense_output=True` for the Gaussian at 1e-3, in each of the three steps.
  @Test func denseOutput() throws {
    let expected = [
      0.05: [0.7405892347790478, -1.0701302647909838],
      0.37: [1.0418001595202315, -0.888826162651721],
      0.9: [1.8595543376086763, -0.7665611656256298],
    ]
    var field = gaussian
    var states = [0.7, -1.1]
    var compared = 0
    try Solver.adaptive(rtol: 1e-3, atol: 1e-3)
      .integrate(&field, from: 0, to: 1, states: &states) { step in
        var inside = [Double.nan, .nan]
        var span = inside.mutableSpan
        for (time, reference) in expected where (step.start..<step.end).contains(time) {
          step.interpolate(at: time, into: &span)
          for j in 0..<2 { #expect(relativeError(span[j], reference[j]) < 1e-10) }
          compared += 1
        }
        step.interpolate(at: step.start, into: &span)
        for j in 0..<2 { #expect(span[j] == step.startStates[j]) }
        step.interpolate(at: step.end, into: &span)
        for j in 0..<2 { #expect(relativeError(span[j], step.endStates[j]) < 1e-13) }
      }
    #expect(compared == 3)
  }
}
