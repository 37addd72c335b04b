/// The directions in which a data set varies most: the eigenvectors of its covariance with the largest eigenvalues.
public struct PrincipalComponents: Sendable {
  public let dimension: Int
  /// [dimension]
  public let mean: [Double]
  /// [count] The data's variances along the directions, largest first.
  public let variances: [Double]
  /// [count, dimension] Orthonormal.
  public let directions: [Double]

  public var count: Int { variances.count }

  /// Subspace iteration with Rayleigh–Ritz projection (Golub & Van Loan, "Matrix Computations", 4th ed., section
  /// 8.2.4), on a few directions more than are asked for. It ends when the variance explained, which grows from one
  /// iteration to the next, has stopped growing: directions whose variances are nearly equal are left as they are, as
  /// any turn among them explains as much.
  ///
  /// - Parameters:
  ///   - covariance: of at least one sample.
  ///   - count: from 1 to the dimension.
  public init(_ covariance: Covariance, count: Int) {
    let n = covariance.dimension
    precondition((1...n).contains(count), "\(count) directions of \(n)")
    let width = min(n, count + 16)
    let matrix = covariance.matrix
    // A start without structure of its own: multiples of the golden ratio, modulo 1.
    var basis = (1...width * n).map { index in
      let turns = Double(index) * 0.618_033_988_749_895
      return turns - turns.rounded(.down) - 0.5
    }
    orthonormalize(&basis, dimension: n)
    var explained = -Double.infinity
    while true {
      // A·q of each direction, and the covariance among the directions.
      let images = products(matrix, basis, dimension: n)
      let projected = symmetricMatrix(width) { i, j in dot(basis, i * n, images, j * n, count: n) }
      let (values, rotation) = symmetricEigenvectors(of: projected, dimension: width)
      let sum = values.prefix(count).reduce(0, +)
      // Rounding alone moves it by about 1e-15 of itself.
      if sum <= explained * (1 + 1e-12) || width == n {
        dimension = n
        mean = covariance.mean
        variances = values.prefix(count).map { max($0, 0) }
        directions = Array(turned(basis, by: rotation, dimension: n).prefix(count * n))
        return
      }
      explained = max(sum, 0)
      basis = turned(images, by: rotation, dimension: n)
      orthonormalize(&basis, dimension: n)
    }
  }

  /// A sample's coordinates along the directions, [count], from the mean.
  public func project(_ sample: Span<Float>) -> [Float] {
    precondition(sample.count == dimension)
    let centred = sample.indices.map { Double(sample[$0]) - mean[$0] }
    return (0..<count).map { Float(dot(directions, $0 * dimension, centred, 0, count: dimension)) }
  }
}

/// A·q for each row q of `rows`, [·, dimension], and a symmetric A.
private func products(_ matrix: [Double], _ rows: [Double], dimension n: Int) -> [Double] {
  (0..<rows.count / n).flatMap { row in (0..<n).map { dot(matrix, $0 * n, rows, row * n, count: n) } }
}

/// The rows combined: row i of the result is Σ_j rotation_ij · row j.
private func turned(_ rows: [Double], by rotation: [Double], dimension n: Int) -> [Double] {
  let count = rows.count / n
  var result = Array(repeating: 0.0, count: rows.count)
  for i in 0..<count {
    for j in 0..<count {
      let factor = rotation[i * count + j]
      for k in 0..<n { result[i * n + k] += factor * rows[j * n + k] }
    }
  }
  return result
}

/// Gram and Schmidt's process, twice for each row, after which nothing but rounding is left (Giraud et al. 2005). A row
/// that lies in the span of those before it gives way to a coordinate's direction that doesn't.
private func orthonormalize(_ rows: inout [Double], dimension n: Int) {
  func length(_ row: Int) -> Double { dot(rows, row * n, rows, row * n, count: n).squareRoot() }
  for row in 0..<rows.count / n {
    func removeOthers() {
      for _ in 0..<2 {
        for other in 0..<row {
          let overlap = dot(rows, row * n, rows, other * n, count: n)
          for k in 0..<n { rows[row * n + k] -= overlap * rows[other * n + k] }
        }
      }
    }
    let before = length(row)
    removeOthers()
    // The squares of what remains of all coordinates' directions add up to n − row: one has its share.
    let share = 0.5 * (Double(n - row) / Double(n)).squareRoot()
    if before == 0 || length(row) <= 1e-10 * before {
      var coordinate = 0
      repeat {
        for k in 0..<n { rows[row * n + k] = k == coordinate ? 1 : 0 }
        removeOthers()
        coordinate += 1
      } while length(row) < share
    }
    let scale = 1 / length(row)
    for k in 0..<n { rows[row * n + k] *= scale }
  }
}

/// Σ a_i b_i of parts of two arrays, in four sums that the CPU forms side by side.
private func dot(_ a: [Double], _ aStart: Int, _ b: [Double], _ bStart: Int, count: Int) -> Double {
  let a = a.span.extracting(aStart..<aStart + count)
  let b = b.span.extracting(bStart..<bStart + count)
  var sums = SIMD4<Double>.zero
  let whole = count / 4 * 4
  for i in stride(from: 0, to: whole, by: 4) {
    let x = SIMD4<Double>(a[i], a[i + 1], a[i + 2], a[i + 3])
    let y = SIMD4<Double>(b[i], b[i + 1], b[i + 2], b[i + 3])
    sums += x * y
  }
  var sum = sums.sum()
  for i in whole..<count { sum += a[i] * b[i] }
  return sum
}
