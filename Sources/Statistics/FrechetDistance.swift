/// The Fréchet distance of two normal distributions (Dowson & Landau 1982), squared as is usual:
/// |μ₁ − μ₂|² + tr(C₁ + C₂ − 2·(C₁^½ C₂ C₁^½)^½). Zero for equal ones.
///
/// Singular covariances, whose zero eigenvalues are known to rounding, cost accuracy: 1e-8 of the trace is left.
///
/// Of the moments of finite sets it is too large, the more so the smaller they are.
public func frechetDistance(_ first: Covariance, _ second: Covariance) -> Double {
  frechetDistance(means: (first.mean, second.mean), covariances: (first.matrix, second.matrix))
}

/// The same from the moments.
///
/// - Parameters:
///   - means: [dimension] each.
///   - covariances: [dimension, dimension] each, symmetric and not negative, singular ones included.
package func frechetDistance(
  means: ([Double], [Double]), covariances: ([Double], [Double])
) -> Double {
  let n = means.0.count
  precondition(means.1.count == n, "distributions of \(n) and \(means.1.count) dimensions")
  let shift = zip(means.0, means.1).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
  func trace(_ matrix: [Double]) -> Double { (0..<n).reduce(0) { $0 + matrix[$1 * n + $1] } }
  // With C₁ = Vᵀ Λ V, V's rows the eigenvectors, C₁^½ C₂ C₁^½ has the eigenvalues of Λ^½ V C₂ Vᵀ Λ^½.
  let (values, vectors) = symmetricEigenvectors(of: covariances.0, dimension: n)
  let roots = values.map { max($0, 0).squareRoot() }
  let images = (0..<n).map { i in
    (0..<n).map { k in
      (0..<n).reduce(0.0) { $0 + vectors[i * n + $1] * covariances.1[$1 * n + k] }
    }
  }
  let product = symmetricMatrix(n) { i, j in
    roots[i] * roots[j] * (0..<n).reduce(0.0) { $0 + images[i][$1] * vectors[j * n + $1] }
  }
  let cross = symmetricEigenvalues(of: product, dimension: n).reduce(0) { $0 + max($1, 0).squareRoot() }
  return max(shift + trace(covariances.0) + trace(covariances.1) - 2 * cross, 0)
}
