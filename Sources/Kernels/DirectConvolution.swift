/// The sum of `Convolution3x3` as it stands: three neighbouring pixels of a row are one contiguous run, so an output
/// row is a matrix product.
struct DirectConvolution: ConvolutionAlgorithm, InputGradientAlgorithm {
  let input: ImageShape
  let output: ImageShape
  let stride: Int
  /// As in `Convolution3x3`.
  let gradientShape: ImageShape

  /// `forward` reads the weights as they are.
  var preparedCount: Int? { nil }
  var preparedFlippedCount: Int { 9 * input.channels * output.channels }
  var scratchCount: Int { gradientShape == input ? 0 : input.count }
  private var inputPitch: Int { input.padded.width * input.channels }
  private var outputPitch: Int { output.padded.width * output.channels }

  func prepare(_ weights: Source, into prepared: Destination) {
    preconditionFailure("`forward` reads the weights as they are")
  }

  /// prepared: [3, 3, out, in], the taps from the last to the first.
  func prepareFlipped(_ weights: Source, into prepared: Destination) {
    let (c, o) = (input.channels, output.channels)
    for tap in 0..<9 {
      transpose(weights + tap * c * o, rows: c, columns: o, into: prepared + (8 - tap) * c * o)
    }
  }

  func forward(
    _ x: Source, count: Int, _ weights: Source, bias: Source?, biasPitch: Int, addend: Source?,
    into y: Destination, share: (index: Int, count: Int), scratch: Destination
  ) {
    // Too little work to be shared.
    guard share.index == 0 else { return }
    if let addend { y.update(from: addend, count: count * output.count) }
    let (c, o) = (input.channels, output.channels)
    let product = Contraction(
      rows: output.width, columns: o, aRow: stride * c, cRow: o,
      outer: .init(count: 3, a: inputPitch, b: 3 * c * o), inner: .init(count: 3 * c, a: 1, b: o),
      accumulates: addend != nil,
      batch: .init(count: output.height, a: stride * inputPitch, c: output.width * o))
    for image in 0..<count {
      product.run(
        x + image * input.padded.count, weights, bias: bias.map { $0 + image * biasPitch },
        into: y + image * output.count)
    }
  }

  func inputGradient(
    _ dy: Source, count: Int, _ flipped: Source, into dx: Destination, accumulates: Bool, scratch: Destination
  ) {
    for image in 0..<count {
      let (dy, dx) = (dy + image * output.padded.count, dx + image * gradientShape.count)
      if gradientShape == input {
        inputGradient(dy, flipped, into: dx, accumulates: accumulates)
      } else {
        inputGradient(dy, flipped, into: scratch, accumulates: false)
        upsampleGradient(scratch, shape: gradientShape, into: dx, accumulates: accumulates)
      }
    }
  }

  private func inputGradient(_ dy: Source, _ flipped: Source, into dx: Destination, accumulates: Bool) {
    let (c, o, pitch) = (input.channels, output.channels, outputPitch)
    if stride == 1 {
      return Contraction(
        rows: input.width, columns: c, aRow: o, cRow: c, outer: .init(count: 3, a: pitch, b: 3 * o * c),
        inner: .init(count: 3 * o, a: 1, b: c), accumulates: accumulates,
        batch: .init(count: input.height, a: pitch, c: input.width * c)
      ).run(dy, flipped, into: dx)
    }
    // Each parity of (i, j) meets its own of the nine taps, one, two or four: x[2m] meets flipped tap 1 of y[m];
    // x[2m + 1] meets tap 0 of y[m] and tap 2 of y[m + 1].
    for (rowParity, columnParity) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
      let tap = (3 * (1 - rowParity) + (1 - columnParity)) * o * c
      Contraction(
        rows: input.width / 2, columns: c, aRow: o, cRow: 2 * c,
        outer: .init(count: 1 + rowParity, a: pitch, b: 2 * 3 * o * c),
        middle: .init(count: 1 + columnParity, a: o, b: 2 * o * c),
        inner: .init(count: o, a: 1, b: c), accumulates: accumulates,
        batch: .init(count: input.height / 2, a: pitch, c: 2 * input.width * c)
      ).run(dy + pitch + o, flipped + tap, into: dx + (rowParity * input.width + columnParity) * c)
    }
  }

  func addWeightGradient(
    _ x: Source, _ dy: Source, count: Int, into dw: Destination, scratch: Destination
  ) {
    let (c, o) = (input.channels, output.channels)
    let product = Contraction(
      rows: 3 * c, columns: o, aRow: 1, cRow: o,
      outer: .init(count: output.height, a: stride * inputPitch, b: outputPitch),
      inner: .init(count: output.width, a: stride * c, b: o), accumulates: true,
      batch: .init(count: 3, a: inputPitch, c: 3 * c * o))
    for image in 0..<count {
      product.run(
        x + image * input.padded.count, dy + image * output.padded.count + outputPitch + o, into: dw)
    }
  }
}
