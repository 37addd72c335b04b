import CVector

/// A linear layer over rows, or a 1×1 convolution over pixels, with its gradients, in a precision. (`linear` and
/// `addLinearWeightGradient`, below, are what it does in Float32.)
package struct Linear: Sendable {
  package let inputChannels: Int
  package let outputChannels: Int
  private let narrowsForward: Bool
  private let narrowsGradients: Bool

  package init(inputChannels: Int, outputChannels: Int, precision: Precision = .float32) {
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    // Pairs of bf16 numbers come in whole vectors.
    let isWhole = inputChannels % laneCount == 0 && outputChannels % laneCount == 0
    narrowsForward = isWhole && precision.narrowsForward
    narrowsGradients = isWhole && precision.narrowsGradients
  }

  package var weightCount: Int { inputChannels * outputChannels }
  /// Floats of the weights that `forward` reads, if they are not the weights themselves.
  package var forwardWeightCount: Int? { narrowsForward ? weightCount / 2 : nil }
  /// Floats of the weights that `inputGradient` reads.
  package var backwardWeightCount: Int { narrowsGradients ? weightCount / 2 : weightCount }
  /// Floats of working memory for any pass.
  package var scratchCount: Int {
    narrowsForward || narrowsGradients ? Self.rowsAtATime / 2 * (inputChannels + outputChannels) : 0
  }

  /// Rows that become bf16 numbers together: they stay in the first-level cache.
  private static let rowsAtATime = 8 * Contraction.rowsPerTile

  /// Makes the weights that `forward` reads; only where `forwardWeightCount` is not nil.
  ///
  /// - Parameters: weights: [in, out]; prepared: [in / 2, out], pairs of neighbouring inputs.
  package func prepareForward(_ weights: Span<Float>, into prepared: consuming MutableSpan<Float>) {
    precondition(weights.count == weightCount && prepared.count == forwardWeightCount)
    pairRows(weights.pointer, rows: inputChannels, columns: outputChannels, into: prepared.pointer)
  }

  /// Makes the weights that `inputGradient` reads.
  ///
  /// - Parameters: weights: [in, out]; prepared: [out, in], or [out / 2, in], pairs of neighbouring outputs.
  package func prepareBackward(_ weights: Span<Float>, into prepared: consuming MutableSpan<Float>) {
    precondition(weights.count == weightCount && prepared.count == backwardWeightCount)
    let (c, o, weights, prepared) = (inputChannels, outputChannels, weights.pointer, prepared.pointer)
    guard narrowsGradients else { return transpose(weights, rows: c, columns: o, into: prepared) }
    for channel in 0..<c {
      for output in stride(from: 0, to: o, by: laneCount) {
        let narrowed = inkflow_narrowed(weights.lanes(at: channel * o + output))
        for lane in stride(from: 0, to: laneCount, by: 2) {
          prepared[(output + lane) / 2 * c + channel] = Float(
            bitPattern: UInt32(narrowed[lane]) | UInt32(narrowed[lane + 1]) << 16)
        }
      }
    }
  }

  /// y[m, o] = bias[o] + Σ_c x[m, c] · w[c, o].
  ///
  /// - Parameters:
  ///   - x: [rows, in].
  ///   - weights: from `prepareForward`, or [in, out] where `forwardWeightCount` is nil.
  ///   - bias: [out].
  ///   - y: [rows, out]; added to if `accumulates`.
  ///   - scratch: at least `scratchCount` floats.
  package func forward(
    _ x: Span<Float>, rows: Int, weights: Span<Float>, bias: Span<Float>,
    into y: consuming MutableSpan<Float>, accumulates: Bool = false, scratch: consuming MutableSpan<Float>
  ) {
    guard narrowsForward else {
      return linear(x, rows: rows, weights: weights, bias: bias, into: y, accumulates: accumulates)
    }
    precondition(bias.count == outputChannels)
    multiply(
      x, rows, inputChannels, weights, bias.pointer, into: y, outputChannels, accumulates, scratch: scratch)
  }

  /// dx[m, c] = Σ_o dy[m, o] · w[c, o].
  ///
  /// - Parameters: dy: [rows, out]; weights: from `prepareBackward`; dx: [rows, in], added to if `accumulates`; scratch:
  ///   at least `scratchCount` floats.
  package func inputGradient(
    _ dy: Span<Float>, rows: Int, weights: Span<Float>, into dx: consuming MutableSpan<Float>,
    accumulates: Bool = false, scratch: consuming MutableSpan<Float>
  ) {
    guard narrowsGradients else {
      return linear(dy, rows: rows, weights: weights, into: dx, accumulates: accumulates)
    }
    multiply(
      dy, rows, outputChannels, weights, nil, into: dx, inputChannels, accumulates, scratch: scratch)
  }

  /// dw[c, o] += Σ_m x[m, c] · dy[m, o].
  ///
  /// - Parameters: x: [rows, in]; dy: [rows, out]; dw: [in, out]; scratch: at least `scratchCount` floats.
  package func addWeightGradient(
    _ x: Span<Float>, _ dy: Span<Float>, rows: Int, into dw: consuming MutableSpan<Float>,
    scratch: consuming MutableSpan<Float>
  ) {
    guard narrowsGradients else { return addLinearWeightGradient(x, dy, rows: rows, into: dw) }
    let (c, o) = (inputChannels, outputChannels)
    precondition(x.count == rows * c && dy.count == rows * o && dw.count == weightCount)
    precondition(scratch.count >= scratchCount)
    let (x, dy, dw, left) = (x.pointer, dy.pointer, dw.pointer, scratch.pointer)
    let right = left + Self.rowsAtATime / 2 * c
    forEachBlock(rows) { first, count in
      pairRows(x + first * c, rows: count, columns: c, into: left)
      pairRows(dy + first * o, rows: count, columns: o, into: right)
      Contraction(
        rows: c, columns: o, aRow: 1, cRow: o, inner: .init(count: (count + 1) / 2, a: c, b: o),
        multipliesPairs: true, accumulates: true
      ).run(left, right, into: dw)
    }
  }

  /// y = x·w of bf16 numbers: x [rows, c] becomes pairs, a block of rows at a time.
  private func multiply(
    _ x: Span<Float>, _ rows: Int, _ c: Int, _ weights: Span<Float>, _ bias: Source?,
    into y: consuming MutableSpan<Float>, _ o: Int, _ accumulates: Bool, scratch: consuming MutableSpan<Float>
  ) {
    precondition(x.count == rows * c && y.count == rows * o && weights.count == weightCount / 2)
    precondition(scratch.count >= scratchCount)
    let (x, weights, y, pairs) = (x.pointer, weights.pointer, y.pointer, scratch.pointer)
    forEachBlock(rows) { first, count in
      let block = x + first * c
      for i in stride(from: 0, to: count * c, by: laneCount) {
        pairs.storeNarrowed(block.lanes(at: i), at: i / 2)
      }
      Contraction(
        rows: count, columns: o, aRow: c / 2, cRow: o, inner: .init(count: c / 2, a: 1, b: o),
        multipliesPairs: true, accumulates: accumulates
      ).run(pairs, weights, bias: bias, into: y + first * o)
    }
  }

  @inline(__always)
  private func forEachBlock(_ rows: Int, _ body: (_ first: Int, _ count: Int) -> Void) {
    for first in stride(from: 0, to: rows, by: Self.rowsAtATime) {
      body(first, min(Self.rowsAtATime, rows - first))
    }
  }
}

/// Makes each two rows of a matrix, the terms of a sum, one of pairs of bf16 numbers: [rows / 2, columns], rounded up. A
/// last odd row is paired with zeros.
///
/// - Parameter pairs: may begin where the matrix does.
func pairRows(_ matrix: Source, rows: Int, columns: Int, into pairs: Destination) {
  for row in stride(from: 0, to: rows, by: 2) {
    let (first, place) = (matrix + row * columns, pairs + row / 2 * columns)
    for column in stride(from: 0, to: columns, by: laneCount) {
      let second = row + 1 < rows ? first.lanes(at: columns + column) : Lanes(repeating: 0)
      place.store(inkflow_pairs(first.lanes(at: column), second), at: column)
    }
  }
}

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
