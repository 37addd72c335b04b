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
  ///   - statistics: [2, channels]: means, then reciprocal deviations.
  package func statistics(_ x: Span<Float>, into statistics: consuming MutableSpan<Float>) {
    precondition(x.count == shape.count && statistics.count == 2 * channels)
    let (x, mean) = (x.pointer, statistics.pointer)
    let deviation = mean + channels
    forEachVector(channels) { c, lanes in
      let sum = sumOverPixels { pixel in x.lanes(at: pixel * channels + c, count: lanes) }
      mean.store(sum, at: c, count: lanes)
    }
    averageGroups(mean)
    // A second pass over the image, which is in the cache by now: E[x²] − mean² would cancel.
    forEachVector(channels) { c, lanes in
      let mean = mean.lanes(at: c, count: lanes)
      let sum = sumOverPixels { pixel in
        let centred = x.lanes(at: pixel * channels + c, count: lanes) - mean
        return centred * centred
      }
      deviation.store(sum, at: c, count: lanes)
    }
    averageGroups(deviation)
    for c in 0..<channels { deviation[c] = 1 / (deviation[c] + eps).squareRoot() }
  }

  /// In four sums, as one would wait for each addition to end before the next.
  @inline(__always)
  private func sumOverPixels(_ term: (_ pixel: Int) -> Lanes) -> Lanes {
    let zero = Lanes(repeating: 0)
    var (a, b, c, d) = (zero, zero, zero, zero)
    let whole = shape.pixels / 4 * 4
    for pixel in stride(from: 0, to: whole, by: 4) {
      a += term(pixel)
      b += term(pixel + 1)
      c += term(pixel + 2)
      d += term(pixel + 3)
    }
    for pixel in whole..<shape.pixels { a += term(pixel) }
    return (a + b) + (c + d)
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
  ///   - weight: γ, [channels]. bias: β, [channels].
  ///   - activates: whether SiLU follows.
  ///   - border: 0, or 1 for a result in its padded plane.
  ///   - output: of `shape`, or `shape.padded`.
  package func forward(
    _ x: Span<Float>, statistics: Span<Float>, weight: Span<Float>, bias: Span<Float>, activates: Bool,
    border: Int, into output: consuming MutableSpan<Float>
  ) {
    precondition(output.count == (border == 0 ? shape : shape.padded).count)
    let y = output.pointer
    if border == 1 { clearBorder(y, of: shape) }
    forEachNormalized(x, statistics, weight, bias, border: border) { v, _, at, lanes in
      y.store(activates ? v * sigmoid(v) : v, at: at, count: lanes)
    }
  }

  /// The forward pass with SiLU into a padded plane, again, and with it what the backward pass needs of SiLU:
  /// da/dy = s(1 + y(1 − s)), s = sigmoid(y).
  ///
  /// - Parameters: output: of `shape.padded`; derivative: of `shape`.
  package func forward(
    _ x: Span<Float>, statistics: Span<Float>, weight: Span<Float>, bias: Span<Float>,
    into output: consuming MutableSpan<Float>, derivative: consuming MutableSpan<Float>
  ) {
    precondition(output.count == shape.padded.count && derivative.count == shape.count)
    let (a, derivative) = (output.pointer, derivative.pointer)
    clearBorder(a, of: shape)
    forEachNormalized(x, statistics, weight, bias, border: 1) { y, inner, at, lanes in
      let s = sigmoid(y)
      let activated = y * s
      a.store(activated, at: at, count: lanes)
      derivative.store(s.addingProduct(activated, Lanes(repeating: 1) - s), at: inner, count: lanes)
    }
  }

  /// Calls `body(y, offset in an image, offset in its plane, lanes)` for every vector.
  @inline(__always)
  private func forEachNormalized(
    _ x: Span<Float>, _ statistics: Span<Float>, _ weight: Span<Float>, _ bias: Span<Float>, border: Int,
    _ body: (_ y: Lanes, _ inner: Int, _ at: Int, _ lanes: Int) -> Void
  ) {
    precondition(x.count == shape.count && statistics.count == 2 * channels)
    precondition(weight.count == channels && bias.count == channels)
    let (x, mean, gamma, beta) = (x.pointer, statistics.pointer, weight.pointer, bias.pointer)
    let deviation = mean + channels
    let pitch = (border == 0 ? shape : shape.padded).width * channels
    forEachVector(channels) { c, lanes in
      let scale = deviation.lanes(at: c, count: lanes) * gamma.lanes(at: c, count: lanes)
      let mean = mean.lanes(at: c, count: lanes)
      let beta = beta.lanes(at: c, count: lanes)
      for row in 0..<shape.height {
        let (inner, at) = (row * shape.width * channels + c, (row + border) * pitch + border * channels + c)
        for column in 0..<shape.width {
          let offset = column * channels
          let y = beta.addingProduct(x.lanes(at: inner + offset, count: lanes) - mean, scale)
          body(y, inner + offset, at + offset, lanes)
        }
      }
    }
  }

  /// With dy = da · da/dy:
  ///
  ///     dγ += Σ dy·n,   dβ += Σ dy,   dx = (γ·dy − mean_g(γ·dy) − n·mean_g(γ·dy·n)) / √(var_g + ε)
  ///
  /// - Parameters:
  ///   - da: [height, width, channels].
  ///   - derivative: da/dy, from `forward`; nil without SiLU.
  ///   - scratch: [2, channels].
  ///   - weightGradient, biasGradient: [channels], added to.
  ///   - dx: added to if `accumulates`.
  package func backward(
    _ x: Span<Float>, statistics: Span<Float>, weight: Span<Float>, _ da: Span<Float>,
    derivative: Span<Float>?, scratch: consuming MutableSpan<Float>,
    weightGradient: consuming MutableSpan<Float>, biasGradient: consuming MutableSpan<Float>,
    into dx: consuming MutableSpan<Float>, accumulates: Bool
  ) {
    precondition(x.count == shape.count && da.count == shape.count && dx.count == shape.count)
    precondition(statistics.count == 2 * channels && scratch.count == 2 * channels)
    let gradients = (dGamma: weightGradient.pointer, dBeta: biasGradient.pointer, dx: dx.pointer)
    let (da, scratch) = (da.pointer, scratch.pointer)
    if let derivative {
      precondition(derivative.count == shape.count)
      let derivative = derivative.pointer
      backward(x.pointer, statistics.pointer, weight.pointer, scratch, gradients, accumulates) { at, lanes in
        da.lanes(at: at, count: lanes) * derivative.lanes(at: at, count: lanes)
      }
    } else {
      backward(x.pointer, statistics.pointer, weight.pointer, scratch, gradients, accumulates) { at, lanes in
        da.lanes(at: at, count: lanes)
      }
    }
  }

  @inline(__always)
  private func backward(
    _ x: Source, _ mean: Source, _ gamma: Source, _ scratch: Destination,
    _ gradients: (dGamma: Destination, dBeta: Destination, dx: Destination), _ accumulates: Bool,
    dy: (_ at: Int, _ lanes: Int) -> Lanes
  ) {
    let deviation = mean + channels
    let (meanOfGradient, meanOfProduct) = (scratch, scratch + channels)
    let (dGamma, dBeta, dx) = gradients
    forEachVector(channels) { c, lanes in
      let mean = mean.lanes(at: c, count: lanes)
      let gamma = gamma.lanes(at: c, count: lanes)
      let zero = Lanes(repeating: 0)
      var (sums, products) = ((zero, zero), (zero, zero))
      @inline(__always)
      func add(_ pixel: Int, _ sum: inout Lanes, _ product: inout Lanes) {
        let gradient = dy(pixel * channels + c, lanes)
        sum += gradient
        product = product.addingProduct(gradient, x.lanes(at: pixel * channels + c, count: lanes) - mean)
      }
      for pixel in stride(from: 0, to: shape.pixels - 1, by: 2) {
        add(pixel, &sums.0, &products.0)
        add(pixel + 1, &sums.1, &products.1)
      }
      if shape.pixels % 2 == 1 { add(shape.pixels - 1, &sums.0, &products.0) }
      let sum = sums.0 + sums.1
      let product = (products.0 + products.1) * deviation.lanes(at: c, count: lanes)
      dBeta.store(dBeta.lanes(at: c, count: lanes) + sum, at: c, count: lanes)
      dGamma.store(dGamma.lanes(at: c, count: lanes) + product, at: c, count: lanes)
      meanOfGradient.store(gamma * sum, at: c, count: lanes)
      meanOfProduct.store(gamma * product, at: c, count: lanes)
    }
    averageGroups(meanOfGradient)
    averageGroups(meanOfProduct)
    forEachVector(channels) { c, lanes in
      let mean = mean.lanes(at: c, count: lanes)
      let deviation = deviation.lanes(at: c, count: lanes)
      let scale = gamma.lanes(at: c, count: lanes) * deviation
      let offset = meanOfGradient.lanes(at: c, count: lanes) * deviation
      let slope = meanOfProduct.lanes(at: c, count: lanes) * deviation * deviation
      for pixel in 0..<shape.pixels {
        let at = pixel * channels + c
        let centred = x.lanes(at: at, count: lanes) - mean
        let gradient = (-offset).addingProduct(dy(at, lanes), scale).addingProduct(-centred, slope)
        let old = accumulates ? dx.lanes(at: at, count: lanes) : Lanes(repeating: 0)
        dx.store(old + gradient, at: at, count: lanes)
      }
    }
  }
}
