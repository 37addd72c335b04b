import Kernels
import Testing

@Suite struct LinearTests {
  static let channels = [1, 3, 5, 8, 12, 16, 17, 32, 33, 48, 64, 96]
  /// Every number of rows that a register tile can have, and what splits into several.
  static let rows = Array(1...15) + [28, 29, 49]

  // Reached: 1e-6.
  @Test(arguments: rows) func forwardMatchesDouble(rows: Int) {
    for c in Self.channels {
      let x = Buffer(normals(rows * c, index: 1))
      for o in Self.channels {
        let weights = Buffer(normals(c * o, index: 2))
        for (accumulates, hasBias) in [(false, true), (true, true), (false, false), (true, false)] {
          let bias = Buffer(hasBias ? normals(o, index: 3) : Array(repeating: 0, count: o))
          let y = Buffer(count: rows * o, accumulates: accumulates)
          linear(
            x.span, rows: rows, weights: weights.span, bias: hasBias ? bias.span : nil, into: y.mutable,
            accumulates: accumulates)
          let expected = Reference.linear(
            x.doubles, rows: rows, weights: weights.doubles, bias: bias.doubles)
          expect(y, expected, accumulates: accumulates, within: Tolerance.product, "\(c) → \(o)")
        }
      }
    }
  }

  // Reached: 2e-7.
  @Test(arguments: [(1, 1, 1), (1, 3, 5), (2, 5, 3), (7, 3, 17), (13, 8, 2), (3, 17, 16), (5, 12, 33)])
  func gradientsMatchFiniteDifferences(rows: Int, c: Int, o: Int) {
    let (x, weights) = (Buffer(normals(rows * c, index: 1)), Buffer(normals(c * o, index: 2)))
    let (bias, dy) = (Buffer(normals(o, index: 3)), Buffer(normals(rows * o, index: 4)))
    let transposed = Buffer(unwritten: c * o)
    transpose(weights.span, rows: c, columns: o, into: transposed.mutable)
    let dx = Buffer(unwritten: rows * c)
    linear(dy.span, rows: rows, weights: transposed.span, into: dx.mutable)
    let dw = Buffer(count: c * o, accumulates: true)
    addLinearWeightGradient(x.span, dy.span, rows: rows, into: dw.mutable)
    let db = Buffer(count: o, accumulates: true)
    addColumnSums(dy.span, into: db.mutable)

    let (plainX, plainWeights, plainBias) = (x.doubles, weights.doubles, bias.doubles)
    expectGradient(dx, at: x, dy: dy, "dx") {
      Reference.linear($0, rows: rows, weights: plainWeights, bias: plainBias)
    }
    expectGradient(dw, at: weights, dy: dy, accumulates: true, "dw") {
      Reference.linear(plainX, rows: rows, weights: $0, bias: plainBias)
    }
    expectGradient(db, at: bias, dy: dy, accumulates: true, "db") {
      Reference.linear(plainX, rows: rows, weights: plainWeights, bias: $0)
    }
  }

  // dw = xᵀ·dy is again a product that the reference has. Reached: 3e-6 (a single element), else 4e-7.
  @Test(arguments: [1, 2, 7, 28, 196]) func weightGradientMatchesDouble(rows: Int) {
    for c in Self.channels {
      let x = Buffer(normals(rows * c, index: 1))
      let transposed = Reference.transpose(x.doubles, rows: rows, columns: c)
      for o in Self.channels {
        let dy = Buffer(normals(rows * o, index: 4))
        let dw = Buffer(count: c * o, accumulates: true)
        addLinearWeightGradient(x.span, dy.span, rows: rows, into: dw.mutable)
        let expected = Reference.linear(
          transposed, rows: c, weights: dy.doubles, bias: Array(repeating: 0, count: o))
        expect(dw, expected, accumulates: true, within: Tolerance.sumOverRows, "\(c) → \(o)")
      }
    }
  }
}
