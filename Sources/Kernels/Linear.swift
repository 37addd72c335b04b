/// y[m, o] = bias[o] + Σ_c x[m, c] · w[c, o]: a linear layer over rows, and a 1×1 convolution over pixels.
///
/// - Parameters:
///   - x: [rows, in].
///   - weights: [in, out].
///   - bias: [out], or nil for none.
///   - y: [rows, out]; added to if `accumulates`.
package func linear(
  _ x: Span<Float>, rows: Int, weights: Span<Float>, bias: Span<Float>? = nil,
  into y: consuming MutableSpan<Float>, accumulates: Bool = false
) {
  let (c, o) = (x.count / rows, y.count / rows)
  precondition(x.count == rows * c && y.count == rows * o && weights.count == c * o)
  precondition(bias == nil || bias?.count == o)
  Contraction(
    rows: rows, columns: o, aRow: c, cRow: o, inner: .init(count: c, a: 1, b: o), accumulates: accumulates
  ).run(x.pointer, weights.pointer, bias: bias?.pointer, into: y.pointer)
}

/// dw[c, o] += Σ_m x[m, c] · dy[m, o]. (The input gradient is `linear` with the transposed weights.)
///
/// - Parameters: x: [rows, in]; dy: [rows, out]; dw: [in, out].
package func addLinearWeightGradient(
  _ x: Span<Float>, _ dy: Span<Float>, rows: Int, into dw: consuming MutableSpan<Float>
) {
  let (c, o) = (x.count / rows, dy.count / rows)
  precondition(x.count == rows * c && dy.count == rows * o && dw.count == c * o)
  Contraction(
    rows: c, columns: o, aRow: 1, cRow: o, inner: .init(count: rows, a: c, b: o), accumulates: true
  ).run(x.pointer, dy.pointer, into: dw.pointer)
}

/// sums[o] += Σ_m x[m, o]: every bias's gradient.
package func addColumnSums(_ x: Span<Float>, into sums: consuming MutableSpan<Float>) {
  let columns = sums.count
  precondition(x.count % columns == 0)
  let (x, rows) = (x.pointer, x.count / columns)
  let sums = sums.pointer
  forEachVector(columns) { column, width in
    var sum = Lanes(repeating: 0)
    for row in 0..<rows { sum += x.lanes(at: row * columns + column, count: width) }
    sums.store(sums.lanes(at: column, count: width) + sum, at: column, count: width)
  }
}

/// The transpose of a matrix [rows, columns].
package func transpose(
  _ matrix: Span<Float>, rows: Int, columns: Int, into transposed: consuming MutableSpan<Float>
) {
  precondition(matrix.count == rows * columns && transposed.count == matrix.count)
  transpose(matrix.pointer, rows: rows, columns: columns, into: transposed.pointer)
}

func transpose(_ matrix: Source, rows: Int, columns: Int, into transposed: Destination) {
  for row in 0..<rows {
    for column in 0..<columns { transposed[column * rows + row] = matrix[row * columns + column] }
  }
}
