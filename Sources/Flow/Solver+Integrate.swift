extension Solver {
  /// Integrates dx/dt = u(x, t) for many samples, from one time to another, forward or backward.
  ///
  /// The field is evaluated between the two times only, and the last step ends exactly at `end`. With fixed
  /// steps, or `.sample` control, a sample's result has the same bits alone or among others.
  ///
  /// - Parameters:
  ///   - states: [count, dimension], row-major: the samples at `start`, replaced by those at `end`. Left as
  ///     they were when an error is thrown.
  ///   - observe: is lent each accepted step. What it throws ends the integration.
  /// - Throws: `SolverError`, and whatever the field or the observer throws.
  @discardableResult
  public func integrate<Field: VelocityField & ~Copyable>(
    _ field: inout Field, from start: Double, to end: Double, states: inout [Double],
    observe: (borrowing AcceptedStep) throws -> Void = { _ in }
  ) throws -> SolverStatistics {
    let dimension = field.dimension
    precondition(start.isFinite && end.isFinite, "cannot integrate from \(start) to \(end)")
    precondition(
      dimension > 0 && states.count.isMultiple(of: dimension),
      "\(states.count) numbers are not a whole number of samples of dimension \(dimension)")
    let count = states.count / dimension
    guard count > 0, start != end else {
      let zeros = Array(repeating: 0, count: count)
      return SolverStatistics(evaluations: zeros, accepted: zeros, rejected: zeros, calls: 0)
    }

    switch self {
    case .fixed(let tableau, let steps):
      precondition(steps > 0, "\(steps) steps; at least one is needed")
      var stepper = RungeKuttaStepper(
        tableau, states: states, dimension: dimension, rowsPerGroup: count, time: start)
      try stepper.takeEqualSteps(steps, of: &field, from: start, to: end, observe)
      states = try stepper.result()
      return SolverStatistics(
        evaluations: Array(repeating: stepper.evaluations[0], count: count),
        accepted: Array(repeating: steps, count: count),
        rejected: Array(repeating: 0, count: count), calls: stepper.calls)

    case .adaptive(let rtol, let atol, let control):
      let tolerance = Tolerance(rtol: rtol, atol: atol)
      let rowsPerGroup = control == .batch ? count : 1
      var stepper = RungeKuttaStepper(
        .dormandPrince, states: states, dimension: dimension, rowsPerGroup: rowsPerGroup, time: start)
      let controllers = try stepper.takeControlledSteps(
        of: &field, from: start, to: end, tolerance, observe)
      states = try stepper.result()
      let groups = (0..<count).map { $0 / rowsPerGroup }
      return SolverStatistics(
        evaluations: groups.map { stepper.evaluations[$0] },
        accepted: groups.map { controllers[$0].acceptedCount },
        rejected: groups.map { controllers[$0].rejectedCount }, calls: stepper.calls)
    }
  }

  /// Takes samples from one time to another, where nothing but the result is wanted: `integrate` besides counts
  /// and lends the steps.
  ///
  /// - Parameter states: [count, dimension], row-major: the samples at `start`.
  /// - Returns: [count, dimension], the samples at `end`.
  /// - Throws: `SolverError`, and what the field throws.
  public func solve(
    _ field: some VelocityField, from states: [Double], start: Double = 0, end: Double = 1
  ) throws -> [Double] {
    var (field, states) = (field, states)
    try integrate(&field, from: start, to: end, states: &states)
    return states
  }
}
