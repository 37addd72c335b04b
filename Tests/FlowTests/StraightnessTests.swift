import Flow
import Foundation
import TestSupport
import Testing

@Suite struct StraightnessTests {
  /// For N(μ, s²): z_t = tμ + σ_t z₀ and z₁ − z₀ = μ + (s − 1)z₀, so that the integrand is (s − 1 − dσ_t/dt)²·z₀².
  /// With z₀ = ±1 there is nothing random in it.
  @Test(arguments: [0.3, 0.8, 2.5])
  func gaussian(standardDeviation s: Double) throws {
    func excess(_ t: Double) -> Double {
      let sigma = ((1 - t) * (1 - t) + t * t * s * s).squareRoot()
      let difference = s - 1 - (t * s * s - (1 - t)) / sigma
      return difference * difference
    }
    // Simpson's rule, of error O(n⁻⁴).
    let n = 2000
    let exact =
      (0...n).reduce(0.0) { sum, i in
        sum + (i == 0 || i == n ? 1 : i % 2 == 1 ? 4 : 2) * excess(Double(i) / Double(n))
      } / Double(3 * n)

    var field = GaussianTarget(mean: [0.7, -1.2], standardDeviation: [s, s])
    // Midpoints: an integral with error O(n⁻²). The second sample has only two times, twice each.
    let count = 400
    let midpoints = (0..<count).map { (Double($0) + 0.5) / Double(count) }
    let few = (0..<count).map { $0 % 2 == 0 ? 0.0 : 0.75 }
    let result = try Straightness(
      of: &field, from: [1, -1, -1, -1], times: midpoints + few, rtol: 1e-9, atol: 1e-9)
    #expect(relativeError(result.paths[0], exact) < 1e-4)
    // Dense output is of order 4: less exact than the steps.
    #expect(relativeError(result.paths[1], (excess(0) + excess(0.75)) / 2) < 1e-5)
    for (end, expected) in zip(result.ends, [0.7 + s, -1.2 - s, 0.7 - s, -1.2 - s]) {
      #expect(abs(end - expected) < 1e-7)
    }
  }

  /// Paths may spread and still be straight: x_t = (1 + 2t)·x₀ has the field 2x/(1 + 2t).
  @Test func straightFlows() throws {
    var spreading = ClosureField(dimension: 2) { x, t in x.map { 2 * $0 / (1 + 2 * t) } }
    let times = (0..<6).map { Double($0) / 6 }
    let spread = try Straightness(of: &spreading, from: [0.4, -1.3], times: times, rtol: 1e-8, atol: 1e-8)
    #expect(spread.paths[0] < 1e-12)
    #expect(abs(spread.ends[1] + 3.9) < 1e-7)
    var constant = ClosureField(dimension: 1) { _, _ in [2.5] }
    let moved = try Straightness(of: &constant, from: [0, 1], times: [0, 0.999], rtol: 1e-3, atol: 1e-3)
    #expect(moved.paths.allSatisfy { $0 < 1e-24 })
  }

  /// A path's figure doesn't depend on its neighbours.
  @Test func aloneAndAmongOthers() throws {
    var field = mixture
    let noise = [0.7, -1.1, 0.1, 0.2, -2, 1]
    let times = [0.1, 0.6, 0.2, 0.7, 0.3, 0.8]
    let all = try Straightness(of: &field, from: noise, times: times, rtol: 1e-4, atol: 1e-4)
    for i in 0..<3 {
      let alone = try Straightness(
        of: &field, from: Array(noise[2 * i..<2 * i + 2]), times: Array(times[2 * i..<2 * i + 2]), rtol: 1e-4,
        atol: 1e-4)
      #expect(alone.paths == [all.paths[i]])
      #expect(alone.ends == Array(all.ends[2 * i..<2 * i + 2]))
    }
  }
}
