/// The eigenvalues of a real symmetric matrix, ascending, to about `dimension` ulp of the largest.
///
/// Householder reduction to tridiagonal form (Golub & Van Loan, "Matrix Computations", 4th ed.,
/// algorithm 8.3.1), 4/3 n³ operations, then implicit QL iterations (algorithm `imtql1` of EISPACK).
///
/// - Parameter matrix: [dimension, dimension], finite; only the lower triangle is read.
package func symmetricEigenvalues(of matrix: [Double], dimension: Int) -> [Double] {
  precondition(matrix.count == dimension * dimension && dimension > 0)
  precondition(matrix.allSatisfy(\.isFinite), "the matrix has entries that are not finite")
  var (diagonal, offDiagonal) = tridiagonalize(matrix, dimension)
  iterateQL(&diagonal, &offDiagonal)
  return diagonal.sorted()
}

/// Reduces the matrix from its last row upwards: the reflection H = I − β v vᵀ turns row i of the leading
/// block into one entry beside the diagonal, and the block A into H A H = A − v wᵀ − w vᵀ.
///
/// - Returns: the diagonal, [n], and the entries (i, i − 1) beside it, [n], of which the first is 0.
private func tridiagonalize(_ matrix: [Double], _ n: Int) -> (diagonal: [Double], offDiagonal: [Double]) {
  var a = matrix
  var offDiagonal = Array(repeating: 0.0, count: n)
  var v = offDiagonal
  var w = offDiagonal
  for i in stride(from: n - 1, to: 0, by: -1) {
    // The row left of the diagonal, v = (a_i0 … a_i,i−1), is to become (0 … 0, ∓|v|).
    for j in 0..<i { v[j] = a[i * n + j] }
    var tail = 0.0
    for j in 0..<i - 1 { tail += v[j] * v[j] }
    let pivot = v[i - 1]
    guard tail > 0 else {
      offDiagonal[i] = pivot
      continue
    }
    let norm = (tail + pivot * pivot).squareRoot()
    offDiagonal[i] = pivot > 0 ? -norm : norm  // the sign for which v does not cancel
    v[i - 1] = pivot - offDiagonal[i]
    let beta = 2 / (tail + v[i - 1] * v[i - 1])

    // w = β A v − (β²/2)(vᵀ A v) v, reading the lower triangle by rows for both halves of A.
    for j in 0..<i { w[j] = 0 }
    for j in 0..<i {
      let row = j * n
      var sum = a[row + j] * v[j]
      for k in 0..<j {
        sum += a[row + k] * v[k]
        w[k] += a[row + k] * v[j]
      }
      w[j] += sum
    }
    var product = 0.0
    for j in 0..<i {
      w[j] *= beta
      product += w[j] * v[j]
    }
    for j in 0..<i { w[j] -= beta / 2 * product * v[j] }
    for j in 0..<i {
      let row = j * n
      for k in 0...j { a[row + k] -= v[j] * w[k] + w[j] * v[k] }
    }
  }
  return ((0..<n).map { a[$0 * n + $0] }, offDiagonal)
}

/// Turns the diagonal of a tridiagonal matrix into its eigenvalues.
private func iterateQL(_ diagonal: inout [Double], _ offDiagonal: inout [Double]) {
  let n = diagonal.count
  // e_i beside d_i and d_(i+1).
  offDiagonal.removeFirst()
  offDiagonal.append(0)
  for l in 0..<n {
    var sweeps = 0
    while true {
      // The block from l to m, after which the entry beside the diagonal is negligible.
      let m =
        (l..<n - 1).first { i in
          let magnitude = abs(diagonal[i]) + abs(diagonal[i + 1])
          return magnitude + abs(offDiagonal[i]) == magnitude
        } ?? n - 1
      if m == l { break }
      sweeps += 1
      precondition(sweeps <= 50, "QL iterations converge in two or three sweeps an eigenvalue")

      // Wilkinson's shift, then a chase of rotations from m up to l.
      let half = (diagonal[l + 1] - diagonal[l]) / (2 * offDiagonal[l])
      let root = (half * half + 1).squareRoot()
      var g = diagonal[m] - diagonal[l] + offDiagonal[l] / (half + (half < 0 ? -root : root))
      var (sine, cosine, shift) = (1.0, 1.0, 0.0)
      var isSplit = false
      for i in stride(from: m - 1, through: l, by: -1) {
        let f = sine * offDiagonal[i]
        let b = cosine * offDiagonal[i]
        let r = (f * f + g * g).squareRoot()
        offDiagonal[i + 1] = r
        if r == 0 {
          diagonal[i + 1] -= shift
          isSplit = true
          break
        }
        sine = f / r
        cosine = g / r
        g = diagonal[i + 1] - shift
        let change = (diagonal[i] - g) * sine + 2 * cosine * b
        shift = sine * change
        diagonal[i + 1] = g + shift
        g = cosine * change - b
      }
      if !isSplit {
        diagonal[l] -= shift
        offDiagonal[l] = g
      }
      offDiagonal[m] = 0
    }
  }
}
