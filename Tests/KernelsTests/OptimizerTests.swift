import Kernels
import Testing

@Suite struct OptimizerTests {
  /// Five steps of Loshchilov & Hutter's Algorithm 2 in Double. Reached: 5e-7.
  @Test(arguments: [1, 5, 16, 17, 33, 1000], [Float(0), 0.1]) func adamW(count: Int, weightDecay: Float) {
    let parameters = Buffer(normals(count, index: 1))
    let (first, second) = (
      Buffer(Array(repeating: 0, count: count)), Buffer(Array(repeating: 0, count: count))
    )
    var (p, m, v) = (parameters.doubles, first.doubles, second.doubles)
    let (rate, beta1, beta2, eps, clip) = (1e-2, 0.9, 0.999, 1e-3, 0.5)
    for t in 1...5 {
      let gradients = Buffer(normals(count, index: 4, step: UInt32(t)))
      let corrections = (1 - pow(beta1, t), 1 - pow(beta2, t))
      AdamWStep(
        learningRate: Float(rate), betas: (Float(beta1), Float(beta2)), eps: Float(eps),
        weightDecay: weightDecay, biasCorrections: (Float(corrections.0), Float(corrections.1)),
        gradientScale: Float(clip)
      ).update(
        parameters.mutable, gradients: gradients.span, firstMoments: first.mutable,
        secondMoments: second.mutable)
      for (i, gradient) in gradients.doubles.enumerated() {
        let g = clip * gradient
        m[i] = beta1 * m[i] + (1 - beta1) * g
        v[i] = beta2 * v[i] + (1 - beta2) * g * g
        let step = (m[i] / corrections.0) / ((v[i] / corrections.1).squareRoot() + eps)
        p[i] -= rate * (step + Double(weightDecay) * p[i])
      }
    }
    expect(parameters, p, within: 1e-6, "parameters")
    expect(first, m, within: 1e-6, "first moments")
    // 1 − 0.999 in Float32 is off by 1.3e-5: PyTorch's own deviation from Double.
    expect(second, v, within: 2e-5, "second moments")
  }

  @Test(arguments: [1, 16, 33, 1000]) func movingAverage(count: Int) {
    let (average, x) = (Buffer(normals(count, index: 1)), Buffer(normals(count, index: 2)))
    let expected = zip(average.doubles, x.doubles).map { 0.99 * $0 + 0.01 * $1 }
    moveAverage(average.mutable, towards: x.span, decay: 0.99)
    expect(average, expected, within: 1e-6)
  }

  // Reached: 4e-7.
  @Test(arguments: [0, 1, 15, 17, 4095, 4096, 4097, 100_003]) func sumsOfSquares(count: Int) {
    let x = Buffer(normals(count, index: 1).map { 1e3 * $0 })
    let expected = x.doubles.reduce(0) { $0 + $1 * $1 }
    #expect(abs(sumOfSquares(x.span) - expected) <= 1e-6 * expected)
  }

  private func pow(_ base: Double, _ exponent: Int) -> Double {
    (0..<exponent).reduce(1) { p, _ in p * base }
  }
}
