import Flow
import Foundation
import Testing

@Suite struct ClosureFieldTests {
  /// A turn about the origin by one radian for each sample, forth and back.
  @Test func swirl() throws {
    let swirl = ClosureField(dimension: 2) { x, t in [-x[1], x[0]] }
    let states = [1.0, 0, 0, 2, -0.5, 0.5]
    let ends = try Solver.adaptive(rtol: 1e-9, atol: 1e-9).solve(swirl, from: states)
    for row in 0..<3 {
      let (x, y) = (states[2 * row], states[2 * row + 1])
      #expect(abs(ends[2 * row] - (x * cos(1) - y * sin(1))) < 1e-8)
      #expect(abs(ends[2 * row + 1] - (x * sin(1) + y * cos(1))) < 1e-8)
    }
    let back = try Solver.fixed(.rk4, steps: 100).solve(swirl, from: ends, start: 1, end: 0)
    for (a, b) in zip(back, states) { #expect(abs(a - b) < 1e-7) }
  }

  /// The same bits as a field of a type of its own, which sees time and all samples; `solve` is `integrate`.
  @Test func sameAsAFieldOfItsOwnType() throws {
    let field = ClosureField(dimension: 2) { x, t in
      (0..<2).map { j in
        let s = gaussian.standardDeviation[j]
        let variance = (1 - t) * (1 - t) + t * t * s * s
        return gaussian.mean[j] + (t * s * s - (1 - t)) / variance * (x[j] - t * gaussian.mean[j])
      }
    }
    var (own, states) = (gaussian, [0.7, -1.1, 0.2, 0.3])
    let noise = states
    try Solver.standard.integrate(&own, from: 0, to: 1, states: &states)
    #expect(try Solver.standard.solve(field, from: noise) == states)
  }

  @Test func errorsPass() {
    struct Stop: Error {}
    let failing = ClosureField(dimension: 1) { _, t in if t > 0.5 { throw Stop() } else { [1] } }
    #expect(throws: Stop.self) { try Solver.standard.solve(failing, from: [0]) }
  }

  @Test func solversSayWhatTheyAre() {
    #expect("\(Solver.standard)" == "rk45, rtol 0.001, atol 0.001, control sample")
    let batch = Solver.adaptive(rtol: 1e-5, atol: 0.25, control: .batch)
    #expect("\(batch)" == "rk45, rtol 1e-05, atol 0.25, control batch")
    #expect("\(Solver.fixed(.heun, steps: 12))" == "heun, 12 steps")
  }
}
