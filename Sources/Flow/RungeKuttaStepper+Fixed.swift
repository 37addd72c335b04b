extension RungeKuttaStepper {
  /// Takes the same number of equal steps with every sample.
  mutating func takeEqualSteps<Field: VelocityField & ~Copyable>(
    _ count: Int, of field: inout Field, from start: Double, to end: Double,
    _ observe: (borrowing AcceptedStep) throws -> Void
  ) throws {
    // By index, so that no rounding accumulates; the last is the end itself.
    func time(_ index: Int) -> Double {
      index == count ? end : start + (end - start) * (Double(index) / Double(count))
    }
    for index in 0..<count {
      for group in active { steps[group] = Step(start: time(index), end: time(index + 1)) }
      if index == 0 || !tableau.isFirstSameAsLast {
        try evaluate(&field, stage: 0, node: 0)
      }
      try attempt(&field)
      for group in active {
        try withStep(of: group, rejections: 0, observe)
        accept(group: group)
      }
    }
  }
}
