/// Attempts Runge–Kutta steps of many samples at once, without judging them.
///
/// The samples are divided into groups of consecutive rows; a group shares its steps. A stage of all active groups
/// is evaluated in one call of the field, each group at its own time. Where a group meets something that is not
/// finite, its attempt has failed, and the others go on without it.
struct RungeKutta {
  let tableau: ButcherTableau
  let dimension: Int
  let rowsPerGroup: Int

  /// [count, dimension] y at the start of each group's step.
  private(set) var states: [Double]
  /// [count, dimension] Where the field is evaluated next; after an attempt, y at the end of the step.
  private(set) var proposals: [Double]
  /// [stages, count, dimension] k.
  private(set) var slopes: [Double]

  /// The groups still under way, ascending.
  var active: [Int]
  /// [groups]
  private(set) var steps: [Step]
  /// [groups] What was not finite in a group's attempt.
  private(set) var failures: [SolverError?]
  /// [groups] What was done so far.
  private(set) var evaluations: [Int]
  private var accepted, rejected: [Int]
  private var calls = 0

  /// - Parameter states: [count, dimension], finite.
  init(_ tableau: ButcherTableau, states: [Double], dimension: Int, rowsPerGroup: Int, time: Double) {
    let groupCount = states.count / dimension / rowsPerGroup
    self.tableau = tableau
    self.dimension = dimension
    self.rowsPerGroup = rowsPerGroup
    self.states = states
    proposals = states
    slopes = Array(repeating: 0, count: tableau.stageCount * states.count)
    active = Array(0..<groupCount)
    steps = Array(repeating: Step(start: time, end: time), count: groupCount)
    failures = Array(repeating: nil, count: groupCount)
    evaluations = Array(repeating: 0, count: groupCount)
    accepted = evaluations
    rejected = evaluations
  }

  func rows(of group: Int) -> Range<Int> { group * rowsPerGroup..<(group + 1) * rowsPerGroup }

  /// The components of a group within `states`.
  func elements(of group: Int) -> Range<Int> { group * groupSize..<(group + 1) * groupSize }

  private var groupSize: Int { rowsPerGroup * dimension }

  /// The active groups whose attempt has not failed.
  private var trying: [Int] { active.filter { failures[$0] == nil } }

  /// Takes the same steps with every sample: from each of the times to the next.
  ///
  /// - Parameter terms: what makes of Euler's steps those of another method.
  mutating func takeSteps<Field: VelocityField & ~Copyable>(
    at times: [Double], of field: inout Field, adding terms: Terms? = nil,
    _ observe: (borrowing AcceptedStep) throws -> Void
  ) throws {
    for index in 0..<times.count - 1 {
      for group in active { begin(Step(start: times[index], end: times[index + 1]), group: group) }
      try attempt(&field, fromStage: index == 0 || !tableau.isFirstSameAsLast ? 0 : 1)
      if let terms { add(terms(index, states, slopes)) }
      for group in active {
        if let failure = failures[group] { throw failure }
        try accept(group: group, rejections: 0, observe)
      }
    }
  }

  mutating func begin(_ step: Step, group: Int) {
    steps[group] = step
    failures[group] = nil
  }

  /// Attempts the active groups' steps, whose stages before `first` are known: proposes the states at their ends.
  mutating func attempt<Field: VelocityField & ~Copyable>(_ field: inout Field, fromStage first: Int) throws {
    for stage in first..<tableau.stageCount {
      let node = tableau.nodes[stage]
      // At stage 0 the proposals are the states already.
      if stage > 0 {
        for group in trying { propose(tableau.coefficients[stage], group: group, node: node) }
      }
      try evaluate(&field, stage: stage, node: node)
    }
    // The last stage of a first-same-as-last method was evaluated at the result already.
    if !tableau.isFirstSameAsLast {
      for group in trying { propose(tableau.weights, group: group, node: 1) }
    }
  }

  /// Proposes y + h Σ_s weights_s k_s, as the state at `node` of the step.
  mutating func propose(_ weights: [Double], group: Int, node: Double) {
    let sums = combine(weights, group: group)
    let h = steps[group].size
    let first = elements(of: group).lowerBound
    for i in sums.indices { proposals[first + i] = states[first + i] + h * sums[i] }
    checkProposals(of: group, node: node)
  }

