import Foundation

/// When an error is small enough.
struct Tolerance {
  /// Relative, at least 100 ulp of 1 as in SciPy.
  let rtol: Double
  /// Absolute.
  let atol: Double

  init(rtol: Double, atol: Double) {
    precondition(rtol >= 0 && rtol.isFinite, "rtol is \(rtol); it must be finite and not negative")
    precondition(atol > 0 && atol.isFinite, "atol is \(atol); it must be finite and positive")
    self.rtol = max(rtol, 100 * .ulpOfOne)
    self.atol = atol
  }

  /// The error allowed in a component of this magnitude.
  func scale(_ magnitude: Double) -> Double { atol + rtol * magnitude }
}

extension RungeKutta {
  /// Takes steps of the size that each group's error estimate allows, all groups attempting in lockstep;
  /// those that reach the end leave the batch.
  mutating func takeControlledSteps<Field: VelocityField & ~Copyable>(
    of field: inout Field, from start: Double, to end: Double, _ tolerance: Tolerance,
    maximumEvaluations: Int, _ observe: (borrowing AcceptedStep) throws -> Void
  ) throws {
    guard let embedded = tableau.embedded, tableau.isFirstSameAsLast else {
      preconditionFailure("step control needs an embedded first-same-as-last method, not '\(tableau.name)'")
    }
    let sizes = try firstSteps(of: &field, from: start, to: end, tolerance, errorOrder: embedded.order)
    var controllers = sizes.map { size in
      StepController(from: start, to: end, size: size, errorOrder: embedded.order)
    }
    while !active.isEmpty {
      for group in active {
        guard evaluations[group] + tableau.stageCount - 1 <= maximumEvaluations else {
          throw SolverError.tooManyEvaluations(
            samples: rows(of: group), limit: maximumEvaluations, time: controllers[group].time)
        }
        let step = try controllers[group].nextStep(samples: rows(of: group), failure: failures[group])
        begin(step, group: group)
      }
      try attempt(&field, fromStage: 1)
      for group in active {
        let rejections = controllers[group].rejections
        let error = errorNorm(embedded.errorWeights, group: group, tolerance)
        if controllers[group].judge(steps[group], errorNorm: error) {
          try accept(group: group, rejections: rejections, observe)
        } else {
          reject(group: group)
        }
      }
      active.removeAll { controllers[$0].isFinished }
    }
  }

  /// The sizes of the first steps, from the slopes at the start and a short Euler step beyond it (Hairer,
  /// Nørsett & Wanner, section II.4; SciPy's `select_initial_step`). Leaves the first stage's slopes.
  ///
  /// - Returns: [groups] |h|.
  private mutating func firstSteps<Field: VelocityField & ~Copyable>(
    of field: inout Field, from start: Double, to end: Double, _ tolerance: Tolerance, errorOrder: Int
  ) throws -> [Double] {
    /// rms(value / (atol + rtol·|y|)).
    func norm(_ group: Int, _ value: (Int) -> Double) -> Double {
      rootMeanSquare(elements(of: group)) { i in value(i) / tolerance.scale(abs(states[i])) }
    }
    try evaluate(&field, stage: 0, node: 0)
    for case let failure? in failures { throw failure }

    let span = abs(end - start)
    var probes: [(slopeNorm: Double, size: Double)] = []
    for group in active {
      let d0 = norm(group) { states[$0] }
      let d1 = norm(group) { slopes[$0] }
      let h0 = min(d0 < 1e-5 || d1 < 1e-5 ? 1e-6 : 0.01 * d0 / d1, span)
      probes.append((d1, h0))
      begin(Step(start: start, end: h0 == span ? end : start + (end < start ? -h0 : h0)), group: group)
      propose([1], group: group, node: 1)
    }
    try evaluate(&field, stage: 1, node: 1)

    return active.map { group in
      let (d1, h0) = probes[group]
      if failures[group] != nil { return StepController.strongestShrinking * h0 }
      let d2 = norm(group) { slopes[states.count + $0] - slopes[$0] } / h0
      let h1 =
        d1 <= 1e-15 && d2 <= 1e-15
        ? max(1e-6, h0 * 1e-3)
        : pow(0.01 / max(d1, d2), 1 / Double(errorOrder + 1))
      return min(100 * h0, h1, span)
    }
  }

  /// The error of the step just attempted: rms(h Σ_s e_s k_s / (atol + rtol·max(|y|, |y_new|))); infinite where the
  /// attempt failed.
  private func errorNorm(_ errorWeights: [Double], group: Int, _ tolerance: Tolerance) -> Double {
    if failures[group] != nil { return .infinity }
    let sums = combine(errorWeights, group: group)
    let h = steps[group].size
    let range = elements(of: group)
    return rootMeanSquare(range) { i in
      h * sums[i - range.lowerBound] / tolerance.scale(max(abs(states[i]), abs(proposals[i])))
    }
  }
}

/// One sum in ascending order: the components of one group have the same norm whatever others there are.
private func rootMeanSquare(_ range: Range<Int>, _ value: (Int) -> Double) -> Double {
  var sum = 0.0
  for i in range {
    let x = value(i)
    sum += x * x
  }
  return sum.squareRoot() / Double(range.count).squareRoot()
}

/// The step sizes of one group of samples: SciPy 1.17's rules (`RungeKutta._step_impl` in
/// integrate/_ivp/rk.py), which are those of Hairer, Nørsett & Wanner, section II.4.
private struct StepController {
  /// The least factor by which a rejection multiplies the size.
  static let strongestShrinking = 0.2

  let end: Double
  /// +1 or −1.
  let direction: Double
  /// −1/(order of the error estimate + 1).
  let exponent: Double
  private(set) var time: Double
  /// |h| of the next attempt.
  private var size: Double
  /// Rejections since the last accepted step.
  private(set) var rejections = 0

  init(from start: Double, to end: Double, size: Double, errorOrder: Int) {
    time = start
    self.end = end
    self.size = size
    direction = end < start ? -1 : 1
    exponent = -1 / Double(errorOrder + 1)
  }

  var isFinished: Bool { time == end }

  /// The step to attempt next. The last one is clamped to the end.
  ///
  /// - Parameter failure: why the last attempt failed, where it did.
  /// - Throws: when rejections led below 10 ulp of the time: `failure`, or `SolverError.stepUnderflow`.
  mutating func nextStep(samples: Range<Int>, failure: SolverError?) throws(SolverError) -> Step {
    let ulp = direction > 0 ? time.nextUp - time : time - time.nextDown
    let minimum = 10 * ulp
    if rejections == 0 {
      size = max(size, minimum)
    } else if size < minimum {
      throw failure ?? .stepUnderflow(samples: samples, time: time, step: size)
    }
    let proposed = time + direction * size
    let step = Step(start: time, end: direction * (proposed - end) > 0 ? end : proposed)
    size = abs(step.size)
    return step
  }

  /// Whether an attempt is accepted, and the next size. An error that is not a number is rejected.
  mutating func judge(_ step: Step, errorNorm: Double) -> Bool {
    let safety = 0.9
    let factor = safety * pow(errorNorm, exponent)
    guard errorNorm < 1 else {
      size *= .maximum(Self.strongestShrinking, factor)  // which prefers a number to NaN
      rejections += 1
      return false
    }
    // No growth right after a rejection. (0 to a negative power is infinite: growth is then 10.)
    size *= min(rejections > 0 ? 1 : 10, factor)
    time = step.end
    rejections = 0
    return true
  }
}
