/// The size of one image, channels last: [height, width, channels], row-major.
package struct ImageShape: Sendable, Equatable {
  package let height: Int
  package let width: Int
  package let channels: Int

  package init(height: Int, width: Int, channels: Int) {
    precondition(height > 0 && width > 0 && channels > 0)
    self.height = height
    self.width = width
    self.channels = channels
  }

  package var pixels: Int { height * width }
  package var count: Int { pixels * channels }

  /// With the border of one pixel that a 3×3 convolution reads.
  package var padded: ImageShape { ImageShape(height: height + 2, width: width + 2, channels: channels) }

  package func with(channels: Int) -> ImageShape {
    ImageShape(height: height, width: width, channels: channels)
  }

  /// After a 3×3 convolution of stride 2 with a border of one: half the size, rounded up.
  package var halved: ImageShape {
    ImageShape(height: (height + 1) / 2, width: (width + 1) / 2, channels: channels)
  }
}

/// A 3×3 convolution (cross-correlation, as everywhere in the field) of one image, border 1, stride 1 or 2:
///
///     y[i, j, o] = bias[o] + Σ_{k, l, c} x[s·i + k − 1, s·j + l − 1, c] · w[k, l, c, o]
///
/// A zero border around the input makes three neighbouring pixels of a row one contiguous run of 3·c numbers,
/// so each output row is a matrix product with nothing copied.
package struct Convolution3x3: Sendable {
  package let input: ImageShape
  package let output: ImageShape
  package let stride: Int

  package init(input: ImageShape, outputChannels: Int, stride: Int = 1) {
    precondition(stride == 1 || stride == 2, "stride \(stride) is not supported")
    precondition(
      stride == 1 || (input.height % 2 == 0 && input.width % 2 == 0), "stride 2 needs even sides")
    self.input = input
    self.output = (stride == 1 ? input : input.halved).with(channels: outputChannels)
    self.stride = stride
  }

  package var weightCount: Int { 9 * input.channels * output.channels }

  /// - Parameters:
  ///   - x: [height + 2, width + 2, in], the border zero.
  ///   - weights: [3, 3, in, out].
  ///   - bias: [out].
  ///   - output: [output height, output width, out]; added to if `accumulates`.
  package func forward(
    _ x: Span<Float>, weights: Span<Float>, bias: Span<Float>, into output: consuming MutableSpan<Float>,
    accumulates: Bool = false
  ) {
    precondition(x.count == input.padded.count && weights.count == weightCount)
    precondition(bias.count == self.output.channels && output.count == self.output.count)
    product(accumulates: accumulates).run(
      rows: self.output.height, x.pointer, rowStep: stride * input.padded.width * input.channels,
      weights.pointer, bias: bias.pointer, into: output.pointer,
      outputRowStep: self.output.width * self.output.channels)
  }

  private func product(accumulates: Bool) -> Contraction {
    let (c, o) = (input.channels, output.channels)
    return Contraction(
      rows: output.width, columns: o, aRow: stride * c, cRow: o,
      outer: .init(count: 3, a: input.padded.width * c, b: 3 * c * o),
      inner: .init(count: 3 * c, a: 1, b: o), accumulates: accumulates)
  }

  /// dx[i, j, c] = Σ dy · w over the outputs that read x[i, j, c]: a convolution of dy with the flipped,
  /// transposed weights; for stride 2 each parity of (i, j) meets its own one, two or four of the nine taps.
  ///
  /// - Parameters:
  ///   - dy: [output height + 2, output width + 2, out], the border zero.
  ///   - flipped: [3, 3, out, in] from `flip`.
  ///   - dx: [height, width, in]; added to if `accumulates`.
  package func inputGradient(
    _ dy: Span<Float>, flipped: Span<Float>, into dx: consuming MutableSpan<Float>, accumulates: Bool = false
  ) {
    precondition(dy.count == output.padded.count && flipped.count == weightCount && dx.count == input.count)
    let (c, o, pitch) = (input.channels, output.channels, output.padded.width * output.channels)
    let (dy, flipped, dx) = (dy.pointer, flipped.pointer, dx.pointer)
    if stride == 1 {
      let product = Contraction(
        rows: input.width, columns: c, aRow: o, cRow: c,
        outer: .init(count: 3, a: pitch, b: 3 * o * c),
        inner: .init(count: 3 * o, a: 1, b: c), accumulates: accumulates)
      return product.run(
        rows: input.height, dy, rowStep: pitch, flipped, bias: nil, into: dx,
        outputRowStep: input.width * c)
    }
    // x[2m] meets flipped tap 1 of y[m]; x[2m + 1] meets tap 0 of y[m] and tap 2 of y[m + 1].
    for (rowParity, columnParity) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
      let product = Contraction(
        rows: input.width / 2, columns: c, aRow: o, cRow: 2 * c,
        outer: .init(count: 1 + rowParity, a: pitch, b: 2 * 3 * o * c),
        middle: .init(count: 1 + columnParity, a: o, b: 2 * o * c),
        inner: .init(count: o, a: 1, b: c), accumulates: accumulates)
      let tap = (3 * (1 - rowParity) + (1 - columnParity)) * o * c
      product.run(
        rows: input.height / 2, dy + pitch + o, rowStep: pitch, flipped + tap, bias: nil,
        into: dx + (rowParity * input.width + columnParity) * c, outputRowStep: 2 * input.width * c)
    }
  }

  /// dw[k, l, c, o] += Σ_{i, j} x[s·i + k − 1, s·j + l − 1, c] · dy[i, j, o].
  ///
  /// - Parameters:
  ///   - x: [height + 2, width + 2, in], the border zero.
  ///   - dy: [output height, output width, out], without a border.
  package func addWeightGradient(
    _ x: Span<Float>, _ dy: Span<Float>, into dw: consuming MutableSpan<Float>
  ) {
    precondition(x.count == input.padded.count && dy.count == output.count && dw.count == weightCount)
    let (c, o, pitch) = (input.channels, output.channels, input.padded.width * input.channels)
    let product = Contraction(
      rows: 3 * c, columns: o, aRow: 1, cRow: o,
      outer: .init(count: output.height, a: stride * pitch, b: output.width * o),
      inner: .init(count: output.width, a: stride * c, b: o), accumulates: true)
    product.run(
      rows: 3, x.pointer, rowStep: pitch, dy.pointer, bias: nil, into: dw.pointer, outputRowStep: 3 * c * o)
  }

  /// The weights of the input gradient: flipped[2 − k, 2 − l, o, c] = w[k, l, c, o].
  package static func flip(
    _ weights: Span<Float>, inputChannels c: Int, outputChannels o: Int,
    into flipped: consuming MutableSpan<Float>
  ) {
    precondition(weights.count == 9 * c * o && flipped.count == weights.count)
    let (source, destination) = (weights.pointer, flipped.pointer)
    for tap in 0..<9 {
      transpose(source + tap * c * o, rows: c, columns: o, into: destination + (8 - tap) * c * o)
    }
  }
}

extension Contraction {
  /// The same product for each of `count` image rows.
  @inline(__always)
  fileprivate func run(
    rows count: Int, _ a: Source, rowStep: Int, _ b: Source, bias: Source?, into c: Destination,
    outputRowStep: Int
  ) {
    for row in 0..<count {
      run(a + row * rowStep, b, bias: bias, into: c + row * outputRowStep)
    }
  }
}
