import Kernels
import Testing

/// Convolutions whose products are of bf16 numbers. Where the CPU has no instruction for them the build computes them in
/// Float32, so that these tests hold the rest of the algorithm on any machine.
@Suite struct PrecisionTests {
  typealias Case = ConvolutionTests.Case

  static func convolutions(_ precision: Precision) -> [Convolution3x3] {
    func plain(_ height: Int, _ width: Int, _ inputs: Int, _ outputs: Int) -> Convolution3x3 {
      Convolution3x3(
        input: ImageShape(height: height, width: width, channels: inputs), outputChannels: outputs,
        precision: precision)
    }
    func upsampling(_ height: Int, _ width: Int, _ inputs: Int, _ outputs: Int) -> Convolution3x3 {
      Convolution3x3(
        upsampling: ImageShape(height: height, width: width, channels: inputs), outputChannels: outputs,
        precision: precision)
    }
    // Preset small's, then odd sizes: of tiles, of vectors of channels, of both.
    return [
      plain(28, 28, 32, 32), plain(28, 28, 64, 32), plain(28, 28, 96, 32), plain(14, 14, 64, 64),
      plain(14, 14, 128, 64), plain(7, 7, 64, 64), plain(7, 7, 128, 64), upsampling(7, 7, 64, 64),
      upsampling(14, 14, 64, 64), plain(4, 4, 16, 16), plain(5, 7, 16, 48), plain(9, 13, 48, 16),
      plain(3, 14, 64, 96), upsampling(5, 3, 16, 96), upsampling(2, 2, 32, 16), plain(13, 4, 80, 48),
    ]
  }

  /// Numbers that bf16 holds lose nothing: then no product is left out, doubled or paired with the wrong one.
  @Test(arguments: convolutions(.bfloat16).map { Case(exactInBFloat16: $0) }, [false, true])
  func productsOfExactNumbersAreAsExactAsFloat32(_ test: Case, accumulates: Bool) {
    let (x, w, dy) = (test.input(test.x.doubles), test.weights.doubles, test.dy.doubles)
    let y = Reference.convolution(test.convolution, x, weights: w, bias: test.bias.doubles)
    let (dx, dw) = Reference.convolutionGradients(test.convolution, x, weights: w, dy: dy)
    expect(
      test.forward(hasAddend: accumulates), y, accumulates: accumulates, within: Tolerance.winograd, "y")
    expect(
      test.inputGradient(accumulates: accumulates), test.source(dx), accumulates: accumulates,
      within: Tolerance.winograd, "dx")
    expect(test.weightGradient(), dw, accumulates: true, within: Tolerance.winograd, "dw")
  }

  /// What rounding to bf16 costs, on normal numbers.
  @Test(arguments: convolutions(.bfloat16).map { Case($0) })
  func theErrorIsThatOfRounding(_ test: Case) {
    let (x, w, dy) = (test.input(test.x.doubles), test.weights.doubles, test.dy.doubles)
    let y = Reference.convolution(test.convolution, x, weights: w, bias: test.bias.doubles)
    let (dx, dw) = Reference.convolutionGradients(test.convolution, x, weights: w, dy: dy)
    let start = Buffer(count: dw.count, accumulates: true).doubles
    let errors = [
      relativeError(test.forward(hasAddend: false).doubles, y),
      relativeError(test.inputGradient(accumulates: false).doubles, test.source(dx)),
      relativeError(test.weightGradient().doubles, zip(start, dw).map(+)),
    ]
    for error in errors {
      #expect(error < Tolerance.bfloat16Winograd)
      #expect(error > 100 * Tolerance.winograd, "the products are of bf16 numbers")
    }
  }

  /// With bf16 in the gradients alone, the forward pass has Float32's bits, the gradients bf16's.
  @Test func gradientsAloneCanBeNarrowed() {
    func passes(_ precision: Precision) -> (y: [UInt32], dx: [UInt32], dw: [UInt32]) {
      let test = Case(Self.convolutions(precision)[0])
      return (
        test.forward(hasAddend: false).bits, test.inputGradient(accumulates: false).bits,
        test.weightGradient().bits
      )
    }
    let (whole, gradients, none) = (passes(.bfloat16), passes(.bfloat16Gradients), passes(.float32))
    #expect(gradients.y == none.y && gradients.y != whole.y)
    #expect(gradients.dx == whole.dx && gradients.dx != none.dx)
    #expect(gradients.dw == whole.dw && gradients.dw != none.dw)
  }

  /// Layers by the direct sum don't know of bf16.
  @Test(arguments: [(28, 1, 32, 1), (28, 32, 1, 1), (14, 32, 64, 2), (7, 33, 16, 1)])
  func directSumsStayFloat32(side: Int, inputs: Int, outputs: Int, stride: Int) {
    func passes(_ precision: Precision) -> [[UInt32]] {
      let test = Case(
        Convolution3x3(
          input: ImageShape(height: 2 * side, width: 2 * side, channels: inputs), outputChannels: outputs,
          stride: stride, precision: precision))
      return [
        test.forward(hasAddend: false).bits, test.inputGradient(accumulates: false).bits,
        test.weightGradient().bits,
      ]
    }
    #expect(passes(.bfloat16) == passes(.float32))
  }

