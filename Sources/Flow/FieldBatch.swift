/// Rows gathered for one call of a velocity field.
struct FieldBatch {
  let dimension: Int
  /// [rows, dimension]
  private var states: [Double] = []
  /// [rows]
  private var times: [Double] = []
  /// [rows]
  private var samples: [Int] = []

  /// Allocates memory for up to `count` rows.
  init(dimension: Int, count: Int) {
    self.dimension = dimension
    states.reserveCapacity(count * dimension)
    times.reserveCapacity(count)
    samples.reserveCapacity(count)
  }

  mutating func removeAll() {
    states.removeAll(keepingCapacity: true)
    times.removeAll(keepingCapacity: true)
    samples.removeAll(keepingCapacity: true)
  }

  /// Adds consecutive samples that are at the same time.
  mutating func append(_ states: ArraySlice<Double>, time: Double, samples: Range<Int>) {
    self.states.append(contentsOf: states)
    self.samples.append(contentsOf: samples)
    times.append(contentsOf: repeatElement(time, count: samples.count))
  }

  /// Evaluates the field at all rows.
  ///
  /// - Parameter velocities: cut to [rows, dimension] and overwritten. Batches only ever shrink.
  /// - Throws: `SolverError` where a state or a velocity is not finite, and the field's errors.
  func evaluate<Field: VelocityField & ~Copyable>(
    _ field: inout Field, into velocities: inout [Double]
  ) throws {
    if let (row, component) = firstNonFinite(states) {
      throw SolverError.nonFiniteState(sample: samples[row], component: component, time: times[row])
    }
    velocities.removeLast(velocities.count - states.count)
    var target = velocities.mutableSpan
    try field.evaluate(states.span, times: times.span, samples: samples.span, into: &target)
    if let (row, component) = firstNonFinite(velocities) {
      throw SolverError.nonFiniteVelocity(
        sample: samples[row], component: component, time: times[row])
    }
  }

  private func firstNonFinite(_ values: [Double]) -> (row: Int, component: Int)? {
    values.firstIndex { !$0.isFinite }.map { ($0 / dimension, $0 % dimension) }
  }
}