  private mutating func checkProposals(of group: Int, node: Double) {
    if let i = elements(of: group).first(where: { !proposals[$0].isFinite }) {
      failures[group] = .nonFiniteState(
        sample: i / dimension, component: i % dimension, time: steps[group].time(atNode: node))
    }
  }

  /// Factors and vectors, [count, dimension], whose products are added to the end of Euler's step `index`.
  typealias Terms = (_ index: Int, _ states: [Double], _ velocities: [Double]) -> [(Double, [Double])]

  private mutating func add(_ terms: [(factor: Double, vector: [Double])]) {
    for (factor, vector) in terms {
      for i in proposals.indices { proposals[i] += factor * vector[i] }
    }
    for group in trying { checkProposals(of: group, node: 1) }
  }

  /// [rowsPerGroup, dimension] Σ_s weights_s k_s of one group.
  func combine(_ weights: [Double], group: Int) -> [Double] {
    var sums = Array(repeating: 0.0, count: groupSize)
    var target = sums.mutableSpan
    Slopes(slopes.span, stride: states.count, elements: elements(of: group)).combine(weights, into: &target)
    return sums
  }

  /// Evaluates the field at the proposals, at `node` of the steps, as stage `stage`.
  mutating func evaluate<Field: VelocityField & ~Copyable>(
    _ field: inout Field, stage: Int, node: Double
  ) throws {
    let groups = trying
    if groups.isEmpty { return }
    var (points, times, samples): ([Double], [Double], [Int]) = ([], [], [])
    for group in groups {
      points += proposals[elements(of: group)]
      times += repeatElement(steps[group].time(atNode: node), count: rowsPerGroup)
      samples += rows(of: group)
      evaluations[group] += 1
    }
    calls += 1
    var velocities = Array(repeating: 0.0, count: points.count)
    var target = velocities.mutableSpan
    try field.evaluate(points.span, times: times.span, samples: samples.span, into: &target)
    for (slot, group) in groups.enumerated() {
      let (source, first) = (slot * groupSize, elements(of: group).lowerBound)
      for i in 0..<groupSize { slopes[stage * states.count + first + i] = velocities[source + i] }
      if let i = (0..<groupSize).first(where: { !velocities[source + $0].isFinite }) {
        failures[group] = .nonFiniteVelocity(
          sample: (first + i) / dimension, component: i % dimension, time: steps[group].time(atNode: node))
      }
    }
  }

  /// Lends an observer the step just attempted, and moves the group to its end.
  mutating func accept(
    group: Int, rejections: Int, _ observe: (borrowing AcceptedStep) throws -> Void
  ) rethrows {
    let range = elements(of: group)
    try observe(
      AcceptedStep(
        steps[group], samples: rows(of: group), rejections: rejections,
        startStates: states.span.extracting(range), endStates: proposals.span.extracting(range),
        tableau: tableau, slopes: Slopes(slopes.span, stride: states.count, elements: range)))
    for i in range { states[i] = proposals[i] }
    if tableau.isFirstSameAsLast {
      let last = (tableau.stageCount - 1) * states.count
      for i in range { slopes[i] = slopes[last + i] }
    }
    accepted[group] += 1
  }

  mutating func reject(group: Int) { rejected[group] += 1 }

  var statistics: SolverStatistics {
    func bySample(_ counts: [Int]) -> [Int] { counts.flatMap { repeatElement($0, count: rowsPerGroup) } }
    return SolverStatistics(
      evaluations: bySample(evaluations), accepted: bySample(accepted), rejected: bySample(rejected),
      calls: calls)
  }
}

/// One step in time, in either direction.
struct Step {
  var start: Double
  var end: Double

  /// h, signed.
  var size: Double { end - start }

  /// The time of a stage. The end is met exactly, and no stage is beyond it: start + size may round past it.
  func time(atNode node: Double) -> Double {
    node == 1 ? end : start + node * size
  }
}