  // MARK: Linear layers

  /// A linear layer's three passes, of an odd number of rows, of more than become bf16 numbers at a time, and of channels
  /// that are no whole vectors.
  static let layers: [(rows: Int, inputs: Int, outputs: Int)] = [
    (1, 16, 16), (3, 32, 64), (49, 64, 64), (111, 96, 32), (113, 64, 32), (255, 128, 64), (784, 96, 32),
    (225, 16, 80), (7, 24, 32), (5, 64, 8), (9, 1, 32),
  ]

  /// y, dx and dw by a layer, and by the reference.
  private func linearPasses(
    _ layer: Linear, rows: Int, of numbers: (Int, UInt32) -> [Float]
  ) -> [(own: Buffer, exact: [Double], accumulates: Bool)] {
    let (c, o) = (layer.inputChannels, layer.outputChannels)
    let (x, w) = (Buffer(numbers(rows * c, 1)), Buffer(numbers(c * o, 2)))
    let (bias, dy) = (Buffer(numbers(o, 3)), Buffer(numbers(rows * o, 4)))
    let scratch = Buffer(unwritten: layer.scratchCount)
    let forward = layer.forwardWeightCount.map { Buffer(unwritten: $0) }
    if let forward { layer.prepareForward(w.span, into: forward.mutable) }
    let backward = Buffer(unwritten: layer.backwardWeightCount)
    layer.prepareBackward(w.span, into: backward.mutable)

    let read = forward ?? w
    let y = Buffer(count: rows * o, accumulates: true)
    layer.forward(
      x.span, rows: rows, weights: read.span, bias: bias.span, into: y.mutable, accumulates: true,
      scratch: scratch.mutable)
    let dx = Buffer(unwritten: rows * c)
    layer.inputGradient(
      dy.span, rows: rows, weights: backward.span, into: dx.mutable, scratch: scratch.mutable)
    let dw = Buffer(count: c * o, accumulates: true)
    layer.addWeightGradient(x.span, dy.span, rows: rows, into: dw.mutable, scratch: scratch.mutable)

    func none(_ count: Int) -> [Double] { Array(repeating: 0, count: count) }
    let transposed = Reference.transpose(w.doubles, rows: c, columns: o)
    return [
      (y, Reference.linear(x.doubles, rows: rows, weights: w.doubles, bias: bias.doubles), true),
      (dx, Reference.linear(dy.doubles, rows: rows, weights: transposed, bias: none(c)), false),
      (
        dw,
        Reference.linear(
          Reference.transpose(x.doubles, rows: rows, columns: c), rows: c, weights: dy.doubles, bias: none(o)),
        true
      ),
    ]
  }

  @Test(arguments: layers) func linearLayersOfExactNumbersAreAsExactAsFloat32(
    rows: Int, inputs: Int, outputs: Int
  ) {
    let layer = Linear(inputChannels: inputs, outputChannels: outputs, precision: .bfloat16)
    for pass in linearPasses(layer, rows: rows, of: { normals($0, index: $1).map { ($0 * 8).rounded() / 8 } })
    {
      expect(pass.own, pass.exact, accumulates: pass.accumulates, within: Tolerance.product)
    }
  }

  @Test(arguments: layers) func linearLayersErrAsRoundingDoes(rows: Int, inputs: Int, outputs: Int) {
    let isWhole = inputs % Lanes.scalarCount == 0 && outputs % Lanes.scalarCount == 0
    let layer = Linear(inputChannels: inputs, outputChannels: outputs, precision: .bfloat16)
    for pass in linearPasses(layer, rows: rows, of: { normals($0, index: $1) }) {
      let start = pass.accumulates ? Buffer(count: pass.exact.count, accumulates: true).doubles : nil
      let error = relativeError(
        pass.own.doubles, start.map { zip($0, pass.exact).map(+) } ?? pass.exact)
      #expect(error < (isWhole ? Tolerance.bfloat16Product : Tolerance.sumOverRows))
      #expect(!isWhole || error > 100 * Tolerance.product, "the products are of bf16 numbers")
    }
  }

  @Test func gradientsOfLinearLayersAloneCanBeNarrowed() {
    func passes(_ precision: Precision) -> [[UInt32]] {
      linearPasses(
        Linear(inputChannels: 64, outputChannels: 32, precision: precision), rows: 49,
        of: { normals($0, index: $1) }
      ).map(\.own.bits)
    }
    let (whole, gradients, none) = (passes(.bfloat16), passes(.bfloat16Gradients), passes(.float32))
    #expect(gradients[0] == none[0] && gradients[0] != whole[0])
    #expect(gradients[1...] == whole[1...] && gradients[1] != none[1] && gradients[2] != none[2])
  }
}
