import Foundation
import Kernels
import Testing

@Suite struct ActivationFunctionTests {
  private func exact(_ function: ActivationFunction, _ x: Double) -> Double {
    switch function {
    case .elu: x > 0 ? x : expm1(x)
    case .silu: x / (1 + exp(-x))
    case .tanh: tanh(x)
    case .relu: max(x, 0)
    }
  }

  // Reached: 1.2e-7.
  @Test(arguments: ActivationFunction.allCases, [1, 3, 8, 16, 17, 33, 200])
  func valuesMatchDouble(_ function: ActivationFunction, count: Int) {
    let x = Buffer(normals(count, index: 1).map { 4 * $0 })
    let y = Buffer(unwritten: count)
    function.apply(x.span, into: y.mutable)
    for (value, at) in zip(y.doubles, x.doubles) {
      let exact = exact(function, at)
      #expect(abs(value - exact) < 3e-7 * max(1, abs(exact)), "\(function) of \(at)")
    }
  }

  @Test(arguments: ActivationFunction.allCases, [1, 5, 16, 17, 100])
  func derivativesMatchFiniteDifferences(_ function: ActivationFunction, count: Int) {
    // Away from 0, where two of them have a kink.
    let x = Buffer(normals(count, index: 1).map { $0 + ($0 < 0 ? -0.1 : 0.1) })
    let (dy, tangent) = (Buffer(normals(count, index: 2)), Buffer(normals(count, index: 3)))
    let first = Buffer(unwritten: count)
    function.multiplyByDerivative(x.span, dy.span, into: first.mutable)
    let start = normals(count, index: 4)
    let second = Buffer(start)
    function.addCurvature(x.span, tangent: tangent.span, tangentGradient: dy.span, into: second.mutable)
    for i in 0..<count {
      let (at, h) = (x.doubles[i], 1e-4)
      let (low, middle, high) = (exact(function, at - h), exact(function, at), exact(function, at + h))
      let derivative = (high - low) / (2 * h)
      let curvature = (high - 2 * middle + low) / (h * h)
      #expect(abs(first.doubles[i] - dy.doubles[i] * derivative) < 1e-6 * max(1, abs(dy.doubles[i])))
      let expected = Double(start[i]) + tangent.doubles[i] * dy.doubles[i] * curvature
      #expect(abs(second.doubles[i] - expected) < 1e-5 * max(1, abs(expected)))
    }
  }

  /// Small results keep their digits: errors in units of the last place, down to 1e-36 (`exp` is held at e^±87).
  @Test(arguments: [ActivationFunction.elu, .silu, .tanh]) func digitsOfSmallResults(
    _ function: ActivationFunction
  ) {
    let sizes = (0...4000).map { Float(pow(10, -30 + Double($0) / 4000 * (30 + log10(90)))) }
    let x = Buffer(sizes + sizes.map { -$0 } + [0])
    let count = x.values.count
    let ones = Buffer(Array(repeating: 1, count: count))
    let (y, first) = (Buffer(unwritten: count), Buffer(unwritten: count))
    let second = Buffer(Array(repeating: 0, count: count))
    function.apply(x.span, into: y.mutable)
    function.multiplyByDerivative(x.span, ones.span, into: first.mutable)
    function.addCurvature(x.span, tangent: ones.span, tangentGradient: ones.span, into: second.mutable)
    func largestError(_ results: Buffer, _ exact: (Double) -> Double) -> Double {
      var largest = 0.0
      for (at, result) in zip(x.doubles, results.doubles) where !(abs(result - exact(at)) <= 1e-36) {
        largest = result.isNaN ? .infinity : max(largest, result.ulps(from: exact(at)))
      }
      return largest
    }
    #expect(largestError(y) { exact(function, $0) } < 4)
    switch function {
    case .elu:
      #expect(largestError(first) { $0 > 0 ? 1 : exp($0) } < 2)
      #expect(largestError(second) { $0 > 0 ? 0 : exp($0) } < 2)
    case .tanh:
      #expect(largestError(first) { pow(cosh($0), -2) } < 6)
      #expect(largestError(second) { -2 * tanh($0) * pow(cosh($0), -2) } < 8)
    case .silu, .relu: break  // SiLU's derivatives go through zero, where no formula keeps the digits.
    }
  }

  @Test(arguments: ActivationFunction.allCases) func farFromZero(_ function: ActivationFunction) {
    let x = Buffer([-1e30, -1e4, -100, 100, 1e4, 1e30])
    let (y, dx) = (Buffer(unwritten: 6), Buffer(unwritten: 6))
    function.apply(x.span, into: y.mutable)
    function.multiplyByDerivative(x.span, Buffer([1, 1, 1, 1, 1, 1]).span, into: dx.mutable)
    for (i, at) in x.doubles.enumerated() {
      let exact: Double =
        switch function {
        case .elu: at > 0 ? at : -1
        case .silu, .relu: at > 0 ? at : 0
        case .tanh: at > 0 ? 1 : -1
        }
      #expect(abs(y.doubles[i] - exact) <= 1e-6 * max(1, abs(exact)))
      #expect(abs(dx.doubles[i] - (at > 0 && function != .tanh ? 1 : 0)) < 1e-6)
    }
  }
}
