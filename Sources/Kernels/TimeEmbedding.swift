/// The sinusoidal embedding of a timestep (Vaswani et al. 2017, in diffusers' form):
/// w_k = e^(−ln 10000 · k / (half − shift)), [cos t·w | sin t·w], or [sin | cos].
///
/// In Double, from the standard library's own operations alone: an angle of up to 1000 radians leaves Float32
/// no digits to lose, and the bits are then the same on every machine.
///
/// - Parameters:
///   - timesteps: [count], on the network's scale (t·1000).
///   - embedding: [count, 2·half].
package func sinusoidalEmbedding(
  _ timesteps: Span<Float>, frequencyShift: Double, cosineFirst: Bool,
  into embedding: consuming MutableSpan<Float>
) {
  let count = timesteps.count
  let half = embedding.count / max(count, 1) / 2
  precondition(embedding.count == count * 2 * half)
  let (timesteps, embedding) = (timesteps.pointer, embedding.pointer)
  for row in 0..<count {
    forEachVector(half) { k, width in
      var turns = Lanes(repeating: 0)
      for lane in 0..<width {
        let exponent = -Double(k + lane) / (Double(half) - frequencyShift)
        let angle = Double(timesteps[row]) * powerOf10000(exponent) / (2 * .pi)
        turns[lane] = Float(angle - angle.rounded(.down))
      }
      let (cosine, sine) = cosineSineOfTurns(turns)
      let first = embedding + row * 2 * half
      first.store(cosineFirst ? cosine : sine, at: k, count: width)
      (first + half).store(cosineFirst ? sine : cosine, at: k, count: width)
    }
  }
}

/// 10000^x for −2 < x ≤ 0 by its Taylor series after halving the exponent eight times: to about 1e-15.
private func powerOf10000(_ x: Double) -> Double {
  let r = x * 9.210340371976184 / 256
  var term = 1.0
  var sum = 1.0
  for n in 1...12 {
    term *= r / Double(n)
    sum += term
  }
  for _ in 0..<8 { sum *= sum }
  return sum
}
