/// One AdamW step over flat arrays (Loshchilov & Hutter 2019, Algorithm 2, in PyTorch's order of operations):
///
///     g ← clip·g;   p ← p·(1 − lr·wd);   m ← m + (1 − β₁)(g − m);   v ← β₂·v + (1 − β₂)·g²
///     p ← p − (lr / (1 − β₁ᵗ))·m / (√v / √(1 − β₂ᵗ) + ε)
package struct AdamWStep: Sendable {
  package var learningRate: Float
  package var betas: (Float, Float)
  package var eps: Float
  package var weightDecay: Float
  /// 1 − β₁ᵗ and 1 − β₂ᵗ, t counted from 1.
  package var biasCorrections: (Float, Float)
  /// What every gradient is multiplied by first.
  package var gradientScale: Float

  package init(
    learningRate: Float, betas: (Float, Float), eps: Float, weightDecay: Float,
    biasCorrections: (Float, Float), gradientScale: Float
  ) {
    self.learningRate = learningRate
    self.betas = betas
    self.eps = eps
    self.weightDecay = weightDecay
    self.biasCorrections = biasCorrections
    self.gradientScale = gradientScale
  }

  /// - Parameters: parameters (p), firstMoments (m), secondMoments (v): changed; gradients (g): of one size.
  package func update(
    _ parameters: consuming MutableSpan<Float>, gradients: Span<Float>,
    firstMoments: consuming MutableSpan<Float>, secondMoments: consuming MutableSpan<Float>
  ) {
    let count = parameters.count
    precondition(gradients.count == count && firstMoments.count == count && secondMoments.count == count)
    let (p, g, m, v) = (
      parameters.pointer, gradients.pointer, firstMoments.pointer, secondMoments.pointer
    )
    let decay = Lanes(repeating: 1 - learningRate * weightDecay)
    let (newGradient, newSquare) = (Lanes(repeating: 1 - betas.0), Lanes(repeating: 1 - betas.1))
    let oldSquare = Lanes(repeating: betas.1)
    let stepSize = Lanes(repeating: learningRate / biasCorrections.0)
    let rootCorrection = Lanes(repeating: 1 / biasCorrections.1.squareRoot())
    let (eps, scale) = (Lanes(repeating: eps), Lanes(repeating: gradientScale))
    forEachVector(count) { i, width in
      let gradient = g.lanes(at: i, count: width) * scale
      var moment = m.lanes(at: i, count: width)
      moment = moment.addingProduct(gradient - moment, newGradient)
      let square = (v.lanes(at: i, count: width) * oldSquare).addingProduct(gradient * gradient, newSquare)
      let denominator = eps.addingProduct(square.squareRoot(), rootCorrection)
      let decayed = p.lanes(at: i, count: width) * decay
      m.store(moment, at: i, count: width)
      v.store(square, at: i, count: width)
      p.store(decayed.addingProduct(-stepSize, moment / denominator), at: i, count: width)
    }
  }
}

/// average ← average + (1 − decay)·(x − average).
package func moveAverage(_ average: consuming MutableSpan<Float>, towards x: Span<Float>, decay: Float) {
  let count = x.count
  precondition(count == average.count)
  let (average, x, rate) = (average.pointer, x.pointer, Lanes(repeating: 1 - decay))
  forEachVector(count) { i, width in
    let old = average.lanes(at: i, count: width)
    average.store(old.addingProduct(x.lanes(at: i, count: width) - old, rate), at: i, count: width)
  }
}

/// Σ x², in Double, in a fixed order.
package func sumOfSquares(_ x: Span<Float>) -> Double {
  let (count, x) = (x.count, x.pointer)
  var total = 0.0
  var start = 0
  // A block's sum in Float32 lanes, the blocks' in Double.
  while start < count {
    let block = min(4096, count - start)
    var sum = Lanes(repeating: 0)
    forEachVector(block) { i, width in
      let v = x.lanes(at: start + i, count: width)
      sum = sum.addingProduct(v, v)
    }
    for lane in 0..<laneCount { total += Double(sum[lane]) }
    start += block
  }
  return total
}
