import Kernels
import Testing

@Suite struct ConvolutionTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let convolution: Convolution3x3
    let (x, weights, bias, dy): (Buffer, Buffer, Buffer, Buffer)

    init(_ height: Int, _ width: Int, _ inputs: Int, _ outputs: Int, stride: Int = 1) {
      convolution = Convolution3x3(
        input: ImageShape(height: height, width: width, channels: inputs), outputChannels: outputs,
        stride: stride)
      x = Buffer(normals(convolution.input.count, index: 1))
      weights = Buffer(normals(convolution.weightCount, index: 2))
      bias = Buffer(normals(outputs, index: 3))
      dy = Buffer(normals(convolution.output.count, index: 4))
    }

    var testDescription: String {
      let (x, y) = (convolution.input, convolution.output)
      return "\(x.height)×\(x.width), \(x.channels) → \(y.channels), stride \(convolution.stride)"
    }

    private var scratch: Buffer { Buffer(unwritten: convolution.scratchCount) }

    func forward(accumulates: Bool) -> Buffer {
      let y = Buffer(count: convolution.output.count, accumulates: accumulates)
      var prepared = weights
      if let count = convolution.forwardWeightCount {
        prepared = Buffer(unwritten: count)
        convolution.prepareForward(weights.span, into: prepared.mutable)
      }
      convolution.forward(
        padded(x, convolution.input).span, count: 1, weights: prepared.span, bias: bias.span, into: y.mutable,
        accumulates: accumulates, scratch: scratch.mutable)
      return y
    }

    func inputGradient(accumulates: Bool) -> Buffer {
      let prepared = Buffer(unwritten: convolution.backwardWeightCount)
      convolution.prepareBackward(weights.span, into: prepared.mutable)
      let dx = Buffer(count: convolution.input.count, accumulates: accumulates)
      convolution.inputGradient(
        padded(dy, convolution.output).span, count: 1, weights: prepared.span, into: dx.mutable,
        accumulates: accumulates, scratch: scratch.mutable)
      return dx
    }

    /// Added to an accumulating buffer.
    func weightGradient() -> Buffer {
      let dw = Buffer(count: convolution.weightCount, accumulates: true)
      convolution.addWeightGradient(
        padded(x, convolution.input).span, padded(dy, convolution.output).span, count: 1, into: dw.mutable,
        scratch: scratch.mutable)
      return dw
    }

    private func padded(_ image: Buffer, _ shape: ImageShape) -> Buffer {
      let result = Buffer(unwritten: shape.padded.count)
      pad(image.span, shape: shape, into: result.mutable)
      return result
    }
  }

  static let cases = [
    Case(1, 1, 1, 1), Case(1, 1, 3, 5), Case(2, 3, 5, 8), Case(3, 2, 8, 3), Case(5, 7, 12, 17),
    Case(7, 5, 17, 12), Case(7, 7, 16, 33), Case(8, 8, 33, 16), Case(14, 7, 48, 64), Case(3, 14, 64, 96),
    Case(2, 2, 96, 48), Case(7, 7, 96, 64), Case(28, 28, 1, 32), Case(28, 28, 32, 1), Case(8, 28, 32, 32),
    Case(9, 6, 33, 3), Case(5, 8, 7, 4), Case(6, 10, 16, 2, stride: 2),
    Case(28, 1, 17, 33), Case(1, 28, 16, 16), Case(28, 28, 32, 32), Case(28, 28, 64, 32),
    Case(14, 14, 64, 64),
    Case(14, 14, 128, 64), Case(7, 7, 64, 64), Case(7, 7, 128, 128), Case(4, 5, 8, 9), Case(9, 6, 24, 8),
    Case(2, 2, 1, 1, stride: 2), Case(2, 8, 3, 5, stride: 2),
    Case(8, 2, 5, 12, stride: 2), Case(14, 14, 16, 17, stride: 2), Case(28, 14, 8, 33, stride: 2),
    Case(8, 8, 48, 48, stride: 2), Case(14, 28, 32, 64, stride: 2), Case(2, 2, 96, 64, stride: 2),
  ]

  static let smallCases = [
    Case(5, 5, 8, 9), Case(4, 7, 17, 8), Case(1, 1, 2, 3), Case(2, 3, 3, 5), Case(5, 4, 2, 1),
    Case(3, 3, 1, 17), Case(3, 7, 5, 2),
    Case(2, 2, 3, 2, stride: 2), Case(4, 6, 2, 3, stride: 2), Case(2, 8, 1, 17, stride: 2),
    Case(8, 4, 5, 1, stride: 2),
  ]

  @Test(arguments: cases, [false, true]) func forwardMatchesDouble(_ test: Case, accumulates: Bool) {
    let expected = Reference.convolution(
      test.convolution, test.x.doubles, weights: test.weights.doubles, bias: test.bias.doubles)
    expect(
      test.forward(accumulates: accumulates), expected, accumulates: accumulates, within: Tolerance.output)
  }

  @Test(arguments: cases, [false, true]) func gradientsMatchDouble(_ test: Case, accumulates: Bool) {
    let (dx, dw) = Reference.convolutionGradients(
      test.convolution, test.x.doubles, weights: test.weights.doubles, dy: test.dy.doubles)
    expect(
      test.inputGradient(accumulates: accumulates), dx, accumulates: accumulates,
      within: Tolerance.gradient, "dx")
    expect(test.weightGradient(), dw, accumulates: true, within: Tolerance.gradient, "dw")
  }

  @Test(arguments: smallCases) func gradientsMatchFiniteDifferences(_ test: Case) {
    let (x, w, b) = (test.x.doubles, test.weights.doubles, test.bias.doubles)
    let db = Buffer(count: b.count, accumulates: true)
    addColumnSums(test.dy.span, into: db.mutable)
    expectGradient(test.inputGradient(accumulates: false), at: test.x, dy: test.dy, "dx") {
      Reference.convolution(test.convolution, $0, weights: w, bias: b)
    }
    expectGradient(test.weightGradient(), at: test.weights, dy: test.dy, accumulates: true, "dw") {
      Reference.convolution(test.convolution, x, weights: $0, bias: b)
    }
    expectGradient(db, at: test.bias, dy: test.dy, accumulates: true, "db") {
      Reference.convolution(test.convolution, x, weights: w, bias: $0)
    }
  }
}
