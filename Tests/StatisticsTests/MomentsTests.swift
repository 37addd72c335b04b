import Statistics
import TestSupport
import Testing

@Suite struct MomentsTests {
  /// Against the sums as they are defined.
  @Test func meanAndVariance() {
    let samples: [[Float]] = (0..<200).map { i in
      var random = TestRandom(seed: 100 + UInt64(i))
      return random.normals(5).map { 0.5 * Float($0) - 0.8 }
    }
    var moments = Moments(dimension: 5)
    for sample in samples { moments.add(sample.span) }
    for j in 0..<5 {
      let column = samples.map { Double($0[j]) }
      let mean = column.reduce(0, +) / 200
      let variance = column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 200
      #expect(relativeError(moments.mean[j], mean) < 1e-13)
      #expect(relativeError(moments.variance[j], variance) < 1e-12)
    }
  }

  @Test func errorOfAMean() {
    let estimate = MeanEstimate([2, 3, 7])
    #expect(estimate.mean == 4)
    // Σ (2, 3, 7 − 4)² = 14 over 2, over 3.
    #expect(estimate.variance == 14.0 / 2 / 3 && estimate.standardError == (14.0 / 2 / 3).squareRoot())
    #expect(MeanEstimate([5]).mean == 5 && MeanEstimate([5]).standardError == nil)
  }

  /// A constant component has no variance, however large it is.
  @Test func constantComponent() {
    var moments = Moments(dimension: 1)
    for _ in 0..<1000 { moments.add([Float(1e6) + 0.1].span) }
    #expect(moments.variance == [0])
  }

  @Test func covariance() {
    // Uncorrelated by construction: all sign patterns of three components of deviations 0.5, 0.25 and 0.
    var covariance = Covariance(dimension: 3)
    for a: Float in [-0.5, 0.5] {
      for b: Float in [-0.25, 0.25] { covariance.add([0.5 + a, b - 1, 0.75].span) }
    }
    let expected = [0.25, 0, 0, 0, 0.0625, 0, 0, 0, 0]
    for (value, exact) in zip(covariance.matrix, expected) { #expect(abs(value - exact) < 1e-15) }
    #expect(covariance.mean == [0.5, -1, 0.75])
  }
}
