/// How straight the paths of a flow are (Liu et al. 2022, "Flow Straight and Fast", section 2.2):
/// S = ∫₀¹ E‖(z₁ − z₀) − v(z_t, t)‖² dt, where z_t is the path that the field v itself takes from z₀ ~ N(0, I) to z₁.
/// Zero where one Euler step is exact. Here per dimension, as the loss is.
public struct Straightness: Sendable {
  /// [count] Of each path, the mean over its times.
  public let paths: [Double]
  /// [count, dimension] z₁.
  public let ends: [Double]
  /// Of the integration; the evaluations at `times` come on top.
  public let statistics: SolverStatistics

  /// Integrates the paths by Dormand and Prince's pair, takes z_t from its dense output, and evaluates the field there.
  ///
  /// - Parameters:
  ///   - noise: [count, dimension] z₀.
  ///   - times: [count, any number], each at least 0 and less than 1. For an estimate without bias, draw them
  ///     uniformly; one in each of equal parts gives it the least variance.
  /// - Throws: `SolverError`, and the field's errors.
  public init<Field: VelocityField & ~Copyable>(
    of field: inout Field, from noise: [Double], times: [Double], rtol: Double, atol: Double,
    observe: (borrowing AcceptedStep) throws -> Void = { _ in }
  ) throws {
    let dimension = field.dimension
    let count = noise.count / dimension
    precondition(count > 0 && noise.count == count * dimension, "not a whole number of samples")
    precondition(!times.isEmpty && times.count.isMultiple(of: count), "as many times for each sample")
    precondition(times.allSatisfy { $0 >= 0 && $0 < 1 }, "a time is outside [0, 1)")
    let timesPerPath = times.count / count
    // z_t, [timesPerPath, count, dimension]: the field takes one row of each sample at a time.
    var points = Array(repeating: 0.0, count: times.count * dimension)
    var ends = noise
    statistics = try Solver.adaptive(rtol: rtol, atol: atol).integrate(
      &field, from: 0, to: 1, states: &ends
    ) { step in
      for (offset, sample) in step.samples.enumerated() {
        for index in 0..<timesPerPath {
          let time = times[sample * timesPerPath + index]
          guard step.start <= time && time < step.end else { continue }
          var states = Array(repeating: 0.0, count: step.startStates.count)
          var span = states.mutableSpan
          step.interpolate(at: time, into: &span)
          let place = (index * count + sample) * dimension
          points.replaceSubrange(
            place..<place + dimension, with: states[offset * dimension..<(offset + 1) * dimension])
        }
      }
      try observe(step)
    }
    var sums = Array(repeating: 0.0, count: count)
    var velocities = Array(repeating: 0.0, count: noise.count)
    let samples = Array(0..<count)
    for index in 0..<timesPerPath {
      let rows = points.span.extracting(index * noise.count..<(index + 1) * noise.count)
      let rowTimes = samples.map { times[$0 * timesPerPath + index] }
      var span = velocities.mutableSpan
      try field.evaluate(rows, times: rowTimes.span, samples: samples.span, into: &span)
      if let i = velocities.firstIndex(where: { !$0.isFinite }) {
        throw SolverError.nonFiniteVelocity(
          sample: i / dimension, component: i % dimension, time: rowTimes[i / dimension])
      }
      for sample in samples {
        for i in sample * dimension..<(sample + 1) * dimension {
          let difference = ends[i] - noise[i] - velocities[i]
          sums[sample] += difference * difference
        }
      }
    }
    paths = sums.map { $0 / Double(timesPerPath * dimension) }
    self.ends = ends
  }
}
