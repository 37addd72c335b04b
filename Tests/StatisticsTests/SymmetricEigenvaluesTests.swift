import Foundation
import Statistics
import TestSupport
import Testing

@Suite struct SymmetricEigenvaluesTests {
  /// The second difference matrix has eigenvalues 2 − 2 cos(kπ/(n + 1)); its square, which is not
  /// tridiagonal, their squares.
  @Test(arguments: [1, 2, 3, 10, 63])
  func secondDifferences(n: Int) {
    func entry(_ i: Int, _ j: Int) -> Double { i == j ? 2 : abs(i - j) == 1 ? -1 : 0 }
    var matrix: [Double] = []
    var square: [Double] = []
    for i in 0..<n {
      for j in 0..<n {
        matrix.append(entry(i, j))
        square.append((0..<n).reduce(0) { $0 + entry(i, $1) * entry($1, j) })
      }
    }
    let exact = (1...n).map { 2 - 2 * cos(Double($0) * .pi / Double(n + 1)) }
    for (value, expected) in zip(symmetricEigenvalues(of: matrix, dimension: n), exact) {
      #expect(abs(value - expected) < 1e-13)
    }
    for (value, expected) in zip(symmetricEigenvalues(of: square, dimension: n), exact) {
      #expect(abs(value - expected * expected) < 1e-12)
    }
  }

  /// Known eigenvalues in random directions: Π H_k · diag λ · Π H_k, H_k reflections. λ includes repeated and
  /// zero values, which a data set with constant pixels has.
  @Test(arguments: [5, 40])
  func knownSpectrum(n: Int) {
    let spectrum = (0..<n).map { $0 < n / 3 ? 0 : $0 < n / 2 ? 1 : Double($0) }
    var matrix = Array(repeating: 0.0, count: n * n)
    for i in 0..<n { matrix[i * n + i] = spectrum[i] }
    var random = TestRandom(seed: 11)
    for _ in 0..<3 {
      let v = random.normals(n)
      let factor = 2 / v.reduce(0) { $0 + $1 * $1 }
      for isRow in [true, false] {
        for i in 0..<n {
          let index = { (j: Int) in isRow ? i * n + j : j * n + i }
          let product = factor * (0..<n).reduce(0) { $0 + matrix[index($1)] * v[$1] }
          for j in 0..<n { matrix[index(j)] -= product * v[j] }
        }
      }
    }
    let values = symmetricEigenvalues(of: matrix, dimension: n)
    for (value, expected) in zip(values, spectrum.sorted()) {
      #expect(abs(value - expected) < 1e-14 * Double(n * n))
    }
  }

  /// The covariance of fewer samples than pixels has as many eigenvalues besides zero as there are samples, less
  /// one; all else in it is rounding.
  @Test(arguments: [(2, 50), (6, 200), (20, 300)])
  func singular(samples: Int, n: Int) {
    var random = TestRandom(seed: 12)
    var covariance = Covariance(dimension: n)
    for _ in 0..<samples {
      let sample = random.normals(n).map { Float($0) }
      covariance.add(sample.span)
    }
    let matrix = covariance.matrix
    let values = symmetricEigenvalues(of: matrix, dimension: n)
    let trace = (0..<n).reduce(0) { $0 + matrix[$1 * n + $1] }
    #expect(values.count { $0 > 1e-10 * trace } == samples - 1)
    #expect(values.allSatisfy { $0 > -1e-12 * trace })
    #expect(abs(values.reduce(0, +) - trace) < 1e-12 * trace)
  }
}
