import Kernels
import Testing

@Suite struct AttentionTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let attention: Attention
    let (q, k, v, gradient): (Buffer, Buffer, Buffer, Buffer)

    /// - Parameter scale: of the queries; large ones make the softmax steep.
    init(tokens: Int, heads: Int, width: Int, scale: Float = 1) {
      attention = Attention(tokens: tokens, headCount: heads, headWidth: width)
      let count = tokens * heads * width
      q = Buffer(normals(count, index: 1).map { $0 * scale })
      k = Buffer(normals(count, index: 2))
      v = Buffer(normals(count, index: 3))
      gradient = Buffer(normals(count, index: 4))
    }

    var testDescription: String {
      "\(attention.tokens) tokens, \(attention.headCount) heads of \(attention.headWidth)"
    }

    func forward() -> (output: Buffer, weights: Buffer) {
      let weights = Buffer(unwritten: attention.weightCount)
      let scratch = Buffer(unwritten: attention.scratchCount)
      let output = Buffer(unwritten: q.values.count)
      attention.forward(
        q.span, k.span, v.span, weights: weights.mutable, scratch: scratch.mutable, into: output.mutable)
      _ = scratch.values
      return (output, weights)
    }

    func backward() -> (dq: Buffer, dk: Buffer, dv: Buffer) {
      let weights = forward().weights
      let scratch = Buffer(unwritten: attention.scratchCount)
      let count = q.values.count
      let (dq, dk, dv) = (Buffer(unwritten: count), Buffer(unwritten: count), Buffer(unwritten: count))
      attention.backward(
        q.span, k.span, v.span, weights: weights.span, gradient.span, scratch: scratch.mutable,
        dq: dq.mutable, dk: dk.mutable, dv: dv.mutable)
      _ = scratch.values
      return (dq, dk, dv)
    }
  }

  static let cases = [
    Case(tokens: 1, heads: 1, width: 1), Case(tokens: 2, heads: 1, width: 5),
    Case(tokens: 3, heads: 2, width: 8), Case(tokens: 7, heads: 3, width: 16),
    Case(tokens: 16, heads: 1, width: 17), Case(tokens: 17, heads: 2, width: 32),
    Case(tokens: 49, heads: 1, width: 64), Case(tokens: 196, heads: 2, width: 48),
    Case(tokens: 33, heads: 2, width: 12, scale: 1000),
  ]

  // Reached: 7e-7.
  @Test(arguments: cases) func forwardMatchesDouble(_ test: Case) {
    let expected = Reference.attention(test.attention, test.q.doubles, test.k.doubles, test.v.doubles)
    let (output, weights) = test.forward()
    expect(output, expected, within: Tolerance.product)
    let tokens = test.attention.tokens
    let rows = weights.doubles
    for row in 0..<rows.count / tokens {
      let total = rows[row * tokens..<(row + 1) * tokens].reduce(0, +)
      #expect(abs(total - 1) < 1e-5, "row \(row) of the weights")
    }
  }

  // Reached: 4e-7.
  @Test(arguments: [
    Case(tokens: 1, heads: 1, width: 3), Case(tokens: 5, heads: 1, width: 3),
    Case(tokens: 5, heads: 2, width: 3), Case(tokens: 17, heads: 2, width: 5),
    Case(tokens: 7, heads: 2, width: 17), Case(tokens: 20, heads: 1, width: 8, scale: 5),
  ]) func gradientsMatchFiniteDifferences(_ test: Case) {
    let (q, k, v, dy) = (test.q.doubles, test.k.doubles, test.v.doubles, test.gradient)
    let (dq, dk, dv) = test.backward()
    expectGradient(dq, at: test.q, dy: dy, "dq") { Reference.attention(test.attention, $0, k, v) }
    expectGradient(dk, at: test.k, dy: dy, "dk") { Reference.attention(test.attention, q, $0, v) }
    expectGradient(dv, at: test.v, dy: dy, "dv") { Reference.attention(test.attention, q, k, $0) }
  }
}
