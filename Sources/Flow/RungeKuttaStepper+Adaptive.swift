import Foundation

extension RungeKuttaStepper {
  /// Takes steps of the size that each group's error estimate allows, all groups attempting in lockstep;
  /// those that reach the end leave the batch.
  ///
  /// - Returns: [groups] the controllers, for their counts.
  mutating func takeControlledSteps<Field: VelocityField & ~Copyable>(
    of field: inout Field, from start: Double, to end: Double, _ tolerance: Tolerance,
    _ observe: (borrowing AcceptedStep) throws -> Void
  ) throws -> [StepController] {
    guard let embedded = tableau.embedded, tableau.isFirstSameAsLast else {
      preconditionFailure("step control needs an embedded first-same-as-last method, not '\(tableau.name)'")
    }
    var controllers = try firstSteps(
      of: &field, from: start, to: end, tolerance, errorOrder: embedded.order
    ).map { size in
      StepController(from: start, to: end, size: size, errorOrder: embedded.order)
    }
    while !active.isEmpty {
      for group in active {
        steps[group] = try controllers[group].nextStep(samples: rows(of: group))
      }
      try attempt(&field)
      for group in active {
        let rejections = controllers[group].rejections
        let error = errorNorm(embedded.errorWeights, group: group, tolerance)
        if controllers[group].judge(steps[group], errorNorm: error) {
          try withStep(of: group, rejections: rejections, observe)
          accept(group: group)
        }
      }
      active.removeAll { controllers[$0].isFinished }
    }
    return controllers
  }

  /// The sizes of the first steps, from the slopes at the start and a short Euler step beyond it (Hairer,
  /// Nørsett & Wanner, section II.4; SciPy's `select_initial_step`). Leaves the first stage's slopes.
  ///
  /// - Returns: [groups] |h|.
  private mutating func firstSteps<Field: VelocityField & ~Copyable>(
    of field: inout Field, from start: Double, to end: Double, _ tolerance: Tolerance, errorOrder: Int
  ) throws -> [Double] {
    let span = abs(end - start)
    try evaluate(&field, stage: 0, node: 0)

    let slopeNorms = active.map { slopeNorm(group: $0, tolerance) }
    let probeSizes = active.map { group in
      let d0 = stateNorm(group: group, tolerance)
      let d1 = slopeNorms[group]
      return min(d0 < 1e-5 || d1 < 1e-5 ? 1e-6 : 0.01 * d0 / d1, span)
    }
    for group in active {
      let h0 = probeSizes[group]
      steps[group] = Step(start: start, end: h0 == span ? end : start + (end < start ? -h0 : h0))
      propose([1], group: group)
    }
    try evaluate(&field, stage: 1, node: 1)

    return active.map { group in
      let h0 = probeSizes[group]
      let d1 = slopeNorms[group]
      let d2 = slopeChangeNorm(group: group, tolerance) / h0
      let h1 =
        d1 <= 1e-15 && d2 <= 1e-15
        ? max(1e-6, h0 * 1e-3)
        : pow(0.01 / max(d1, d2), 1 / Double(errorOrder + 1))
      return min(100 * h0, h1, span)
    }
  }
}
