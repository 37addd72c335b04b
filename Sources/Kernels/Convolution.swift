/// A 3×3 convolution (cross-correlation, as everywhere in the field) of images, border 1, stride 1 or 2:
///
///     y[i, j, o] = bias[o] + Σ_{k, l, c} x[s·i + k − 1, s·j + l − 1, c] · w[k, l, c, o]
///
/// Three algorithms, chosen by the layer's shape alone: Winograd's, with a quarter of the products; the direct sum,
/// where stride or width make that the better or the only one; and for the few channels of an image as output the
/// direct sum along the inputs, as a vector of outputs would be nearly empty.
package struct Convolution3x3: Sendable {
  package let input: ImageShape
  package let output: ImageShape
  package let stride: Int
  /// The shape that `inputGradient` writes: the input's, or, after an upsampling, the small image's.
  package let gradientShape: ImageShape
  private let algorithm: any ConvolutionAlgorithm
  private let gradientAlgorithm: any InputGradientAlgorithm

  /// - Parameter precision: of Winograd's products; the direct sum's are of Float32 numbers.
  package init(
    input: ImageShape, outputChannels: Int, stride: Int = 1, precision: Precision = .float32
  ) {
    self.init(
      source: input, upsamples: false, outputChannels: outputChannels, stride: stride, precision: precision)
  }

  /// The convolution of images that were upsampled by two (`upsample`).
  package init(upsampling source: ImageShape, outputChannels: Int, precision: Precision = .float32) {
    self.init(
      source: source, upsamples: true, outputChannels: outputChannels, stride: 1, precision: precision)
  }

  private init(
    source: ImageShape, upsamples: Bool, outputChannels: Int, stride: Int, precision: Precision
  ) {
    precondition(stride == 1 || stride == 2, "stride \(stride) is not supported")
    precondition(
      stride == 1 || (source.height % 2 == 0 && source.width % 2 == 0), "stride 2 needs even sides")
    gradientShape = source
    self.stride = stride
    input = upsamples ? source.doubled : source
    output = (stride == 1 ? input : input.halved).with(channels: outputChannels)
    // Winograd's transforms take whole vectors of channels, and images of less than a tile would waste them.
    if stride == 1 && input.channels % laneCount == 0 && outputChannels % laneCount == 0 && input.pixels >= 16
    {
      algorithm = WinogradConvolution(
        shape: input, outputChannels: outputChannels, pairs: upsamples ? .ofInput : .none,
        narrowsForward: precision.narrowsForward, narrowsWeightGradient: precision.narrowsGradients)
      gradientAlgorithm = WinogradConvolution(
        shape: output, outputChannels: input.channels, pairs: upsamples ? .ofOutput : .none,
        narrowsForward: precision.narrowsGradients)
    } else {
      let direct = DirectConvolution(input: input, output: output, stride: stride, gradientShape: source)
      algorithm =
        outputChannels <= 4 ? NarrowConvolution(input: input, output: output, stride: stride) : direct
      gradientAlgorithm = direct
    }
  }

  package var weightCount: Int { 9 * input.channels * output.channels }
  /// Floats of the weights that `forward` reads, if they are not the weights themselves.
  package var forwardWeightCount: Int? { algorithm.preparedCount }
  /// Floats of the weights that `inputGradient` reads.
  package var backwardWeightCount: Int { gradientAlgorithm.preparedFlippedCount }
  /// Floats of working memory for any pass.
  package var scratchCount: Int { max(algorithm.scratchCount, gradientAlgorithm.scratchCount) }

  /// Makes the weights that `forward` reads; only where `forwardWeightCount` is not nil.
  package func prepareForward(_ weights: Span<Float>, into prepared: consuming MutableSpan<Float>) {
    precondition(weights.count == weightCount && prepared.count == forwardWeightCount)
    algorithm.prepare(weights.pointer, into: prepared.pointer)
  }

  /// Makes the weights that `inputGradient` reads.
  package func prepareBackward(_ weights: Span<Float>, into prepared: consuming MutableSpan<Float>) {
    precondition(weights.count == weightCount && prepared.count == backwardWeightCount)
    gradientAlgorithm.prepareFlipped(weights.pointer, into: prepared.pointer)
  }

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
    precondition(addend == nil || addend?.count == y.count)
    algorithm.forward(
      x.pointer, count: count, weights.pointer, bias: bias.pointer, biasPitch: bias.count == o ? 0 : o,
      addend: addend?.pointer, into: y.pointer, share: share, scratch: scratch.pointer)
  }

  /// dx[i, j, c] = Σ dy · w over the outputs that read x[i, j, c]: a convolution of dy with the flipped,
  /// transposed weights, flipped[2 − k, 2 − l, o, c] = w[k, l, c, o].
  ///
  /// - Parameters:
  ///   - dy: [count] padded images of the output's gradient.
  ///   - weights: from `prepareBackward`.
  ///   - dx: [count] images of `gradientShape`; added to if `accumulates`.
  ///   - scratch: at least `scratchCount` floats.
  package func inputGradient(
    _ dy: Span<Float>, count: Int, weights: Span<Float>, into dx: consuming MutableSpan<Float>,
    accumulates: Bool = false, scratch: consuming MutableSpan<Float>
  ) {
    precondition(dy.count == count * output.padded.count && dx.count == count * gradientShape.count)
    precondition(weights.count == backwardWeightCount && scratch.count >= scratchCount)
    gradientAlgorithm.inputGradient(
      dy.pointer, count: count, weights.pointer, into: dx.pointer, accumulates: accumulates,
      scratch: scratch.pointer)
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
    algorithm.addWeightGradient(
      x.pointer, dy.pointer, count: count, into: dw.pointer, scratch: scratch.pointer)
  }
}

