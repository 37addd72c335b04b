import Flow
import Foundation
import TestSupport
import Testing

@Suite struct TargetTests {
  @Test func gaussianIsAMixtureOfOne() throws {
    let one = GaussianTarget(mean: [2, -1], standardDeviation: [0.4, 0.4])
    let same = GaussianMixtureTarget([.init(weight: 1, mean: [2, -1], standardDeviation: 0.4)])
    let states = [0.3, 0.8, -4, 9, 2, -1]
    let times = [0, 0.6, 1.0]
    var first = Array(repeating: Double.nan, count: 6)
    var second = first
    var firstSpan = first.mutableSpan
    var secondSpan = second.mutableSpan
    one.evaluate(states.span, times: times.span, samples: [0, 1, 2].span, into: &firstSpan)
    same.evaluate(states.span, times: times.span, samples: [0, 1, 2].span, into: &secondSpan)
    for (a, b) in zip(first, second) { #expect(abs(a - b) < 1e-12 * max(1, abs(b))) }
  }

  /// Known answers of the density at t = 1.
  @Test func mixtureDensity() {
    #expect(relativeError(mixture.logDensity([2, 0].span), 0.177025954133) < 1e-11)
    #expect(relativeError(mixture.logDensity([0.5, 0.5].span), -8.17447054649) < 1e-11)
    // At t = 0 the noise; and far out, where every density underflows.
    #expect(relativeError(mixture.logDensity([1, 2].span, time: 0), -log(2 * .pi) - 2.5) < 1e-14)
    #expect(mixture.logDensity([1e4, 0].span).isFinite)
  }

  /// DOP853 at 1e-13 from the same point: independent of our solver and tableau.
  @Test func mixtureFlow() throws {
    var field = mixture
    var states = [0.7, -1.1]
    try Solver.adaptive(rtol: 1e-11, atol: 1e-11).integrate(&field, from: 0, to: 1, states: &states)
    #expect(relativeError(states[0], 1.93875090727523) < 1e-10)
    #expect(relativeError(states[1], -0.155176593968201) < 1e-10)
  }

  /// The flow of the field carries the density along: d/dt log p_t(x_t) = −div u, by central differences.
  @Test(arguments: [0.1, 0.5, 0.85])
  func mixtureFieldTransportsItsDensity(time: Double) {
    let h = 1e-4
    func velocity(_ x: [Double]) -> [Double] {
      var u = [Double.nan, .nan]
      var span = u.mutableSpan
      mixture.evaluate(x.span, times: [time].span, samples: [0].span, into: &span)
      return u
    }
    let x = [0.4, 0.3]
    let u = velocity(x)
    let divergence =
      (velocity([x[0] + h, x[1]])[0] - velocity([x[0] - h, x[1]])[0]
        + velocity([x[0], x[1] + h])[1] - velocity([x[0], x[1] - h])[1]) / (2 * h)
    let after = mixture.logDensity([x[0] + h * u[0], x[1] + h * u[1]].span, time: time + h)
    let before = mixture.logDensity([x[0] - h * u[0], x[1] - h * u[1]].span, time: time - h)
    #expect(abs((after - before) / (2 * h) + divergence) < 1e-5)
  }

  @Test func divergenceIntegratesToTheLogarithmOfTheScales() {
    // Midpoint sums, of error O(n⁻²).
    let n = 4000
    let sum = (0..<n).reduce(0) { $0 + gaussian.divergence(time: (Double($1) + 0.5) / Double(n)) }
    #expect(abs(sum / Double(n) - log(0.8 * 0.3)) < 1e-5)
    #expect(relativeError(gaussian.divergenceIntegral, log(0.8 * 0.3)) < 1e-14)
  }

  /// The exact field reaches the irreducible loss, and the field of swapped noise and data does not.
  @Test(arguments: [0.25, 1, 2])
  func irreducibleLoss(standardDeviation s: Double) {
    let target = GaussianTarget(mean: [0.5], standardDeviation: [s])
    let count = 200_000
    var random = TestRandom(seed: 3)
    var (sum, squares, swapped) = (0.0, 0.0, 0.0)
    var u = [Double.nan]
    for i in 0..<count {
      let t = (Double(i) + random.uniform()) / Double(count)
      let x0 = random.normal()
      let x1 = 0.5 + s * random.normal()
      for isSwapped in [false, true] {
        let state = isSwapped ? (1 - t) * x1 + t * x0 : (1 - t) * x0 + t * x1
        var span = u.mutableSpan
        target.evaluate([state].span, times: [t].span, samples: [i].span, into: &span)
        let difference = span[0] - (x1 - x0)
        let loss = difference * difference
        if isSwapped {
          swapped += loss
        } else {
          sum += loss
          squares += loss * loss
        }
      }
    }
    let mean = sum / Double(count)
    let standardError = ((squares / Double(count) - mean * mean) / Double(count)).squareRoot()
    #expect(relativeError(target.irreducibleLoss, .pi / 2 * s) < 1e-15)
    #expect(abs(mean - target.irreducibleLoss) < 4 * standardError)
    #expect(standardError < 0.01 * mean)
    #expect(swapped / Double(count) > 1.1 * target.irreducibleLoss)
  }
}
