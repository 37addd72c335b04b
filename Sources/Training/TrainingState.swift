import Kernels

/// What a run has come to: the numbers that a checkpoint holds.
package final class TrainingState {
  /// Steps done.
  package var step = 0
  package let parameters: Arena
  /// The moving average of the parameters, where the settings ask for one.
  package let average: Arena?
  let firstMoments: Arena
  let secondMoments: Arena

  /// - Parameter count: the length of the flat parameter array.
  package init(count: Int, settings: TrainingSettings) {
    parameters = Arena(count: count)
    average = settings.averageDecay == nil ? nil : Arena(count: count)
    firstMoments = Arena(count: count)
    secondMoments = Arena(count: count)
  }

  /// Sets the parameters to begin with.
  package func initialize(from arena: Arena) {
    let (parameters, average) = (parameters, average)
    copy(arena[arena.all], into: parameters.mutable(parameters.all))
    if let average { copy(arena[arena.all], into: average.mutable(average.all)) }
  }

  /// The weights to sample from: averaged where there is an average.
  package var bestParameters: Arena { average ?? parameters }

  /// Clips the gradient, takes one AdamW step and moves the average.
  ///
  /// - Parameters:
  ///   - gradient: laid out as the parameters.
  ///   - norm: its length.
  package func update(_ settings: TrainingSettings, gradient: Arena, norm: Double, pool: WorkerPool) {
    let t = step + 1
    let betas = (settings.betas[0], settings.betas[1])
    let adamW = AdamWStep(
      learningRate: Float(settings.learningRate(afterSteps: step)),
      betas: (Float(betas.0), Float(betas.1)), eps: Float(settings.eps),
      weightDecay: Float(settings.weightDecay),
      biasCorrections: (Float(1 - power(betas.0, t)), Float(1 - power(betas.1, t))),
      gradientScale: Float(min(1, settings.gradientClip / (norm + 1e-6))))
    let decay = settings.averageDecay.map { min($0, Double(1 + step) / Double(10 + step)) }
    let chunks = Chunks(of: parameters.count)
    pool.run(
      chunks.count,
      sharing: (parameters, firstMoments, secondMoments, average, gradient, adamW, decay, chunks)
    ) { shared, index, _ in
      let (parameters, firstMoments, secondMoments, average, gradient, adamW, decay, chunks) = shared
      let chunk = chunks[index]
      adamW.update(
        parameters.mutable(chunk), gradients: gradient[chunk],
        firstMoments: firstMoments.mutable(chunk), secondMoments: secondMoments.mutable(chunk))
      if let average, let decay {
        moveAverage(average.mutable(chunk), towards: parameters[chunk], decay: Float(decay))
      }
    }
    step = t
  }

  /// x^n by squaring: the same bits everywhere, unlike libm's pow.
  private func power(_ x: Double, _ n: Int) -> Double {
    var (result, square, rest) = (1.0, x, n)
    while rest > 0 {
      if rest & 1 == 1 { result *= square }
      square *= square
      rest >>= 1
    }
    return result
  }
}
