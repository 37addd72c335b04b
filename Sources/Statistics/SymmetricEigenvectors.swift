/// The eigenvalues of a small real symmetric matrix, largest first, with their eigenvectors.
///
/// Cyclic Jacobi rotations (Golub & Van Loan, "Matrix Computations", 4th ed., section 8.5.3), about 4n³ operations a
/// sweep and six to ten sweeps: for matrices of some hundred rows at most. Unlike `symmetricEigenvalues`, it has the
/// vectors, orthonormal to a few ulp even where eigenvalues repeat.
///
/// - Parameter matrix: [dimension, dimension], finite and symmetric.
/// - Returns: values, [dimension]; vectors, [dimension, dimension], one a row.
package func symmetricEigenvectors(
  of matrix: [Double], dimension n: Int
) -> (values: [Double], vectors: [Double]) {
  precondition(matrix.count == n * n && n > 0)
  precondition(matrix.allSatisfy(\.isFinite), "the matrix has entries that are not finite")
  var a = matrix
  var vectors = Array(repeating: 0.0, count: n * n)
  for i in 0..<n { vectors[i * n + i] = 1 }
  // An entry this small moves no eigenvalue by more than rounding does.
  let negligible = Double.ulpOfOne * (matrix.map { abs($0) }.max() ?? 0)

  /// Turns two rows of a [n, n] matrix that begin at p and q and have stride 1, or two columns of stride n.
  func rotate(
    _ matrix: inout [Double], _ p: Int, _ q: Int, stride: Int, _ cosine: Double, _ sine: Double
  ) {
    for k in 0..<n {
      let (x, y) = (matrix[p + k * stride], matrix[q + k * stride])
      matrix[p + k * stride] = cosine * x - sine * y
      matrix[q + k * stride] = sine * x + cosine * y
    }
  }

  // Convergence is quadratic; the bound only keeps rounding from being turned for ever.
  var (isDiagonal, sweeps) = (false, 0)
  while !isDiagonal && sweeps < 50 {
    isDiagonal = true
    sweeps += 1
    for p in 0..<n {
      for q in p + 1..<n {
        let entry = a[p * n + q]
        guard abs(entry) > negligible else { continue }
        isDiagonal = false
        // The smaller of the two angles that make the entry vanish.
        let theta = (a[q * n + q] - a[p * n + p]) / (2 * entry)
        let tangent = (theta < 0 ? -1 : 1) / (abs(theta) + (theta * theta + 1).squareRoot())
        let cosine = 1 / (tangent * tangent + 1).squareRoot()
        let sine = tangent * cosine
        rotate(&a, p, q, stride: n, cosine, sine)
        rotate(&a, p * n, q * n, stride: 1, cosine, sine)
        a[p * n + q] = 0
        a[q * n + p] = 0
        rotate(&vectors, p * n, q * n, stride: 1, cosine, sine)
      }
    }
  }
  let order = (0..<n).sorted { a[$0 * n + $0] > a[$1 * n + $1] }
  return (
    order.map { a[$0 * n + $0] }, order.flatMap { vectors[$0 * n..<($0 + 1) * n] }
  )
}
