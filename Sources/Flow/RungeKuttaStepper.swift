/// Attempts Runge–Kutta steps of many samples at once, without judging them.
///
/// The samples are divided into groups of consecutive rows; a group shares its steps. The stages of all
/// active groups are evaluated together, in one call of the field, each group at its own times. All memory
/// is allocated here, once.
struct RungeKuttaStepper {
  let tableau: ButcherTableau
  let dimension: Int
  let rowsPerGroup: Int

  /// [count, dimension] y at the start of each group's step.
  private(set) var states: [Double]
  /// [count, dimension] Where the field is evaluated next; after an attempt, y at the end of the step.
  private(set) var proposals: [Double]
  /// [stages, count, dimension] k.
  private(set) var slopes: [Double]
  /// [rowsPerGroup, dimension] A weighted sum of the slopes of one group.
  private(set) var sums: [Double]

  /// The groups still under way, ascending.
  var active: [Int]
  /// [groups]
  var steps: [Step]
  /// [groups] Evaluations so far.
  private(set) var evaluations: [Int]
  private(set) var calls = 0
  private var batch: FieldBatch
  /// [active rows, dimension] The field's values at the batch.
  private var velocities: [Double]

  init(_ tableau: ButcherTableau, states: [Double], dimension: Int, rowsPerGroup: Int, time: Double) {
    let count = states.count / dimension
    let groupCount = count / rowsPerGroup
    self.tableau = tableau
    self.dimension = dimension
    self.rowsPerGroup = rowsPerGroup
    self.states = states
    proposals = states
    slopes = Array(repeating: 0, count: tableau.stageCount * states.count)
    sums = Array(repeating: 0, count: rowsPerGroup * dimension)
    active = Array(0..<groupCount)
    steps = Array(repeating: Step(start: time, end: time), count: groupCount)
    evaluations = Array(repeating: 0, count: groupCount)
    batch = FieldBatch(dimension: dimension, count: count)
    velocities = Array(repeating: 0, count: states.count)
  }

  func rows(of group: Int) -> Range<Int> {
    group * rowsPerGroup..<(group + 1) * rowsPerGroup
  }

  /// The components of a group within `states`.
  func elements(of group: Int) -> Range<Int> {
    group * sums.count..<(group + 1) * sums.count
  }

  /// Evaluates the field at the proposals of all active groups, at `node` of their steps, as stage `stage`.
  mutating func evaluate<Field: VelocityField & ~Copyable>(
    _ field: inout Field, stage: Int, node: Double
  ) throws {
    batch.removeAll()
    for group in active {
      let time = steps[group].time(atNode: node)
      batch.append(proposals[elements(of: group)], time: time, samples: rows(of: group))
      evaluations[group] += 1
    }
    calls += 1
    try batch.evaluate(&field, into: &velocities)
    for (slot, group) in active.enumerated() {
      let source = slot * sums.count
      let target = stage * states.count + elements(of: group).lowerBound
      for i in sums.indices { slopes[target + i] = velocities[source + i] }
    }
  }

  /// Proposes the states at the end of the active groups' steps, where the first stage is known.
  mutating func attempt<Field: VelocityField & ~Copyable>(_ field: inout Field) throws {
    for stage in 1..<tableau.stageCount {
      for group in active { propose(tableau.coefficients[stage], group: group) }
      try evaluate(&field, stage: stage, node: tableau.nodes[stage])
    }
    // The last stage of a first-same-as-last method was evaluated at the result already.
    if !tableau.isFirstSameAsLast {
      for group in active { propose(tableau.weights, group: group) }
    }
  }

  /// Proposes y + h Σ_s weights_s k_s.
  mutating func propose(_ weights: [Double], group: Int) {
    combine(weights, group: group)
    let h = steps[group].size
    let first = elements(of: group).lowerBound
    for i in sums.indices { proposals[first + i] = states[first + i] + h * sums[i] }
  }

  /// Computes `sums`, Σ_s weights_s k_s.
  mutating func combine(_ weights: [Double], group: Int) {
    let elements = elements(of: group)
    Self.combine(weights, slopes, stride: states.count, elements, into: &sums)
  }

  // Not within the method above: the access to `self` would overlap.
  private static func combine(
    _ weights: [Double], _ slopes: [Double], stride: Int, _ elements: Range<Int>,
    into sums: inout [Double]
  ) {
    var target = sums.mutableSpan
    Slopes(slopes.span, stride: stride, elements: elements).combine(weights, into: &target)
  }

  /// Lends the step just attempted, before `accept`.
  func withStep(
    of group: Int, rejections: Int, _ observe: (borrowing AcceptedStep) throws -> Void
  ) rethrows {
    let range = elements(of: group)
    try observe(
      AcceptedStep(
        steps[group], samples: rows(of: group), rejections: rejections,
        startStates: states.span.extracting(range), endStates: proposals.span.extracting(range),
        tableau: tableau,
        slopes: Slopes(slopes.span, stride: states.count, elements: range)))
  }

  /// Moves a group to the end of its step.
  mutating func accept(group: Int) {
    let range = elements(of: group)
    for i in range { states[i] = proposals[i] }
    if tableau.isFirstSameAsLast {
      let last = (tableau.stageCount - 1) * states.count
      for i in range { slopes[i] = slopes[last + i] }
    }
  }

  /// The states, once all steps are taken.
  func result() throws(SolverError) -> [Double] {
    if let i = states.firstIndex(where: { !$0.isFinite }) {
      let row = i / dimension
      throw .nonFiniteState(
        sample: row, component: i % dimension, time: steps[row / rowsPerGroup].end)
    }
    return states
  }
}
