import Flow
import Foundation
import TestSupport
import Testing

@Suite struct GreatCircleTests {
  private func between(_ a: [Float], _ b: [Float], _ fraction: Double) -> [Float] {
    var result = [Float](repeating: .nan, count: a.count)
    var span = result.mutableSpan
    GreatCircle.interpolate(from: a.span, to: b.span, fraction: fraction, into: &span)
    return result
  }

  private func norm(_ x: [Float]) -> Double { x.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot() }

  private func noise(_ count: Int, seed: UInt64) -> [Float] {
    var random = TestRandom(seed: seed)
    return random.normals(count).map { Float($0) }
  }

  @Test(arguments: [1, 2, 17, 784]) func endsAreExact(dimension: Int) {
    let (a, b) = (noise(dimension, seed: 1), noise(dimension, seed: 2))
    #expect(between(a, b, 0) == a && between(a, b, 1) == b)
  }

  /// Known points of the unit circle.
  @Test func quarterTurn() {
    for fraction in [0.1, 0.3, 0.5, 0.9] {
      let point = between([1, 0], [0, 1], fraction)
      #expect(abs(Double(point[0]) - cos(fraction * .pi / 2)) < 1e-7)
      #expect(abs(Double(point[1]) - sin(fraction * .pi / 2)) < 1e-7)
    }
  }

  /// Vectors of one length stay on their sphere and turn evenly; the straight line would leave it.
  @Test func keepsTheLengthAndTurnsEvenly() {
    let a = noise(784, seed: 1)
    let other = noise(784, seed: 2)
    let b = other.map { $0 * Float(norm(a) / norm(other)) }
    func angle(_ x: [Float], _ y: [Float]) -> Double {
      acos(zip(x, y).reduce(0) { $0 + Double($1.0) * Double($1.1) } / (norm(x) * norm(y)))
    }
    for step in 1...9 {
      let x = between(a, b, Double(step) / 10)
      #expect(abs(norm(x) / norm(a) - 1) < 1e-6)
      #expect(abs(angle(a, x) - Double(step) / 10 * angle(a, b)) < 1e-6)
    }
    let straight = zip(a, b).map { ($0 + $1) / 2 }
    #expect(norm(straight) < 0.8 * norm(a))
  }

  /// Lengths between those of the ends, which differ a little for two draws of noise.
  @Test func drawsOfNoiseKeepTheirLength() {
    let (a, b) = (noise(784, seed: 3), noise(784, seed: 4))
    for step in 0...10 {
      let length = norm(between(a, b, Double(step) / 10))
      #expect(length > 0.97 * min(norm(a), norm(b)) && length < 1.03 * max(norm(a), norm(b)))
    }
  }

  /// No circle is singled out: the straight line, and no NaN.
  @Test func parallelVectors() {
    let a = noise(5, seed: 1)
    for b in [a, a.map { 2 * $0 }, a.map { -$0 }, a.map { _ in 0 }, a.map { $0 * 1.000001 }] {
      for fraction in [0, 0.25, 0.5, 1.0] {
        for (x, (p, q)) in zip(between(a, b, fraction), zip(a, b)) {
          let expected = (1 - fraction) * Double(p) + fraction * Double(q)
          #expect(abs(Double(x) - expected) < 1e-6)
        }
      }
    }
  }
}
