/// Scaled dot-product attention of one image (Vaswani et al. 2017), heads being contiguous slices of channels:
///
///     P = softmax(q·kᵀ / √d),   o = P·v
package struct Attention: Sendable {
  package let tokens: Int
  package let headCount: Int
  package let headWidth: Int

  package init(tokens: Int, headCount: Int, headWidth: Int) {
    precondition(tokens > 0 && headCount > 0 && headWidth > 0)
    self.tokens = tokens
    self.headCount = headCount
    self.headWidth = headWidth
  }

  package var channels: Int { headCount * headWidth }
  package var weightCount: Int { headCount * tokens * tokens }
  /// Floats of working memory: a transposed head, and a matrix of scores.
  package var scratchCount: Int { tokens * (headWidth + tokens) }

  private var scale: Float { 1 / Float(headWidth).squareRoot() }

  /// - Parameters:
  ///   - q, k, v: [tokens, channels].
  ///   - weights: P, [heads, tokens, tokens], kept for the backward pass.
  ///   - scratch: `scratchCount` floats.
  ///   - output: [tokens, channels].
  package func forward(
    _ q: Span<Float>, _ k: Span<Float>, _ v: Span<Float>, weights: consuming MutableSpan<Float>,
    scratch: consuming MutableSpan<Float>, into output: consuming MutableSpan<Float>
  ) {
    let count = tokens * channels
    precondition(q.count == count && k.count == count && v.count == count && output.count == count)
    precondition(weights.count == weightCount && scratch.count >= scratchCount)
    let (q, k, v, weights) = (q.pointer, k.pointer, v.pointer, weights.pointer)
    let (transposed, output) = (scratch.pointer, output.pointer)
    for head in 0..<headCount {
      let (first, p) = (head * headWidth, weights + head * tokens * tokens)
      transposeHead(k + first, into: transposed)
      Contraction(
        rows: tokens, columns: tokens, aRow: channels, cRow: tokens,
        inner: .init(count: headWidth, a: 1, b: tokens)
      ).run(q + first, transposed, into: p)
      for row in 0..<tokens { softmax(p + row * tokens) }
      Contraction(
        rows: tokens, columns: headWidth, aRow: tokens, cRow: channels,
        inner: .init(count: tokens, a: 1, b: channels)
      ).run(p, v + first, into: output + first)
    }
  }

  /// With dP = do·vᵀ and dS = P ⊙ (dP − Σ_row P ⊙ dP):
  ///
  ///     dv = Pᵀ·do,   dq = dS·k / √d,   dk = dSᵀ·q / √d
  ///
  /// - Parameters:
  ///   - gradient: do, [tokens, channels].
  ///   - dq, dk, dv: [tokens, channels], written.
  package func backward(
    _ q: Span<Float>, _ k: Span<Float>, _ v: Span<Float>, weights: Span<Float>, _ gradient: Span<Float>,
    scratch: consuming MutableSpan<Float>, dq: consuming MutableSpan<Float>,
    dk: consuming MutableSpan<Float>, dv: consuming MutableSpan<Float>
  ) {
    let count = tokens * channels
    precondition(gradient.count == count && dq.count == count && dk.count == count && dv.count == count)
    precondition(weights.count == weightCount && scratch.count >= scratchCount)
    let (q, k, v, weights, gradient) = (q.pointer, k.pointer, v.pointer, weights.pointer, gradient.pointer)
    let (dq, dk, dv, transposed) = (dq.pointer, dk.pointer, dv.pointer, scratch.pointer)
    let scores = transposed + tokens * headWidth
    for head in 0..<headCount {
      let (first, p) = (head * headWidth, weights + head * tokens * tokens)
      Contraction(
        rows: tokens, columns: headWidth, aRow: 1, cRow: channels,
        inner: .init(count: tokens, a: tokens, b: channels)
      ).run(p, gradient + first, into: dv + first)
      transposeHead(v + first, into: transposed)
      Contraction(
        rows: tokens, columns: tokens, aRow: channels, cRow: tokens,
        inner: .init(count: headWidth, a: 1, b: tokens)
      ).run(gradient + first, transposed, into: scores)
      for row in 0..<tokens { softmaxGradient(p + row * tokens, scores + row * tokens) }
      Contraction(
        rows: tokens, columns: headWidth, aRow: tokens, cRow: channels,
        inner: .init(count: tokens, a: 1, b: channels)
      ).run(scores, k + first, into: dq + first)
      Contraction(
        rows: tokens, columns: headWidth, aRow: 1, cRow: channels,
        inner: .init(count: tokens, a: tokens, b: channels)
      ).run(scores, q + first, into: dk + first)
    }
  }

  /// [tokens, headWidth] with row stride `channels` to [headWidth, tokens].
  private func transposeHead(_ head: Source, into transposed: Destination) {
    for token in 0..<tokens {
      for c in 0..<headWidth { transposed[c * tokens + token] = head[token * channels + c] }
    }
  }

  /// p = softmax(s / √d) in place, the largest score subtracted first.
  private func softmax(_ row: Destination) {
    var largest = -Float.infinity
    for i in 0..<tokens { largest = max(largest, row[i]) }
    let scale = Lanes(repeating: scale)
    var total: Float = 0
    forEachVector(tokens) { i, width in
      let e = exp((row.lanes(at: i, count: width) - Lanes(repeating: largest)) * scale)
      row.store(e, at: i, count: width)
      for lane in 0..<width { total += e[lane] }
    }
    let reciprocal = Lanes(repeating: 1 / total)
    forEachVector(tokens) { i, width in
      row.store(row.lanes(at: i, count: width) * reciprocal, at: i, count: width)
    }
  }

  /// dP becomes dS / √d in place.
  private func softmaxGradient(_ p: Source, _ gradient: Destination) {
    var dot: Float = 0
    for i in 0..<tokens { dot += p[i] * gradient[i] }
    let (dotLanes, scale) = (Lanes(repeating: dot), Lanes(repeating: scale))
    forEachVector(tokens) { i, width in
      let centred = gradient.lanes(at: i, count: width) - dotLanes
      gradient.store(p.lanes(at: i, count: width) * centred * scale, at: i, count: width)
    }
  }
}
