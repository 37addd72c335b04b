import Kernels

/// What training has come to: the numbers that a checkpoint holds. All arenas are laid out as the network's parameters.
package final class TrainingState {
  /// Steps done.
  package private(set) var step: Int
  package let parameters: Arena
  /// The moving average of the parameters, where the settings ask for one.
  package let average: Arena?
  let firstMoments: Arena
  let secondMoments: Arena

  /// The state after `step` steps; the arenas are its own from here on.
  init(step: Int, parameters: Arena, average: Arena?, firstMoments: Arena, secondMoments: Arena) {
    self.step = step
    self.parameters = parameters
    self.average = average
    self.firstMoments = firstMoments
    self.secondMoments = secondMoments
  }

  /// The state at the beginning.
  package convenience init(from initial: Weights, settings: TrainingSettings) {
    func copied() -> Arena {
      let arena = Arena(count: initial.all.count)
      copy(initial[initial.all], into: arena.mutable(arena.all))
      return arena
    }
    self.init(
      step: 0, parameters: copied(), average: settings.averageDecay == nil ? nil : copied(),
      firstMoments: Arena(count: initial.all.count), secondMoments: Arena(count: initial.all.count))
  }

  /// The weights to sample from: averaged where there is an average.
  package var bestParameters: Arena { average ?? parameters }

  /// Clips the gradient, takes one step of the optimiser and moves the average.
  ///
  /// - Parameters:
  ///   - gradient: laid out as the parameters.
  ///   - norm: its length.
  ///   - tasks: made of the same settings.
  package func update(
    _ settings: TrainingSettings, gradient: Arena, norm: Double, tasks: UpdateTasks, pool: WorkerPool
  ) {
    let t = step + 1
    let betas = (settings.betas[0], settings.betas[1])
    let gradientScale = Float(min(1, settings.gradientClip / (norm + 1e-6)))
    let adamW = AdamWStep(
      learningRate: Float(settings.learningRate(afterSteps: step)),
      betas: (Float(betas.0), Float(betas.1)), eps: Float(settings.eps),
      weightDecay: Float(settings.weightDecay),
      biasCorrections: (Float(1 - power(betas.0, t)), Float(1 - power(betas.1, t))),
      gradientScale: gradientScale)
    let muon = MuonStep(
      learningRate: adamW.learningRate, weightDecay: adamW.weightDecay, gradientScale: gradientScale)
    let decay = settings.averageDecay.map { Float(min($0, Double(1 + step) / Double(10 + step))) }
    pool.run(
      tasks.count,
      sharing: (parameters, firstMoments, secondMoments, average, gradient, adamW, muon, decay, tasks)
    ) { shared, index, worker in
      let (parameters, firstMoments, secondMoments, average, gradient, adamW, muon, decay, tasks) = shared
      let slice: Slice
      switch tasks[index] {
      case .muon(let matrix):
        slice = matrix.slice
        let scratch = tasks.scratch[worker]
        muon.update(
          parameters.mutable(slice), gradients: gradient[slice], moments: firstMoments.mutable(slice),
          rows: matrix.rows, columns: matrix.columns, scratch: scratch.mutable(scratch.all))
      case .adamW(let segment):
        slice = segment
        adamW.update(
          parameters.mutable(slice), gradients: gradient[slice],
          firstMoments: firstMoments.mutable(slice), secondMoments: secondMoments.mutable(slice))
      }
      if let average, let decay {
        moveAverage(average.mutable(slice), towards: parameters[slice], decay: decay)
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
