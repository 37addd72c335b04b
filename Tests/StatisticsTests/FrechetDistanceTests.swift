import Foundation
import Statistics
import TestSupport
import Testing

@Suite struct FrechetDistanceTests {
  /// A matrix with known eigenvalues and eigenvectors, Σ λ_k v_k v_kᵀ: v_k(i) ∝ sin((k + 1)(i + 1)π/(n + 1)).
  private func sineMatrix(_ spectrum: [Double]) -> (matrix: [Double], vectors: [[Double]]) {
    let n = spectrum.count
    let scale = (2 / Double(n + 1)).squareRoot()
    let vectors = (1...n).map { k in
      (1...n).map { scale * sin(Double(k * $0) * .pi / Double(n + 1)) }
    }
    var matrix = Array(repeating: 0.0, count: n * n)
    for (value, vector) in zip(spectrum, vectors) {
      for i in 0..<n { for j in 0..<n { matrix[i * n + j] += value * vector[i] * vector[j] } }
    }
    return (matrix, vectors)
  }

  private func difference(_ a: some Sequence<Double>, _ b: some Sequence<Double>) -> Double {
    zip(a, b).map { abs($0 - $1) }.max() ?? 0
  }

  /// Against known vectors; repeated and zero eigenvalues among them, whose vectors need only be orthonormal.
  @Test(arguments: [1, 2, 7, 40])
  func eigenvectors(n: Int) {
    let spectrum = (0..<n).map { Double(n - $0) }
    let (matrix, known) = sineMatrix(spectrum)
    let (values, vectors) = symmetricEigenvectors(of: matrix, dimension: n)
    #expect(difference(values, spectrum) < 1e-13 * Double(n * n))
    for k in 0..<n {
      let overlap = (0..<n).reduce(0) { $0 + vectors[k * n + $1] * known[k][$1] }
      #expect(abs(abs(overlap) - 1) < 1e-12)
    }

    let degenerate = (0..<n).map { $0 < n / 3 ? 2.0 : $0 < n / 2 ? 1 : 0 }
    let (other, _) = sineMatrix(degenerate)
    let result = symmetricEigenvectors(of: other, dimension: n)
    #expect(difference(result.values, degenerate) < 1e-13 * Double(n * n))
    for k in 0..<n {
      let row = result.vectors[k * n..<(k + 1) * n]
      let image = (0..<n).map { i in (0..<n).reduce(0) { $0 + other[i * n + $1] * row[k * n + $1] } }
      #expect(difference(image, row.map { $0 * result.values[k] }) < 1e-12 * Double(n))
      for l in 0...k {
        let product = (0..<n).reduce(0) { $0 + row[k * n + $1] * result.vectors[l * n + $1] }
        #expect(abs(product - (k == l ? 1 : 0)) < 1e-13 * Double(n))
      }
    }
  }

  /// Where the covariances commute, the distance is |μ₁ − μ₂|² + Σ (√λ₁ − √λ₂)².
  ///
  /// The root of an eigenvalue that is zero but for rounding, 1e-16, is 1e-8.
  @Test(arguments: [([4.0, 1, 0.25, 3], [1.0, 2, 9, 0.01], 1e-12), ([4, 1, 0.25, 0], [1, 0, 9, 0], 1e-7)])
  func commutingCovariances(a: [Double], b: [Double], tolerance: Double) {
    let expected = 0.25 + 4 + zip(a, b).reduce(0) { $0 + pow($1.0.squareRoot() - $1.1.squareRoot(), 2) }
    let value = frechetDistance(
      means: ([0.5, 0, 1, 0], [0, 2, 1, 0]), covariances: (sineMatrix(a).matrix, sineMatrix(b).matrix))
    #expect(relativeError(value, expected) < tolerance)
  }

  /// Where they don't, in two dimensions: tr √M = √(tr M + 2√det M), with M = C₁C₂.
  @Test func twoDimensions() {
    let (a, b) = ([2.0, 0.6, 0.6, 1], [0.5, -0.3, -0.3, 3])
    let trace = a[0] * b[0] + a[1] * b[2] + a[2] * b[1] + a[3] * b[3]
    let determinant = (a[0] * a[3] - a[1] * a[2]) * (b[0] * b[3] - b[1] * b[2])
    let expected = 1 + a[0] + a[3] + b[0] + b[3] - 2 * (trace + 2 * determinant.squareRoot()).squareRoot()
    for (means, covariances) in [(([0.0, 0], [0.0, 1]), (a, b)), (([0.0, 1], [0.0, 0]), (b, a))] {
      #expect(relativeError(frechetDistance(means: means, covariances: covariances), expected) < 1e-12)
    }
  }

  /// Of equal sets it is zero; of samples of two normal distributions, what the distributions have.
  @Test func sets() {
    var random = TestRandom(seed: 23)
    var (first, second) = (Covariance(dimension: 3), Covariance(dimension: 3))
    for _ in 0..<40_000 {
      let x = random.normals(3).map { Float($0) }
      first.add(x.span)
      let normals = random.normals(3).map { Float($0) }
      let y = [1 + normals[0], 2 * normals[1], normals[2] / 2]
      second.add(y.span)
    }
    #expect(frechetDistance(first, first) < 1e-12)
    // 1 + (2 − 1)² + (1/2 − 1)²; its standard error is about 0.02.
    #expect(abs(frechetDistance(first, second) - 2.25) < 0.08)
  }
}
