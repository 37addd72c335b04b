/// One Muon step of a matrix [rows, columns] (Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"):
/// momentum, whose singular values are then all brought near 1, so that no direction of the matrix learns much faster
/// than the others.
///
///     g ← clip·g;   m ← m + (1 − β)(g − m);   u = g + β·(m − g)
///     X = u / ‖u‖;   five times X ← a·X + b·X·G + c·X·G²,   G = XᵀX
///     p ← p·(1 − lr·wd) − lr·0.2·√max(rows, columns)·X
///
/// The last factor gives an update AdamW's usual size, so that one learning rate serves both (Liu et al. 2025, "Muon is
/// scalable for LLM training", equation 4).
package struct MuonStep: Sendable {
  package var learningRate: Float
  package var weightDecay: Float
  /// What the gradient is multiplied by first.
  package var gradientScale: Float

  /// β.
  private static let momentum: Float = 0.95
  /// a, b and c of the Newton–Schulz iteration: steep at 0. After five times a singular value from 0.002 to 1 has become one
  /// from 0.68 to 1.21.
  private static let coefficients: (Float, Float, Float) = (3.4445, -4.7750, 2.0315)
  private static let iterations = 5

  package init(learningRate: Float, weightDecay: Float, gradientScale: Float) {
    self.learningRate = learningRate
    self.weightDecay = weightDecay
    self.gradientScale = gradientScale
  }

  /// Floats of the memory that an update needs.
  package static func scratchCount(rows: Int, columns: Int) -> Int { rows * columns + 5 * columns * columns }

  /// - Parameters:
  ///   - parameters (p), moments (m): [rows, columns], changed.
  ///   - gradients (g): [rows, columns].
  ///   - scratch: at least `scratchCount` floats.
  package func update(
    _ parameters: consuming MutableSpan<Float>, gradients: Span<Float>, moments: consuming MutableSpan<Float>,
    rows: Int, columns: Int, scratch: consuming MutableSpan<Float>
  ) {
    let count = rows * columns
    precondition(parameters.count == count && gradients.count == count && moments.count == count)
    precondition(scratch.count >= Self.scratchCount(rows: rows, columns: columns))
    let (p, g, m, x) = (parameters.pointer, gradients.pointer, moments.pointer, scratch.pointer)
    let (newGradient, momentum) = (Lanes(repeating: 1 - Self.momentum), Lanes(repeating: Self.momentum))
    let scale = Lanes(repeating: gradientScale)
    forEachVector(count) { i, width in
      let gradient = g.lanes(at: i, count: width) * scale
      var moment = m.lanes(at: i, count: width)
      moment = moment.addingProduct(gradient - moment, newGradient)
      m.store(moment, at: i, count: width)
      x.store(gradient.addingProduct(moment - gradient, momentum), at: i, count: width)
    }
    let length = sumOfSquares(unsafe Span(_unsafeStart: x, count: count)).squareRoot()
    scaleAll(x, count, by: Float(1 / max(length, 1e-30)))
    let factor = Self.iteratedFactor(of: x, rows: rows, columns: columns, scratch: x + count)
    let size = learningRate * 0.2 * Float(max(rows, columns)).squareRoot()
    scaleAll(factor, columns * columns, by: -size)
    scaleAll(p, count, by: 1 - learningRate * weightDecay)
    Self.product(x, factor, rows: rows, columns: columns, into: p, accumulates: true)
  }

  /// [columns, columns] The F for which X·F is what the iterations make of X [rows, columns]. As each of them multiplies
  /// X by a polynomial Q of its Gram matrix G, F is the product of the Qs, and G becomes Q·G·Q: all but the first and the
  /// last product are of small matrices.
  private static func iteratedFactor(
    of x: Destination, rows: Int, columns n: Int, scratch: Destination
  ) -> Destination {
    let size = n * n
    var (gram, factor, free) = (scratch, scratch + size, scratch + 2 * size)
    let (square, polynomial) = (scratch + 3 * size, scratch + 4 * size)
    // XᵀX walks down X's columns.
    Contraction(
      rows: n, columns: n, aRow: 1, cRow: n, inner: .init(count: rows, a: n, b: n)
    ).run(x, x, into: gram)
    for iteration in 0..<iterations {
      product(gram, gram, rows: n, columns: n, into: square)
      let (a, b, c) = coefficients
      forEachVector(size) { i, width in
        let terms = gram.lanes(at: i, count: width) * Lanes(repeating: b)
        polynomial.store(
          terms.addingProduct(square.lanes(at: i, count: width), Lanes(repeating: c)), at: i, count: width)
      }
      for i in 0..<n { polynomial[i * n + i] += a }
      if iteration == 0 {
        factor.update(from: polynomial, count: size)
      } else {
        product(factor, polynomial, rows: n, columns: n, into: free)
        swap(&factor, &free)
      }
      if iteration == iterations - 1 { break }
      product(gram, polynomial, rows: n, columns: n, into: square)
      product(polynomial, square, rows: n, columns: n, into: free)
      swap(&gram, &free)
    }
    return factor
  }

  /// [rows, columns] · [columns, columns].
  private static func product(
    _ a: Destination, _ b: Destination, rows: Int, columns: Int, into c: Destination,
    accumulates: Bool = false
  ) {
    Contraction(
      rows: rows, columns: columns, aRow: columns, cRow: columns,
      inner: .init(count: columns, a: 1, b: columns), accumulates: accumulates
    ).run(a, b, into: c)
  }

  private func scaleAll(_ x: Destination, _ count: Int, by scale: Float) {
    let scale = Lanes(repeating: scale)
    forEachVector(count) { i, width in x.store(x.lanes(at: i, count: width) * scale, at: i, count: width) }
  }
}
