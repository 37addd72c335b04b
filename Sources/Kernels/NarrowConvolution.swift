/// The direct sum for one to four output channels: along the inputs, with the weights transposed to [out, 3, 3, in].
struct NarrowConvolution: ConvolutionAlgorithm {
  let input: ImageShape
  let output: ImageShape
  let stride: Int

  private var weightCount: Int { 9 * input.channels * output.channels }
  var preparedCount: Int? { weightCount }
  var scratchCount: Int { weightCount }
  private var pitch: Int { input.padded.width * input.channels }

  func prepare(_ weights: Source, into prepared: Destination) {
    transpose(weights, rows: 9 * input.channels, columns: output.channels, into: prepared)
  }

  func forward(
    _ x: Source, count: Int, _ weights: Source, bias: Source?, biasPitch: Int, addend: Source?,
    into y: Destination, share: (index: Int, count: Int), scratch: Destination
  ) {
    // Too little work to be shared.
    guard share.index == 0 else { return }
    let (o, run, pitch) = (output.channels, 3 * input.channels, pitch)
    for image in 0..<count {
      let (x, bias) = (x + image * input.padded.count, bias.map { $0 + image * biasPitch })
      for row in 0..<output.height {
        for column in 0..<output.width {
          let patch = x + stride * (row * pitch + column * input.channels)
          let pixel = ((image * output.height + row) * output.width + column) * o
          for channel in 0..<o {
            let weights = weights + channel * 3 * run
            var (top, middle, bottom) = (Lanes(repeating: 0), Lanes(repeating: 0), Lanes(repeating: 0))
            forEachVector(run) { i, width in
              top = top.addingProduct(patch.lanes(at: i, count: width), weights.lanes(at: i, count: width))
              middle = middle.addingProduct(
                patch.lanes(at: pitch + i, count: width), weights.lanes(at: run + i, count: width))
              bottom = bottom.addingProduct(
                patch.lanes(at: 2 * pitch + i, count: width), weights.lanes(at: 2 * run + i, count: width))
            }
            let sum = (bias?[channel] ?? 0) + total(top + middle + bottom)
            y[pixel + channel] = addend.map { $0[pixel + channel] + sum } ?? sum
          }
        }
      }
    }
  }

  func addWeightGradient(
    _ x: Source, _ dy: Source, count: Int, into dw: Destination, scratch: Destination
  ) {
    let (c, o, outputPitch) = (input.channels, output.channels, output.padded.width * output.channels)
    // The transpose of the gradient, [out, 3, 3, in].
    let transposed = o == 1 ? dw : scratch
    if o > 1 { transposed.update(repeating: 0, count: weightCount) }
    let product = Contraction(
      rows: o, columns: 3 * c, aRow: 1, cRow: 9 * c,
      outer: .init(count: output.height, a: outputPitch, b: stride * pitch),
      inner: .init(count: output.width, a: o, b: stride * c), accumulates: true,
      batch: .init(count: 3, b: pitch, c: 3 * c))
    for image in 0..<count {
      product.run(
        dy + image * output.padded.count + outputPitch + o, x + image * input.padded.count, into: transposed)
    }
    if o == 1 { return }
    for i in 0..<9 * c {
      for channel in 0..<o { dw[i * o + channel] += transposed[channel * 9 * c + i] }
    }
  }
}
