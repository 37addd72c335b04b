import Statistics

/// The flow-matching losses of fields that know little of the data: the scale on which a loss is to be read.
extension Moments {
  /// The loss of u = 0, that of a zero-initialised network: E|x₁ − x₀|²/d = 1 + E[x₁²].
  public var zeroFieldLoss: Double {
    meanFieldLoss + mean.reduce(0) { $0 + $1 * $1 } / Double(mean.count)
  }

  /// The loss of the best constant field, u = E[x₁]: 1 + the mean variance of a component.
  public var meanFieldLoss: Double {
    1 + variance.reduce(0, +) / Double(mean.count)
  }
}

extension Covariance {
  /// The loss of the best affine field with uniform t: (π/2)·mean √λ over the eigenvalues λ of the
  /// covariance. It is the exact field of a Gaussian with the data's covariance: in the
  /// eigenvectors' coordinates the variance of u given x_t is λ/((1 − t)² + t²·λ), whose integral over t is (π/2)·√λ.
  /// And the loss of an affine field
  /// depends on nothing but mean and covariance. A few thousand samples of a large data set estimate it well,
  /// though somewhat too low.
  public func affineFieldLoss() -> Double {
    // Rounding leaves the zero eigenvalues, of pixels that never change, slightly negative.
    let roots = symmetricEigenvalues(of: matrix, dimension: dimension).map { max($0, 0).squareRoot() }
    return .pi / 2 * roots.reduce(0, +) / Double(dimension)
  }
}
