import Foundation
import Kernels
import Testing

/// Errors against Double in units of the last place of the exact value.
@Suite struct VectorMathTests {
  /// The largest error over all values, a vector at a time.
  private func largestError(
    _ values: [Float], of function: (Lanes) -> Lanes, exact: (Double) -> Double
  ) -> Double {
    var largest = 0.0
    var lanes = Lanes(repeating: 0)
    for start in stride(from: 0, to: values.count, by: Lanes.scalarCount) {
      let own = values[start..<min(start + Lanes.scalarCount, values.count)]
      for (lane, value) in own.enumerated() { lanes[lane] = value }
      let results = function(lanes)
      for (lane, value) in own.enumerated() {
        let error = Double(results[lane]).ulps(from: exact(Double(value)))
        largest = error.isNaN ? .infinity : max(largest, error)
      }
    }
    return largest
  }

  private static func sweep(from first: Float, to last: Float, count: Int) -> [Float] {
    (0..<count).map { first + (last - first) * Float($0) / Float(count - 1) }
  }

  @Test func exponential() {
    let values = Self.sweep(from: -87, to: 88, count: 1_000_001) + Self.sweep(from: -1, to: 1, count: 200_001)
    #expect(largestError(values, of: { exp($0) }, exact: { Foundation.exp($0) }) < 1.5)  // reached: 1.23
  }

  /// Held beyond ±87, neither infinite nor zero; but a diverged network's NaN must not become a number.
  @Test func exponentialOfExtremes() {
    for x in [100, 1e10, .infinity] as [Float] {
      #expect(exp(Lanes(repeating: x))[0] > 1e38 && exp(Lanes(repeating: x))[0].isFinite)
      #expect(exp(Lanes(repeating: -x))[0] < 1.2e-38 && exp(Lanes(repeating: -x))[0].isNormal)
    }
    #expect(exp(Lanes(repeating: .nan))[0].isNaN && sigmoid(Lanes(repeating: .nan))[0].isNaN)
  }

  @Test func logistic() {
    let values = Self.sweep(from: -87, to: 87, count: 500_001)
    #expect(largestError(values, of: { sigmoid($0) }, exact: Reference.sigmoid) < 3.5)  // reached: 3.16
  }

  @Test func logarithm() {
    let bits = stride(
      from: Float.leastNormalMagnitude.bitPattern, through: Float.greatestFiniteMagnitude.bitPattern, by: 2039
    )
    let values = bits.map { Float(bitPattern: $0) } + Self.sweep(from: 0.5, to: 2, count: 500_001)
    #expect(largestError(values, of: { log($0) }, exact: { Foundation.log($0) }) < 1)  // reached: 0.80
  }

  /// Over the numbers of turns that the normal variates use, multiples of 2⁻²⁴, and over small ones.
  @Test func cosineAndSine() {
    let multiples = stride(from: 0, to: 1 << 24, by: 17).map { Float($0) * 0x1p-24 }
    let small = (0..<2000).map { Foundation.exp2(-Float($0) / 20) / 2 }
    let values = multiples + small + [0.25, 0.5, 0.75, 1 - 0x1p-24]
    // To the nearest quarter turn first: Double, too, has no digits left beside a zero at a multiple of π/2.
    func exact(_ turns: Double, ahead: Int) -> Double {
      let quarters = (4 * turns).rounded()
      let angle = (turns - quarters / 4) * 2 * .pi
      switch (Int(quarters) + ahead) % 4 {
      case 0: return sin(angle)
      case 1: return cos(angle)
      case 2: return -sin(angle)
      default: return -cos(angle)
      }
    }
    let sine = largestError(values, of: { cosineSineOfTurns($0).sine }, exact: { exact($0, ahead: 0) })
    let cosine = largestError(values, of: { cosineSineOfTurns($0).cosine }, exact: { exact($0, ahead: 1) })
    #expect(sine < 2.5 && cosine < 2.5)  // reached: 2.25 and 2.18
  }
}
