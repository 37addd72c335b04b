/// The eigenvalues of a real symmetric matrix, ascending, to about `dimension` ulp of the largest.
///
/// Householder reduction to tridiagonal form (Golub & Van Loan, "Matrix Computations", 4th ed.,
/// algorithm 8.3.1), 4/3 n³ operations, then bisection (algorithm 8.4.1).
///
/// - Parameter matrix: [dimension, dimension], finite; only the lower triangle is read.
package func symmetricEigenvalues(of matrix: [Double], dimension: Int) -> [Double] {
  precondition(matrix.count == dimension * dimension && dimension > 0)
  precondition(matrix.allSatisfy(\.isFinite), "the matrix has entries that are not finite")
  let (diagonal, offDiagonal) = tridiagonalize(matrix, dimension)
  return bisectEigenvalues(diagonal, offDiagonal)
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
  // Entries that are rounding beside the matrix are as good as zero; their squares could underflow.
  let rounding = 0x1p-60 * (matrix.map { abs($0) }.max() ?? 0)
  for i in stride(from: n - 1, to: 0, by: -1) {
    // The row left of the diagonal, v = (a_i0 … a_i,i−1), is to become (0 … 0, ∓|v|).
    for j in 0..<i { v[j] = a[i * n + j] }
    var tail = 0.0
    for j in 0..<i - 1 { tail += v[j] * v[j] }
    let pivot = v[i - 1]
    guard tail > rounding * rounding else {
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

/// The eigenvalues of a tridiagonal matrix, ascending: each bisected between the bounds of Gershgorin's circles.
/// Slower than QL iterations, but it can't fail to converge, however singular the matrix.
///
/// - Parameters: diagonal: [n]; offDiagonal: [n], the entries (i, i − 1), of which the first is 0.
private func bisectEigenvalues(_ diagonal: [Double], _ offDiagonal: [Double]) -> [Double] {
  let n = diagonal.count
  let radii = (0..<n).map { abs(offDiagonal[$0]) + ($0 + 1 < n ? abs(offDiagonal[$0 + 1]) : 0) }
  let lowest = (0..<n).map { diagonal[$0] - radii[$0] }.min() ?? 0
  let highest = (0..<n).map { diagonal[$0] + radii[$0] }.max() ?? 0
  let squares = offDiagonal.map { $0 * $0 }
  let resolution = Double.ulpOfOne * max(abs(lowest), abs(highest), .leastNormalMagnitude)

  /// How many eigenvalues are below x: the negative pivots of the elimination of A − x (Sturm's sequence).
  func countBelow(_ x: Double) -> Int {
    var (count, pivot) = (0, 1.0)
    for i in 0..<n {
      pivot = diagonal[i] - x - squares[i] / pivot
      if abs(pivot) < resolution { pivot = -resolution }
      if pivot < 0 { count += 1 }
    }
    return count
  }

  var floor = lowest
  return (0..<n).map { index in
    var (low, high) = (floor, highest + resolution)
    while high - low > resolution {
      let middle = low + (high - low) / 2
      if middle == low || middle == high { break }
      if countBelow(middle) > index { high = middle } else { low = middle }
    }
    floor = low
    return low + (high - low) / 2
  }
}
