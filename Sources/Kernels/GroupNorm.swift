/// Group normalisation of one image (Wu & He 2018), with or without the SiLU that follows it everywhere but
/// before attention:
///
///     n = (x − mean_g) / √(var_g + ε),   y = n·γ_c + β_c,   a = y·sigmoid(y)
///
/// mean and (biased) variance run over a group's channels and all pixels. The result goes straight into the
/// inside of a plane with a zero border, where the next 3×3 convolution reads it; the backward pass computes
/// n and y again from x, so neither is ever stored.
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
      var sum = Lanes(repeating: 0)
      for pixel in 0..<shape.pixels { sum += x.lanes(at: pixel * channels + c, count: lanes) }
      mean.store(sum, at: c, count: lanes)
    }
    averageGroups(mean)
    // A second pass over the image, which is in the cache by now: E[x²] − mean² would cancel.
    forEachVector(channels) { c, lanes in
      let mean = mean.lanes(at: c, count: lanes)
      var sum = Lanes(repeating: 0)
      for pixel in 0..<shape.pixels {
        let centred = x.lanes(at: pixel * channels + c, count: lanes) - mean
        sum = sum.addingProduct(centred, centred)
      }
      deviation.store(sum, at: c, count: lanes)
    }
    averageGroups(deviation)
    for c in 0..<channels { deviation[c] = 1 / (deviation[c] + eps).squareRoot() }
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
    precondition(x.count == shape.count && statistics.count == 2 * channels)
    precondition(weight.count == channels && bias.count == channels)
    precondition(output.count == (border == 0 ? shape : shape.padded).count)
    if border == 1 { clearBorder(output.pointer, of: shape) }
    let (x, y) = (x.pointer, output.pointer)
    let (mean, gamma, beta) = (statistics.pointer, weight.pointer, bias.pointer)
    let deviation = mean + channels
    let pitch = (border == 0 ? shape : shape.padded).width * channels
    forEachVector(channels) { c, lanes in
      let scale = deviation.lanes(at: c, count: lanes) * gamma.lanes(at: c, count: lanes)
      let mean = mean.lanes(at: c, count: lanes)
      let beta = beta.lanes(at: c, count: lanes)
      for row in 0..<shape.height {
        let x = x + row * shape.width * channels + c
        let y = y + (row + border) * pitch + border * channels + c
        for column in 0..<shape.width {
          let v = beta.addingProduct(x.lanes(at: column * channels, count: lanes) - mean, scale)
          y.store(activates ? v * sigmoid(v) : v, at: column * channels, count: lanes)
        }
      }
    }
  }

  /// With dy = da · s(1 + y(1 − s)), s = sigmoid(y) (dy = da without SiLU):
  ///
  ///     dγ += Σ dy·n,   dβ += Σ dy,   dx = (γ·dy − mean_g(γ·dy) − n·mean_g(γ·dy·n)) / √(var_g + ε)
  ///
  /// - Parameters:
  ///   - da: [height, width, channels], overwritten with dy.
  ///   - scratch: [2, channels].
  ///   - weightGradient, biasGradient: [channels], added to.
  ///   - dx: added to if `accumulates`.
  package func backward(
    _ x: Span<Float>, statistics: Span<Float>, weight: Span<Float>, bias: Span<Float>, activates: Bool,
    _ da: consuming MutableSpan<Float>, scratch: consuming MutableSpan<Float>,
    weightGradient: consuming MutableSpan<Float>, biasGradient: consuming MutableSpan<Float>,
    into dx: consuming MutableSpan<Float>, accumulates: Bool
  ) {
    precondition(x.count == shape.count && da.count == shape.count && dx.count == shape.count)
    precondition(statistics.count == 2 * channels && scratch.count == 2 * channels)
    let (x, dy, dx) = (x.pointer, da.pointer, dx.pointer)
    let (mean, gamma, beta) = (statistics.pointer, weight.pointer, bias.pointer)
    let deviation = mean + channels
    let (dGamma, dBeta) = (weightGradient.pointer, biasGradient.pointer)
    let meanOfGradient = scratch.pointer
    let meanOfProduct = meanOfGradient + channels
    forEachVector(channels) { c, lanes in
      let mean = mean.lanes(at: c, count: lanes)
      let deviation = deviation.lanes(at: c, count: lanes)
      let gamma = gamma.lanes(at: c, count: lanes)
      let beta = beta.lanes(at: c, count: lanes)
      var (sum, product) = (Lanes(repeating: 0), Lanes(repeating: 0))
      for pixel in 0..<shape.pixels {
        let at = pixel * channels + c
        let n = (x.lanes(at: at, count: lanes) - mean) * deviation
        var gradient = dy.lanes(at: at, count: lanes)
        if activates {
          let y = beta.addingProduct(n, gamma)
          let s = sigmoid(y)
          gradient *= s.addingProduct(s * y, Lanes(repeating: 1) - s)
          dy.store(gradient, at: at, count: lanes)
        }
        sum += gradient
        product = product.addingProduct(gradient, n)
      }
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
      let gamma = gamma.lanes(at: c, count: lanes)
      let meanOfGradient = meanOfGradient.lanes(at: c, count: lanes)
      let meanOfProduct = meanOfProduct.lanes(at: c, count: lanes)
      for pixel in 0..<shape.pixels {
        let at = pixel * channels + c
        let n = (x.lanes(at: at, count: lanes) - mean) * deviation
        let centred = (gamma * dy.lanes(at: at, count: lanes) - meanOfGradient)
          .addingProduct(-n, meanOfProduct)
        let old = accumulates ? dx.lanes(at: at, count: lanes) : Lanes(repeating: 0)
        dx.store(old.addingProduct(centred, deviation), at: at, count: lanes)
      }
    }
  }
}
