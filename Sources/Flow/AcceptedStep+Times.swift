extension AcceptedStep {
  /// Hands over the states at those of `times` that lie within the step: the end included and exact, the
  /// start excluded. So over a whole integration every time after its start is met once by every sample.
  ///
  /// - Parameters:
  ///   - times: in any order.
  ///   - body: is lent the state, [dimension], of a sample (its row of the states given to the solver) at
  ///     `times[index]`.
  /// - Precondition: the step is interpolable, unless each of the times is an end.
  public func forEachState(
    at times: [Double], _ body: (_ sample: Int, _ index: Int, _ state: Span<Double>) throws -> Void
  ) rethrows {
    let dimension = startStates.count / samples.count
    var states: [Double] = []
    for (index, time) in times.enumerated() {
      guard start < end ? start < time && time <= end : end <= time && time < start else { continue }
      if states.isEmpty { states = Array(repeating: 0, count: startStates.count) }
      if time == end {
        for i in states.indices { states[i] = endStates[i] }
      } else {
        var span = states.mutableSpan
        interpolate(at: time, into: &span)
      }
      for (row, sample) in samples.enumerated() {
        try body(sample, index, states.span.extracting(row * dimension..<(row + 1) * dimension))
      }
    }
  }
}
