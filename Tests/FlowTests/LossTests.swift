import Flow
import Foundation
import Statistics
import TestSupport
import Testing

@Suite struct LossTests {
  static func floats(_ count: Int, seed: UInt64) -> [Float] {
    var random = TestRandom(seed: seed)
    return random.normals(count).map { Float($0) }
  }

  @Test(arguments: [1, 7, 64, 785])
  func linearPath(count: Int) {
    let noise = Self.floats(count, seed: 1)
    let data = Self.floats(count, seed: 2)
    var state = Array(repeating: Float.nan, count: count)
    var velocity = state
    var mean = state
    var stateSpan = state.mutableSpan
    var velocitySpan = velocity.mutableSpan
    var meanSpan = mean.mutableSpan
    LinearPath.velocity(noise: noise.span, data: data.span, into: &velocitySpan)
    for t: Float in [0, 0.3, 1] {
      LinearPath.interpolate(noise: noise.span, data: data.span, time: t, into: &stateSpan)
      // The conditional velocity leads from anywhere on the path to the data.
      LinearPath.posteriorMean(
        state: stateSpan.span, velocity: velocitySpan.span, time: t, into: &meanSpan)
      for i in 0..<count {
        let exact = (1 - Double(t)) * Double(noise[i]) + Double(t) * Double(data[i])
        #expect(abs(Double(stateSpan[i]) - exact) < 1e-6)
        #expect(abs(meanSpan[i] - data[i]) < 2e-6)
        #expect(velocitySpan[i] == data[i] - noise[i])
        if t == 0 { #expect(stateSpan[i] == noise[i]) }
        if t == 1 { #expect(stateSpan[i] == data[i]) }
      }
    }
  }

  @Test(arguments: [1, 3, 50])
  func lossAndGradient(count: Int) {
    var prediction = Self.floats(count, seed: 3)
    let velocity = Self.floats(count, seed: 4)
    let total = 2 * count
    func loss() -> Double {
      FlowMatchingLoss.evaluate(prediction: prediction.span, velocity: velocity.span, total: total)
    }
    let exact = zip(prediction, velocity).reduce(0) { $0 + pow(Double($1.0) - Double($1.1), 2) }
    #expect(abs(loss() - exact / Double(total)) < 1e-6 * exact)

    var gradient = Array(repeating: Float.nan, count: count)
    var span = gradient.mutableSpan
    FlowMatchingLoss.gradient(
      prediction: prediction.span, velocity: velocity.span, total: total, into: &span)
    for i in 0..<count {
      // A central difference of a quadratic is exact but for rounding.
      let h: Float = 0.0625
      let value = prediction[i]
      prediction[i] = value + h
      let above = loss()
      prediction[i] = value - h
      let below = loss()
      prediction[i] = value
      #expect(abs(Double(gradient[i]) - (above - below) / Double(2 * h)) < 1e-5)
    }
  }

  /// √(m + c²) − c, from far outside c to deep inside.
  @Test(arguments: [1, 1e-3, 1e-5] as [Float]) func pseudoHuber(scale: Float) {
    let velocity = Self.floats(20, seed: 4)
    var prediction = zip(velocity, Self.floats(20, seed: 3)).map { $0 + scale * $1 }
    func meanSquare() -> Double {
      FlowMatchingLoss.evaluate(prediction: prediction.span, velocity: velocity.span, total: 20)
    }
    var gradient = Array(repeating: Float.nan, count: 20)
    var span = gradient.mutableSpan
    FlowMatchingLoss.gradient(
      prediction: prediction.span, velocity: velocity.span, total: 20,
      slope: FlowMatchingLoss.pseudoHuberSlope(meanSquare: meanSquare()), into: &span)
    let root = (meanSquare() + 1e-6).squareRoot()
    for i in 0..<20 {
      let exact = Double(prediction[i] - velocity[i]) / (20 * root)
      #expect(abs(Double(gradient[i]) - exact) < 1e-6 * abs(exact) + 1e-12)
    }
    guard scale == 1 else { return }
    for i in 0..<20 {
      let (h, value) = (Float(0.0078125), prediction[i])
      func loss(at moved: Float) -> Double {
        prediction[i] = moved
        defer { prediction[i] = value }
        return (meanSquare() + 1e-6).squareRoot() - 1e-3
      }
      let difference = (loss(at: value + h) - loss(at: value - h)) / Double(2 * h)
      #expect(abs(Double(gradient[i]) - difference) < 1e-5)
    }
  }

  @Test func partsAddUpToTheMean() {
    let prediction = Self.floats(30, seed: 5)
    let velocity = Self.floats(30, seed: 6)
    func part(_ range: Range<Int>) -> Double {
      FlowMatchingLoss.evaluate(
        prediction: prediction.span.extracting(range), velocity: velocity.span.extracting(range),
        total: 30)
    }
    #expect(relativeError(part(0..<10) + part(10..<20) + part(20..<30), part(0..<30)) < 1e-14)
  }

  /// Losses of the zero and the mean field, against a direct simulation of E|u − (x₁ − x₀)|²/d.
  @Test func zeroAndMeanField() {
    let samples = (0..<200).map { i in Self.floats(5, seed: 100 + UInt64(i)).map { 0.5 * $0 - 0.8 } }
    var moments = Moments(dimension: 5)
    for sample in samples { moments.add(sample.span) }
    var random = TestRandom(seed: 8)
    var (zero, constant, square) = (0.0, 0.0, 0.0)
    let draws = 40_000
    for i in 0..<draws {
      for j in 0..<5 {
        let u = Double(samples[i % 200][j]) - random.normal()
        zero += u * u
        square += u * u * u * u
        constant += (u - moments.mean[j]) * (u - moments.mean[j])
      }
    }
    let terms = Double(5 * draws)
    let standardError = (square / terms).squareRoot() / terms.squareRoot()
    #expect(abs(zero / terms - moments.zeroFieldLoss) < 4 * standardError)
    #expect(abs(constant / terms - moments.meanFieldLoss) < 4 * standardError)
    #expect(moments.zeroFieldLoss > 1.2 * moments.meanFieldLoss)
  }

  /// A constant is predicted by its mean.
  @Test func constantComponent() {
    var moments = Moments(dimension: 1)
    for _ in 0..<1000 { moments.add([Float(1e6) + 0.1].span) }
    #expect(moments.meanFieldLoss == 1)
  }

  @Test func affineField() {
    // Uncorrelated by construction: all sign patterns of three components of deviations 0.5, 0.25 and 0.
    var covariance = Covariance(dimension: 3)
    for a: Float in [-0.5, 0.5] {
      for b: Float in [-0.25, 0.25] { covariance.add([0.5 + a, b - 1, 0.75].span) }
    }
    let gaussian = GaussianTarget(mean: [0, 0], standardDeviation: [0.5, 0.25])
    // Two of three dimensions; the third, a constant, is predicted without error.
    #expect(relativeError(covariance.affineFieldLoss(), gaussian.irreducibleLoss * 2 / 3) < 1e-7)
  }

  /// The affine loss does not depend on the axes: a Gaussian's, turned by 30°.
  @Test func affineLossIsInvariantUnderRotation() {
    let (cosine, sine) = (Float(3).squareRoot() / 2, Float(0.5))
    var straight = Covariance(dimension: 2)
    var turned = straight
    for i in 0..<500 {
      let x = Self.floats(2, seed: UInt64(i))
      let scaled = [x[0], 0.2 * x[1]]
      straight.add(scaled.span)
      turned.add([cosine * scaled[0] - sine * scaled[1], sine * scaled[0] + cosine * scaled[1]].span)
    }
    #expect(relativeError(turned.affineFieldLoss(), straight.affineFieldLoss()) < 1e-6)
    #expect(relativeError(straight.affineFieldLoss(), .pi / 2 * 0.6) < 0.05)
  }
}
