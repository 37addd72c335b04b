import Kernels
import Testing

@Suite struct ConvolutionTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let convolution: Convolution3x3
    let (x, weights, bias, dy): (Buffer, Buffer, Buffer, Buffer)

    init(_ height: Int, _ width: Int, _ inputs: Int, _ outputs: Int, stride: Int = 1) {
      self.init(
        Convolution3x3(
          input: ImageShape(height: height, width: width, channels: inputs), outputChannels: outputs,
          stride: stride))
    }

    /// Of images that are first upsampled by two.
    init(upsampling height: Int, _ width: Int, _ inputs: Int, _ outputs: Int) {
      self.init(
        Convolution3x3(
          upsampling: ImageShape(height: height, width: width, channels: inputs), outputChannels: outputs))
    }

    init(_ convolution: Convolution3x3) {
      self.convolution = convolution
      x = Buffer(normals(convolution.gradientShape.count, index: 1))
      weights = Buffer(normals(convolution.weightCount, index: 2))
      bias = Buffer(normals(convolution.output.channels, index: 3))
      dy = Buffer(normals(convolution.output.count, index: 4))
    }

    /// With numbers whose transforms by Winograd's matrices bf16 holds exactly: inputs and gradients of −1, 0 and 1, the
    /// sums of whose transforms are integers below 256; and of each kernel one tap, ±576, as G's fractions are k/24.
    init(exactInBFloat16 convolution: Convolution3x3) {
      self.convolution = convolution
      func signs(_ count: Int, index: UInt32) -> [Float] {
        normals(count, index: index).map { $0 < -0.5 ? -1 : $0 > 0.5 ? 1 : 0 }
      }
      x = Buffer(signs(convolution.gradientShape.count, index: 1))
      dy = Buffer(signs(convolution.output.count, index: 4))
      bias = Buffer(signs(convolution.output.channels, index: 3))
      let kernels = convolution.weightCount / 9
      let taps = normals(kernels, index: 5).map { Int(abs($0) * 1000) % 9 }
      let values = signs(kernels, index: 2)
      weights = Buffer(
        (0..<9 * kernels).map { $0 / kernels == taps[$0 % kernels] ? 576 * values[$0 % kernels] : 0 })
    }

    var testDescription: String {
      let (x, y) = (convolution.input, convolution.output)
      return "\(x.height)×\(x.width), \(x.channels) → \(y.channels), "
        + (upsamples ? "upsampled" : "stride \(convolution.stride)")
    }

    /// Winograd's algorithm, here for all passes or none, prepares weights of another number than their own.
    var tolerance: Double {
      convolution.backwardWeightCount == convolution.weightCount
        ? Tolerance.directConvolution : Tolerance.winograd
    }

    private var upsamples: Bool { convolution.gradientShape != convolution.input }

    /// The input's padded plane.
    private var plane: Buffer {
      guard upsamples else { return padded(x, convolution.input) }
      let result = Buffer(unwritten: convolution.input.padded.count)
      upsample(x.span, shape: convolution.gradientShape, into: result.mutable)
      return result
    }

    /// `x` by the independent reference, which the convolution's reference reads.
    func input(_ x: [Double]) -> [Double] {
      upsamples ? Reference.upsample(x, shape: convolution.gradientShape) : x
    }

    /// A gradient of the input to one of `x`: the sum over each pixel's copies.
    func source(_ gradient: [Double]) -> [Double] {
      guard upsamples else { return gradient }
      let (shape, width) = (convolution.gradientShape, convolution.input.width)
      var result = [Double](repeating: 0, count: shape.count)
      for y in 0..<2 * shape.height {
        for x in 0..<width {
          for c in 0..<shape.channels {
            result[(y / 2 * shape.width + x / 2) * shape.channels + c] +=
              gradient[(y * width + x) * shape.channels + c]
          }
        }
      }
      return result
    }

    private var scratch: Buffer { Buffer(unwritten: convolution.scratchCount) }

    /// The addend is what an accumulating buffer starts with.
    func forward(hasAddend: Bool) -> Buffer {
      let y = Buffer(unwritten: convolution.output.count)
      let addend = hasAddend ? Buffer(count: convolution.output.count, accumulates: true) : nil
      let (plane, weights, scratch) = (plane, forwardWeights, scratch)
      if let addend {
        convolution.forward(
          plane.span, count: 1, weights: weights.span, bias: bias.span, adding: addend.span, into: y.mutable,
          scratch: scratch.mutable)
      } else {
        convolution.forward(
          plane.span, count: 1, weights: weights.span, bias: bias.span, into: y.mutable,
          scratch: scratch.mutable)
      }
      return y
    }

    private var forwardWeights: Buffer {
      guard let count = convolution.forwardWeightCount else { return weights }
      let prepared = Buffer(unwritten: count)
      convolution.prepareForward(weights.span, into: prepared.mutable)
      return prepared
    }

    func inputGradient(accumulates: Bool) -> Buffer {
      let prepared = Buffer(unwritten: convolution.backwardWeightCount)
      convolution.prepareBackward(weights.span, into: prepared.mutable)
      let dx = Buffer(count: convolution.gradientShape.count, accumulates: accumulates)
      let (dy, scratch) = (padded(dy, convolution.output), scratch)
      convolution.inputGradient(
        dy.span, count: 1, weights: prepared.span, into: dx.mutable,
        accumulates: accumulates, scratch: scratch.mutable)
      return dx
    }

    /// Added to an accumulating buffer.
    func weightGradient() -> Buffer {
      let dw = Buffer(count: convolution.weightCount, accumulates: true)
      let (plane, dy, scratch) = (plane, padded(dy, convolution.output), scratch)
      convolution.addWeightGradient(
        plane.span, dy.span, count: 1, into: dw.mutable, scratch: scratch.mutable)
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
    Case(upsampling: 1, 1, 2, 3), Case(upsampling: 3, 2, 5, 17), Case(upsampling: 2, 2, 32, 16),
    Case(upsampling: 7, 7, 64, 64), Case(upsampling: 14, 14, 64, 48), Case(upsampling: 5, 3, 16, 96),
    Case(upsampling: 4, 6, 96, 32),
  ]

  static let smallCases = [
    Case(5, 5, 8, 9), Case(4, 7, 17, 8), Case(1, 1, 2, 3), Case(2, 3, 3, 5), Case(5, 4, 2, 1),
    Case(3, 3, 1, 17), Case(3, 7, 5, 2),
    Case(2, 2, 3, 2, stride: 2), Case(4, 6, 2, 3, stride: 2), Case(2, 8, 1, 17, stride: 2),
    Case(8, 4, 5, 1, stride: 2), Case(upsampling: 2, 1, 3, 5), Case(upsampling: 3, 3, 1, 2),
    Case(upsampling: 2, 3, 16, 16),
  ]

  @Test(arguments: cases, [false, true]) func forwardMatchesDouble(_ test: Case, hasAddend: Bool) {
    let expected = Reference.convolution(
      test.convolution, test.input(test.x.doubles), weights: test.weights.doubles, bias: test.bias.doubles)
    expect(
      test.forward(hasAddend: hasAddend), expected, accumulates: hasAddend, within: test.tolerance, "y")
  }

  @Test(arguments: cases, [false, true]) func gradientsMatchDouble(_ test: Case, accumulates: Bool) {
    let (dx, dw) = Reference.convolutionGradients(
      test.convolution, test.input(test.x.doubles), weights: test.weights.doubles, dy: test.dy.doubles)
    expect(
      test.inputGradient(accumulates: accumulates), test.source(dx), accumulates: accumulates,
      within: test.tolerance, "dx")
    expect(test.weightGradient(), dw, accumulates: true, within: test.tolerance, "dw")
  }

  @Test(arguments: smallCases) func gradientsMatchFiniteDifferences(_ test: Case) {
    let (x, w, b) = (test.input(test.x.doubles), test.weights.doubles, test.bias.doubles)
    let db = Buffer(count: b.count, accumulates: true)
    addColumnSums(test.dy.span, into: db.mutable)
    expectGradient(test.inputGradient(accumulates: false), at: test.x, dy: test.dy, "dx") {
      Reference.convolution(test.convolution, test.input($0), weights: w, bias: b)
    }
    expectGradient(test.weightGradient(), at: test.weights, dy: test.dy, accumulates: true, "dw") {
      Reference.convolution(test.convolution, x, weights: $0, bias: b)
    }
    expectGradient(db, at: test.bias, dy: test.dy, accumulates: true, "db") {
      Reference.convolution(test.convolution, x, weights: w, bias: $0)
    }
  }
}
