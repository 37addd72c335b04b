/// Group normalisation of one image (Wu & He 2018), with or without the SiLU that follows it everywhere but
/// before attention:
///
///     n = (x − mean_g) / √(var_g + ε),   y = n·γ_c + β_c,   a = y·sigmoid(y)
///
/// mean and (biased) variance run over a group's channels and all pixels. The result goes straight into the
/// inside of a plane with a zero border, where the next 3×3 convolution reads it. The backward pass makes it again,
/// and with it da/dy: only x is kept in between.
package struct GroupNorm: Sendable {
  package let shape: ImageShape
  package let groupCount: Int
  package let eps: Float

  package init(shape: ImageShape, groupCount: Int, eps: Float) {
    precondition(shape.channels % groupCount == 0, "groups must divide the channels")
    self.shape = shape
    self.groupCount = groupCount
    self.eps = eps
  }

  private var channels: Int { shape.channels }
  private var groupChannels: Int { channels / groupCount }
  private var groupSize: Float { Float(groupChannels * shape.pixels) }

  /// Mean and 1/√(var + ε) of each group, repeated for each of its channels: what both passes read.
  ///
  /// - Parameters:
  ///   - x: [height, width, channels].
  ///   - statistics: [2, channels]: means, then 1/√(var + ε).
  package func statistics(_ x: Span<Float>, into statistics: consuming MutableSpan<Float>) {
    precondition(x.count == shape.count && statistics.count == 2 * channels)
    let (x, mean) = (x.pointer, statistics.pointer)
    let squares = mean + channels
    // Both are sums over pixels at first.
    let zero = Lanes(repeating: 0)
    mean.update(repeating: 0, count: 2 * channels)
    forEachSegment { pixels in
      forEachVector(channels) { c, width in
        var (even, odd) = (zero, zero)
        for pixel in stride(from: pixels.lowerBound, to: pixels.upperBound, by: 2) {
          even += x.lanes(at: pixel * channels + c, count: width)
          if pixel + 1 < pixels.upperBound { odd += x.lanes(at: (pixel + 1) * channels + c, count: width) }
        }
        mean.store(mean.lanes(at: c, count: width) + (even + odd), at: c, count: width)
      }
    }
    averageGroups(mean)
    // A second pass over the image, which is in the cache by now: E[x²] − mean² would cancel.
    forEachSegment { pixels in
      forEachVector(channels) { c, width in
        let mean = mean.lanes(at: c, count: width)
        var (even, odd) = (zero, zero)
        for pixel in stride(from: pixels.lowerBound, to: pixels.upperBound, by: 2) {
          let first = x.lanes(at: pixel * channels + c, count: width) - mean
          even = even.addingProduct(first, first)
          if pixel + 1 < pixels.upperBound {
            let second = x.lanes(at: (pixel + 1) * channels + c, count: width) - mean
            odd = odd.addingProduct(second, second)
          }
        }
        squares.store(squares.lanes(at: c, count: width) + (even + odd), at: c, count: width)
      }
    }
    averageGroups(squares)
    let inverseDeviation = squares
    for c in 0..<channels { inverseDeviation[c] = 1 / (squares[c] + eps).squareRoot() }
  }

  /// An image is gone through in segments that fit the first-level cache, a segment vector by vector of channels: so
  /// memory is read as it lies, and sums over a segment stay in registers.
  @inline(__always)
  private func forEachSegment(_ body: (_ pixels: Range<Int>) -> Void) {
    for first in stride(from: 0, to: shape.pixels, by: 32) { body(first..<min(first + 32, shape.pixels)) }
  }

  /// Replaces per-channel sums over pixels by their group's mean.
  private func averageGroups(_ sums: Destination) {
    for group in 0..<groupCount {
      let first = group * groupChannels
      var total: Float = 0
      for c in first..<first + groupChannels { total += sums[c] }
      for c in first..<first + groupChannels { sums[c] = total / groupSize }
    }
  }

  /// - Parameters:
  ///   - x: [height, width, channels].
  ///   - statistics: [2, channels], of x by `statistics`.
  ///   - weight: γ, [channels]. bias: β, [channels].
  ///   - activates: whether SiLU follows.
  ///   - border: 0, or 1 for a result in its padded plane.
  ///   - share: which rows of the image to compute, `share.index` of `share.count`.
  ///   - output: of `shape`, or `shape.padded`.
  package func forward(
    _ x: Span<Float>, statistics: Span<Float>, weight: Span<Float>, bias: Span<Float>, activates: Bool,
    border: Int, share: (index: Int, count: Int) = (0, 1), into output: consuming MutableSpan<Float>
  ) {
    precondition(output.count == (border == 0 ? shape : shape.padded).count)
    normalize(
      x, statistics, weight, bias, activates: activates, border: border, share, into: output.pointer,
      derivative: nil)
  }

  /// The forward pass with SiLU into a padded plane, again, and with it what the backward pass needs of SiLU:
  /// da/dy = s(1 + y(1 − s)), s = sigmoid(y).
  ///
  /// - Parameters: x, statistics, weight, bias: as above; output: of `shape.padded`; derivative: of `shape`.
  package func forward(
    _ x: Span<Float>, statistics: Span<Float>, weight: Span<Float>, bias: Span<Float>,
    into output: consuming MutableSpan<Float>, derivative: consuming MutableSpan<Float>
  ) {
    precondition(output.count == shape.padded.count && derivative.count == shape.count)
    normalize(
      x, statistics, weight, bias, activates: true, border: 1, (0, 1), into: output.pointer,
      derivative: derivative.pointer)
  }

  @inline(__always)
  private func normalize(
    _ x: Span<Float>, _ statistics: Span<Float>, _ weight: Span<Float>, _ bias: Span<Float>, activates: Bool,
    border: Int, _ share: (index: Int, count: Int), into output: Destination, derivative: Destination?
  ) {
    precondition(x.count == shape.count && statistics.count == 2 * channels)
    precondition(weight.count == channels && bias.count == channels)
    if border == 1 && share.index == 0 { clearBorder(output, of: shape) }
    let (x, mean, gamma, beta) = (x.pointer, statistics.pointer, weight.pointer, bias.pointer)
    let inverseDeviation = mean + channels
    let pitch = (border == 0 ? shape : shape.padded).width * channels
    let one = Lanes(repeating: 1)
    for row in shape.height * share.index / share.count..<shape.height * (share.index + 1) / share.count {
      forEachVector(channels) { c, width in
        let scale = inverseDeviation.lanes(at: c, count: width) * gamma.lanes(at: c, count: width)
        let mean = mean.lanes(at: c, count: width)
        let beta = beta.lanes(at: c, count: width)
        let inner = row * shape.width * channels + c
        let outer = (row + border) * pitch + border * channels + c
        for column in 0..<shape.width {
          let offset = column * channels
          let y = beta.addingProduct(x.lanes(at: inner + offset, count: width) - mean, scale)
          guard activates else {
            output.store(y, at: outer + offset, count: width)
            continue
          }
          let s = sigmoid(y)
          let activated = y * s
          output.store(activated, at: outer + offset, count: width)
          derivative?.store(s.addingProduct(activated, one - s), at: inner + offset, count: width)
        }
      }
    }
  }

  /// With dy = da · da/dy:
  ///
  ///     dγ += Σ dy·n,   dβ += Σ dy,   dx = (γ·dy − mean_g(γ·dy) − n·mean_g(γ·dy·n)) / √(var_g + ε)
  ///
  /// - Parameters:
  ///   - statistics: [2, channels], of x by `statistics`.
  ///   - weight: γ, [channels].
  ///   - x, da: [height, width, channels].
  ///   - derivative: da/dy, from `forward`; nil without SiLU.
  ///   - scratch: [2, channels].
  ///   - weightGradient, biasGradient: [channels], added to; nil where they aren't wanted.
  ///   - addend: of `shape`, what is added to dx besides: a residual connection's gradient. Nil for none.
  ///   - dx: added to if `accumulates`.
  package func backward(
    _ x: Span<Float>, statistics: Span<Float>, weight: Span<Float>, _ da: Span<Float>,
    derivative: Span<Float>?, scratch: consuming MutableSpan<Float>,
    weightGradient: consuming MutableSpan<Float>?, biasGradient: consuming MutableSpan<Float>?,
    adding addend: Span<Float>? = nil, into dx: consuming MutableSpan<Float>, accumulates: Bool
  ) {
    precondition(addend == nil || addend?.count == shape.count)
    let addend = addend?.pointer
    precondition(x.count == shape.count && da.count == shape.count && dx.count == shape.count)
    precondition(statistics.count == 2 * channels && scratch.count == 2 * channels)
    precondition(derivative == nil || derivative?.count == shape.count)
    let (x, mean, gamma) = (x.pointer, statistics.pointer, weight.pointer)
    let inverseDeviation = mean + channels
    let (da, derivative) = (da.pointer, derivative?.pointer)
    let (sumOfGradient, dx) = (scratch.pointer, dx.pointer)
    let sumOfProduct = sumOfGradient + channels
    let (dGamma, dBeta) = (weightGradient?.pointer, biasGradient?.pointer)
    // Σ dy and Σ dy·(x − mean) at first.
    let zero = Lanes(repeating: 0)
    sumOfGradient.update(repeating: 0, count: 2 * channels)
    forEachSegment { pixels in
      forEachVector(channels) { c, width in
        let mean = mean.lanes(at: c, count: width)
        var (evenSum, oddSum, evenProduct, oddProduct) = (zero, zero, zero, zero)
        for pixel in stride(from: pixels.lowerBound, to: pixels.upperBound, by: 2) {
          let at = pixel * channels + c
          let even = dy(da, derivative, at, width)
          evenSum += even
          evenProduct = evenProduct.addingProduct(even, x.lanes(at: at, count: width) - mean)
          if pixel + 1 < pixels.upperBound {
            let odd = dy(da, derivative, at + channels, width)
            oddSum += odd
            oddProduct = oddProduct.addingProduct(odd, x.lanes(at: at + channels, count: width) - mean)
          }
        }
        let (sum, product) = (evenSum + oddSum, evenProduct + oddProduct)
        sumOfGradient.store(sumOfGradient.lanes(at: c, count: width) + sum, at: c, count: width)
        sumOfProduct.store(sumOfProduct.lanes(at: c, count: width) + product, at: c, count: width)
      }
    }
    forEachVector(channels) { c, width in
      let gamma = gamma.lanes(at: c, count: width)
      let sum = sumOfGradient.lanes(at: c, count: width)
      let product = sumOfProduct.lanes(at: c, count: width) * inverseDeviation.lanes(at: c, count: width)
      if let dBeta { dBeta.store(dBeta.lanes(at: c, count: width) + sum, at: c, count: width) }
      if let dGamma { dGamma.store(dGamma.lanes(at: c, count: width) + product, at: c, count: width) }
      sumOfGradient.store(gamma * sum, at: c, count: width)
      sumOfProduct.store(gamma * product, at: c, count: width)
    }
    averageGroups(sumOfGradient)
    averageGroups(sumOfProduct)
    let (meanOfGradient, meanOfProduct) = (sumOfGradient, sumOfProduct)
    forEachSegment { pixels in
      forEachVector(channels) { c, width in
        let mean = mean.lanes(at: c, count: width)
        let inverseDeviation = inverseDeviation.lanes(at: c, count: width)
        let scale = gamma.lanes(at: c, count: width) * inverseDeviation
        let offset = meanOfGradient.lanes(at: c, count: width) * inverseDeviation
        let slope = meanOfProduct.lanes(at: c, count: width) * inverseDeviation * inverseDeviation
        for pixel in pixels {
          let at = pixel * channels + c
          var old = accumulates ? dx.lanes(at: at, count: width) : zero
          if let addend { old += addend.lanes(at: at, count: width) }
          let line = offset.addingProduct(x.lanes(at: at, count: width) - mean, slope)
          dx.store((old - line).addingProduct(dy(da, derivative, at, width), scale), at: at, count: width)
        }
      }
    }
  }

  @inline(__always)
  private func dy(_ da: Source, _ derivative: Source?, _ at: Int, _ width: Int) -> Lanes {
    guard let derivative else { return da.lanes(at: at, count: width) }
    return da.lanes(at: at, count: width) * derivative.lanes(at: at, count: width)
  }
}
