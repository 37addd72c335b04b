/// A step that a solver has taken, lent to an observer. The states inside the step can be had from its
/// slopes without evaluating the field again (dense output).
public struct AcceptedStep: ~Escapable {
  /// The samples that took the step together, as rows of the states given to the solver.
  public let samples: Range<Int>
  public let start: Double
  public let end: Double
  /// The attempts rejected before this one was accepted.
  public let rejections: Int
  /// [samples, dimension] The states at `start`.
  public let startStates: Span<Double>
  /// [samples, dimension] The states at `end`.
  public let endStates: Span<Double>

  let tableau: ButcherTableau
  let slopes: Slopes

  @_lifetime(copy startStates, copy endStates, copy slopes)
  init(
    _ step: Step, samples: Range<Int>, rejections: Int, startStates: Span<Double>,
    endStates: Span<Double>, tableau: ButcherTableau, slopes: Slopes
  ) {
    self.samples = samples
    self.rejections = rejections
    self.startStates = startStates
    self.endStates = endStates
    self.tableau = tableau
    self.slopes = slopes
    start = step.start
    end = step.end
  }

  /// Evaluates the interpolating polynomial (of order 4 for Dormand–Prince) at a time within the step.
  ///
  /// - Parameter states: [samples, dimension].
  public func interpolate(at time: Double, into states: inout MutableSpan<Double>) {
    guard let embedded = tableau.embedded else {
      preconditionFailure("the method '\(tableau.name)' has no interpolant; use Dormand–Prince")
    }
    precondition((min(start, end)...max(start, end)).contains(time), "the time is outside the step")
    precondition(states.count == startStates.count)
    let h = end - start
    let theta = (time - start) / h
    // Horner: θ(P₀ + θ(P₁ + …)).
    let weights = embedded.interpolation.map { row in
      row.reversed().reduce(0) { sum, coefficient in (sum + coefficient) * theta }
    }
    slopes.combine(weights, into: &states)
    for i in states.indices { states[i] = startStates[i] + h * states[i] }
  }

  /// Hands over the states at those of `times` that lie within the step: the end included and exact, the
  /// start excluded. So over a whole integration every time after its start is met once by every sample.
  ///
  /// - Parameters:
  ///   - times: in any order.
  ///   - body: is lent the state, [dimension], of a sample (its row of the states given to the solver) at
  ///     `times[index]`.
  /// - Precondition: the method is an embedded one, unless each of the times is an end.
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

/// The stages' slopes k of one group of samples.
struct Slopes: ~Escapable {
  /// [stages, count, dimension], of which the group is `elements` of each stage.
  let values: Span<Double>
  let stride: Int
  let elements: Range<Int>

  @_lifetime(copy values)
  init(_ values: Span<Double>, stride: Int, elements: Range<Int>) {
    self.values = values
    self.stride = stride
    self.elements = elements
  }

  /// sums = Σ_s weights_s · k_s, in the order of the stages: the same bits in any group.
  func combine(_ weights: [Double], into sums: inout MutableSpan<Double>) {
    precondition(sums.count == elements.count)
    for i in sums.indices { sums[i] = 0 }
    for (stage, weight) in weights.enumerated() where weight != 0 {
      let offset = stage * stride
      let slope = values.extracting(offset + elements.lowerBound..<offset + elements.upperBound)
      precondition(slope.count == sums.count)
      for i in sums.indices { sums[i] += weight * slope[i] }
    }
  }
}