/// How `Convolution3x3`, which has checked all sizes, computes its output and its weights' gradient.
protocol ConvolutionAlgorithm: Sendable {
  /// Floats of the prepared weights; nil if `forward` reads the weights themselves.
  var preparedCount: Int? { get }
  var scratchCount: Int { get }
  /// - Parameters: weights: [3, 3, in, out]; prepared: [preparedCount].
  func prepare(_ weights: Source, into prepared: Destination)
  /// - Parameters:
  ///   - x: [count] padded images of the input.
  ///   - weights: prepared, or [3, 3, in, out] where none are.
  ///   - bias: [out], or [count, out]; nil for none.
  ///   - biasPitch: from one image's bias to the next's: 0 if all have one.
  ///   - addend, y: [count, output height, output width, out].
  ///   - scratch: [scratchCount].
  func forward(
    _ x: Source, count: Int, _ weights: Source, bias: Source?, biasPitch: Int, addend: Source?,
    into y: Destination, share: (index: Int, count: Int), scratch: Destination)
  /// - Parameters: x: [count] padded images of the input; dy: [count] padded images of the output's gradient; dw:
  ///   [3, 3, in, out], added to; scratch: [scratchCount].
  func addWeightGradient(
    _ x: Source, _ dy: Source, count: Int, into dw: Destination, scratch: Destination)
}

/// How it computes its input's gradient.
protocol InputGradientAlgorithm: Sendable {
  var preparedFlippedCount: Int { get }
  var scratchCount: Int { get }
  /// - Parameters: weights: [3, 3, in, out]; prepared: [preparedFlippedCount].
  func prepareFlipped(_ weights: Source, into prepared: Destination)
  /// - Parameters: dy: [count] padded images of the output's gradient; flipped: from `prepareFlipped`; dx: [count] images
  ///   of `gradientShape`; scratch: [scratchCount].
  func inputGradient(
    _ dy: Source, count: Int, _ flipped: Source, into dx: Destination, accumulates: Bool, scratch: Destination
  )
}
