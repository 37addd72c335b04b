import Flow
import Foundation
import Testing

/// States on the way against the exact flow of a Gaussian target.
@Suite struct DenseOutputTests {
  private let noise = [0.7, -1.1, -2, 0.4, 0.1, 1.6]

  /// Every state after the start is met once, by each sample, and lies on the exact way; the one at the end
  /// is the result, to the bit.
  @Test(arguments: [StepControl.sample, .batch]) func statesAtTimes(control: StepControl) throws {
    var field = gaussian
    var states = noise
    // In no order, one of them twice, and the start.
    let times = [0.5, 0, 1, 0.013, 0.999, 0.5, 0.31]
    var met: [[Int]] = Array(repeating: Array(repeating: 0, count: times.count), count: 3)
    var last: [[Double]] = Array(repeating: [], count: 3)
    try Solver.adaptive(rtol: 1e-8, atol: 1e-8, control: control).integrate(
      &field, from: 0, to: 1, states: &states
    ) { step in
      step.forEachState(at: times) { sample, index, state in
        met[sample][index] += 1
        let exact = gaussian.flow(Array(noise[2 * sample..<2 * sample + 2]), time: times[index])
        let error = max(abs(state[0] - exact[0]), abs(state[1] - exact[1]))
        #expect(error < 1e-6)
        if index == 2 { last[sample] = [state[0], state[1]] }
      }
    }
    #expect(met == Array(repeating: [1, 0, 1, 1, 1, 1, 1], count: 3))
    #expect(last.flatMap { $0 } == states)
  }

  /// Data to noise: x₀ = (x₁ − μ)/s. The states on the way, and the way there and back.
  @Test func inversion() throws {
    var field = gaussian
    let data = [2.1, -0.4, 0.3, -1]
    var states = data
    let solver = Solver.adaptive(rtol: 1e-8, atol: 1e-8)
    let times = [1, 0.8, 0.25, 0]
    var met = 0
    try solver.integrate(&field, from: 1, to: 0, states: &states) { step in
      step.forEachState(at: times) { sample, index, state in
        let time = times[index]
        let exact = gaussian.flow(exactNoise(data, sample), time: time)
        let error = max(abs(state[0] - exact[0]), abs(state[1] - exact[1]))
        #expect(error < 1e-6)
        met += 1
      }
    }
    #expect(met == 2 * 3)
    for sample in 0..<2 {
      for (j, exact) in exactNoise(data, sample).enumerated() {
        #expect(abs(states[2 * sample + j] - exact) < 1e-7)
      }
    }
    try solver.integrate(&field, from: 0, to: 1, states: &states)
    for (x, original) in zip(states, data) { #expect(abs(x - original) < 1e-7) }
  }

  private func exactNoise(_ data: [Double], _ sample: Int) -> [Double] {
    (0..<2).map { (data[2 * sample + $0] - gaussian.mean[$0]) / gaussian.standardDeviation[$0] }
  }
}
