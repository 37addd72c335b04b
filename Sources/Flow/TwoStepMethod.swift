import Foundation

/// A solver's method that goes on from the last two evaluations of the field: order 2 for one evaluation a step.
///
///     x_{n+1} = x_n + h·(v_n + κ·(p_n − p_{n−1})),   h = t_{n+1} − t_n
///
/// p is what changes little from one step to the next, and is extrapolated; κ follows from how. The first step, with nothing
/// before it, is Euler's.
public struct TwoStepMethod: Sendable {
  public let name: String
  /// Where the formula was read.
  public let source: String

  /// What is extrapolated.
  enum Quantity {
    /// v.
    case velocity
    /// The data that the velocity leads to from here, x + (1 − t)·v.
    case dataPrediction
  }

  let quantity: Quantity
  /// κ of the step to `end`, `start` being the last evaluation's time, `previous` that of the one before.
  let factor: @Sendable (_ previous: Double, _ start: Double, _ end: Double) -> Double
}

extension TwoStepMethod {
  /// The velocity is taken for linear in time.
  public static let adamsBashforth = TwoStepMethod(
    name: "ab2", source: "Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I, III.5",
    quantity: .velocity
  ) { previous, start, end in (end - start) / (2 * (start - previous)) }

  /// The data prediction D is taken for linear in λ = log(t/(1 − t)), half the logarithm of the signal's power over the
  /// noise's. On the straight path e^−λ's integral leaves
  ///
  ///     x_{n+1} = (1 − t_{n+1})/(1 − t_n)·x_n + h/(1 − t_n)·(D_n + Δλ_n/(2·Δλ_{n−1})·(D_n − D_{n−1}))
  ///
  /// λ is infinite at both ends. After a step from t = 0 the formula's own limit is Euler's step; a step to t = 1 has none,
  /// and is Euler's, as the method's authors have it.
  public static let dpmSolver2M = TwoStepMethod(
    name: "dpmpp-2m", source: "Lu et al. 2022, DPM-Solver++, Algorithm 2 (arXiv 2211.01095)",
    quantity: .dataPrediction
  ) { previous, start, end in
    func logRatio(_ t: Double) -> Double { log(t / (1 - t)) }
    let ratio = (logRatio(end) - logRatio(start)) / (2 * (logRatio(start) - logRatio(previous)))
    return ratio.isFinite ? ratio / (1 - start) : 0
  }

  /// The data prediction D is taken for linear in t, and dx/dt = (D − x)/(1 − t) solved exactly:
  ///
  ///     κ = (h − (1 − t_{n+1})·log((1 − t_n)/(1 − t_{n+1}))) / (h·(t_n − t_{n−1}))
  public static let exponentialAdamsBashforth = TwoStepMethod(
    name: "eab2", source: "Zhang & Chen 2023, DEIS, tAB of order 1 (arXiv 2204.13902), for x₁ in place of ε",
    quantity: .dataPrediction
  ) { previous, start, end in
    let rest = end == 1 ? 0 : (1 - end) * log((1 - start) / (1 - end))
    let numerator = end - start - rest
    return start == 1 ? 0 : numerator / ((end - start) * (start - previous))
  }
}

extension RungeKutta {
  /// Takes the same steps with every sample, by a method that remembers the evaluation before. The tableau is Euler's.
  mutating func takeSteps<Field: VelocityField & ~Copyable>(
    at times: [Double], of field: inout Field, by method: TwoStepMethod,
    _ observe: (borrowing AcceptedStep) throws -> Void
  ) throws {
    // [count, dimension] p of the evaluation before.
    var previous: [Double] = []
    for index in 0..<times.count - 1 {
      let step = Step(start: times[index], end: times[index + 1])
      for group in active { begin(step, group: group) }
      try attempt(&field, fromStage: 0)
      let current = quantity(of: method, at: step.start)
      if index > 0 {
        let factor = step.size * method.factor(times[index - 1], step.start, step.end)
        correct { factor * (current[$0] - previous[$0]) }
      }
      previous = current
      for group in active {
        if let failure = failures[group] { throw failure }
        try accept(group: group, rejections: 0, observe)
      }
    }
  }

  /// [count, dimension] What a method extrapolates, after an attempt.
  private func quantity(of method: TwoStepMethod, at time: Double) -> [Double] {
    switch method.quantity {
    case .velocity: slopes
    case .dataPrediction: states.indices.map { states[$0] + (1 - time) * slopes[$0] }
    }
  }
}
