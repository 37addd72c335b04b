/// A 3×3 convolution (cross-correlation, as everywhere in the field) of images, border 1, stride 1 or 2:
///
///     y[i, j, o] = bias[o] + Σ_{k, l, c} x[s·i + k − 1, s·j + l − 1, c] · w[k, l, c, o]
///
/// Three algorithms, chosen by the layer's shape alone: Winograd's, with a third of the products; the direct sum,
/// where stride or width make that the better or the only one; and for the few channels of an image as output the
/// direct sum along the inputs, as a vector of outputs would be nearly empty.
package struct Convolution3x3: Sendable {
  package let input: ImageShape
  package let output: ImageShape
  package let stride: Int
  /// Of the gradient that `inputGradient` writes: the input's, or that of what was upsampled to make it.
  package let source: ImageShape
  private let winograd: WinogradConvolution?
  private let winogradInputGradient: WinogradConvolution?
  private let isNarrow: Bool

  package init(input: ImageShape, outputChannels: Int, stride: Int = 1) {
    self.init(source: input, upsamples: false, outputChannels: outputChannels, stride: stride)
  }

  /// The convolution of images that were upsampled by two (`upsample`).
  package init(upsampling source: ImageShape, outputChannels: Int) {
    self.init(source: source, upsamples: true, outputChannels: outputChannels, stride: 1)
  }

  private init(source: ImageShape, upsamples: Bool, outputChannels: Int, stride: Int) {
    precondition(stride == 1 || stride == 2, "stride \(stride) is not supported")
    precondition(
      stride == 1 || (source.height % 2 == 0 && source.width % 2 == 0), "stride 2 needs even sides")
    self.source = source
    self.stride = stride
    input = upsamples ? source.doubled : source
    output = (stride == 1 ? input : input.halved).with(channels: outputChannels)
    // The transforms take whole vectors of channels, and images of less than a tile would waste them.
    let pays =
      stride == 1 && input.channels % laneCount == 0 && outputChannels % laneCount == 0
      && input.pixels >= 16
    isNarrow = outputChannels <= 4
    if pays {
      winograd = WinogradConvolution(
        shape: input, outputChannels: outputChannels, pairs: upsamples ? .ofInput : .none)
      winogradInputGradient = WinogradConvolution(
        shape: output, outputChannels: input.channels, pairs: upsamples ? .ofOutput : .none)
    } else {
      (winograd, winogradInputGradient) = (nil, nil)
    }
  }

  package var weightCount: Int { 9 * input.channels * output.channels }

  // MARK: Weights

  /// Floats of the weights that `forward` reads, if they are not the weights themselves.
  package var forwardWeightCount: Int? { winograd?.weightCount ?? (isNarrow ? weightCount : nil) }
  /// Floats of the weights that `inputGradient` reads.
  package var backwardWeightCount: Int { winogradInputGradient?.weightCount ?? weightCount }
  /// Floats of working memory for any pass.
  package var scratchCount: Int {
    if let winograd, let winogradInputGradient {
      return max(winograd.scratchCount, winogradInputGradient.scratchCount)
    }
    return max(isNarrow ? weightCount : 0, source == input ? 0 : input.count)
  }

  /// Makes the weights that `forward` reads; only where `forwardWeightCount` is not nil.
  package func prepareForward(_ weights: Span<Float>, into prepared: consuming MutableSpan<Float>) {
    precondition(weights.count == weightCount && prepared.count == forwardWeightCount)
    if let winograd {
      winograd.transformWeights(weights.pointer, into: prepared.pointer)
    } else {
      transpose(
        weights.pointer, rows: 9 * input.channels, columns: output.channels, into: prepared.pointer)
    }
  }

  /// Makes the weights that `inputGradient` reads: flipped and transposed, flipped[2 − k, 2 − l, o, c] =
  /// w[k, l, c, o], and transformed where the algorithm is Winograd's.
  package func prepareBackward(_ weights: Span<Float>, into prepared: consuming MutableSpan<Float>) {
    precondition(weights.count == weightCount && prepared.count == backwardWeightCount)
    let (weights, prepared) = (weights.pointer, prepared.pointer)
    if let winogradInputGradient {
      return winogradInputGradient.transformFlippedWeights(weights, into: prepared)
    }
    let (c, o) = (input.channels, output.channels)
    for tap in 0..<9 {
      transpose(weights + tap * c * o, rows: c, columns: o, into: prepared + (8 - tap) * c * o)
    }
  }

  // MARK: Passes

  /// - Parameters:
  ///   - x: [count] padded images (`ImageShape.padded`) of the input.
  ///   - weights: from `prepareForward`, or [3, 3, in, out] where `forwardWeightCount` is nil.
  ///   - bias: [out], or [count, out] for a bias of each image's own.
  ///   - addend: as y, what the results are added to: a residual connection. Nil for none.
  ///   - y: [count, output height, output width, out].
  ///   - share: which part of the work to do, `share.index` of `share.count`; all parts together write all of y.
  ///   - scratch: at least `scratchCount` floats, each share's own.
  package func forward(
    _ x: Span<Float>, count: Int, weights: Span<Float>, bias: Span<Float>, adding addend: Span<Float>? = nil,
    into y: consuming MutableSpan<Float>, share: (index: Int, count: Int) = (0, 1),
    scratch: consuming MutableSpan<Float>
  ) {
    let o = output.channels
    precondition(x.count == count * input.padded.count && y.count == count * output.count)
    precondition(weights.count == forwardWeightCount ?? weightCount && scratch.count >= scratchCount)
    precondition(bias.count == o || bias.count == count * o)
    let biasPerImage = count > 1 && bias.count == count * o
    precondition(addend == nil || addend?.count == y.count)
    let (x, weights, bias, addend) = (x.pointer, weights.pointer, bias.pointer, addend?.pointer)
    let (length, y) = (y.count, y.pointer)
    if let winograd {
      return winograd.forward(
        x, count: count, weights, bias: bias, biasPerImage: biasPerImage, addend: addend, into: y,
        share: share, scratch: scratch.pointer)
    }
    // The other layers have little to do.
    guard share.index == 0 else { return }
    let accumulates = addend != nil
    if let addend { y.update(from: addend, count: length) }
    if isNarrow {
      for image in 0..<count {
        narrowForward(
          x + image * input.padded.count, weights, bias: bias + (biasPerImage ? image * o : 0),
          into: y + image * output.count, accumulates: accumulates)
      }
      return
    }
    let (c, pitch) = (input.channels, input.padded.width * input.channels)
    // Three neighbouring pixels of a row are one contiguous run, so an output row is a matrix product.
    let product = Contraction(
      rows: output.width, columns: o, aRow: stride * c, cRow: o,
      outer: .init(count: 3, a: pitch, b: 3 * c * o), inner: .init(count: 3 * c, a: 1, b: o),
      accumulates: accumulates)
    for image in 0..<count {
      product.run(
        rows: output.height, x + image * input.padded.count, rowStep: stride * pitch, weights,
        bias: bias + (biasPerImage ? image * o : 0), into: y + image * output.count,
        outputRowStep: output.width * o)
    }
  }

  /// - Parameter weights: [out, 3, 3, in].
  private func narrowForward(
    _ x: Source, _ weights: Source, bias: Source, into y: Destination, accumulates: Bool
  ) {
    let (o, run, pitch) = (output.channels, 3 * input.channels, input.padded.width * input.channels)
    for row in 0..<output.height {
      for column in 0..<output.width {
        let patch = x + stride * (row * pitch + column * input.channels)
        let pixel = y + (row * output.width + column) * o
        for channel in 0..<o {
          let weights = weights + channel * 3 * run
          var (top, middle, bottom) = (Lanes(repeating: 0), Lanes(repeating: 0), Lanes(repeating: 0))
          forEachVector(run) { i, lanes in
            top = top.addingProduct(patch.lanes(at: i, count: lanes), weights.lanes(at: i, count: lanes))
            middle = middle.addingProduct(
              patch.lanes(at: pitch + i, count: lanes), weights.lanes(at: run + i, count: lanes))
            bottom = bottom.addingProduct(
              patch.lanes(at: 2 * pitch + i, count: lanes), weights.lanes(at: 2 * run + i, count: lanes))
          }
          let sum = bias[channel] + total(top + middle + bottom)
          pixel[channel] = accumulates ? pixel[channel] + sum : sum
        }
      }
    }
  }

  /// dx[i, j, c] = Σ dy · w over the outputs that read x[i, j, c]: a convolution of dy with the flipped,
  /// transposed weights; for stride 2 each parity of (i, j) meets its own one, two or four of the nine taps.
  ///
  /// - Parameters:
  ///   - dy: [count] padded images of the output's gradient.
  ///   - weights: from `prepareBackward`.
  ///   - dx: [count] images of `source`; added to if `accumulates`.
  ///   - scratch: at least `scratchCount` floats.
  package func inputGradient(
    _ dy: Span<Float>, count: Int, weights: Span<Float>, into dx: consuming MutableSpan<Float>,
    accumulates: Bool = false, scratch: consuming MutableSpan<Float>
  ) {
    precondition(dy.count == count * output.padded.count && dx.count == count * source.count)
    precondition(weights.count == backwardWeightCount && scratch.count >= scratchCount)
    let (dy, weights, dx) = (dy.pointer, weights.pointer, dx.pointer)
    if let winogradInputGradient {
      return winogradInputGradient.forward(
        dy, count: count, weights, bias: nil, biasPerImage: false, addend: accumulates ? Source(dx) : nil,
        into: dx, share: (0, 1), scratch: scratch.pointer)
    }
    let large = scratch.pointer
    for image in 0..<count {
      let (dy, dx) = (dy + image * output.padded.count, dx + image * source.count)
      if source == input {
        directInputGradient(dy, flipped: weights, into: dx, accumulates: accumulates)
      } else {
        directInputGradient(dy, flipped: weights, into: large, accumulates: false)
        upsampleGradient(large, shape: source, into: dx, accumulates: accumulates)
      }
    }
  }

  private func directInputGradient(
    _ dy: Source, flipped: Source, into dx: Destination, accumulates: Bool
  ) {
    let (c, o, pitch) = (input.channels, output.channels, output.padded.width * output.channels)
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
  ///   - x: [count] padded images of the input.
  ///   - dy: [count] padded images of the output's gradient.
  ///   - dw: [3, 3, in, out].
  ///   - scratch: at least `scratchCount` floats.
  package func addWeightGradient(
    _ x: Span<Float>, _ dy: Span<Float>, count: Int, into dw: consuming MutableSpan<Float>,
    scratch: consuming MutableSpan<Float>
  ) {
    precondition(x.count == count * input.padded.count && dy.count == count * output.padded.count)
    precondition(dw.count == weightCount && scratch.count >= scratchCount)
    let (x, dy, dw) = (x.pointer, dy.pointer, dw.pointer)
    if let winograd {
      return winograd.addWeightGradient(x, dy, count: count, into: dw, scratch: scratch.pointer)
    }
    let (c, o, pitch) = (input.channels, output.channels, input.padded.width * input.channels)
    let outputPitch = output.padded.width * o
    if isNarrow {
      // The transpose of the gradient, [out, 3, 3, in].
      let transposed = o == 1 ? dw : scratch.pointer
      if o > 1 { transposed.update(repeating: 0, count: weightCount) }
      let product = Contraction(
        rows: o, columns: 3 * c, aRow: 1, cRow: 9 * c,
        outer: .init(count: output.height, a: outputPitch, b: stride * pitch),
        inner: .init(count: output.width, a: o, b: stride * c), accumulates: true)
      for image in 0..<count {
        let dy = dy + image * output.padded.count + outputPitch + o
        for row in 0..<3 {
          product.run(dy, x + image * input.padded.count + row * pitch, into: transposed + row * 3 * c)
        }
      }
      if o > 1 {
        for i in 0..<9 * c {
          for channel in 0..<o { dw[i * o + channel] += transposed[channel * 9 * c + i] }
        }
      }
      return
    }
    let product = Contraction(
      rows: 3 * c, columns: o, aRow: 1, cRow: o,
      outer: .init(count: output.height, a: stride * pitch, b: outputPitch),
      inner: .init(count: output.width, a: stride * c, b: o), accumulates: true)
    for image in 0..<count {
      product.run(
        rows: 3, x + image * input.padded.count, rowStep: pitch,
        dy + image * output.padded.count + outputPitch + o, bias: nil, into: dw,
        outputRowStep: 3 * c * o)
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
