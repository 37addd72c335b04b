import Flow
import Kernels
import Network

/// Sampling. Sample number i depends on the weights, the seed, i and the solver alone: it is the same alone or among a
/// thousand, on any number of threads. (Only `.batch` control, which has one step size for all, makes it depend on the
/// others.)
extension TrainedFlow {
  /// Draws the first `count` samples.
  ///
  /// - Parameter label: the class of all, if the flow is conditional.
  /// - Throws: `SolverError`, in the samples' numbers; `CancellationError` when the task is cancelled.
  public func sample(
    _ count: Int, seed: UInt64 = 0, solver: Solver = .standard, label: Int? = nil
  ) throws -> Samples {
    try sample(
      0..<count, seed: seed, solver: solver, labels: label.map { Array(repeating: $0, count: count) })
  }

  /// Draws samples: takes their noise from t = 0 to 1.
  ///
  /// - Parameters:
  ///   - numbers: which samples; number i is always the same.
  ///   - labels: the class of each, if the flow is conditional.
  ///   - progress: is told after each step which share of the work is done. What it throws ends the work.
  ///   - times: times from 0 to 1 at which the samples are wanted on their way. Asking changes no sample.
  ///   - observe: is lent the state, [height, width, channels], of a sample (counted from the first of
  ///     `numbers`) at `times[index]`, once for each.
  /// - Precondition: where there are times, the solver is adaptive: steps of other methods can't be
  ///   interpolated.
  /// - Throws: `SolverError`, in the samples' numbers; `CancellationError` when the task is cancelled.
  public func sample(
    _ numbers: Range<Int>, seed: UInt64, solver: Solver = .standard, labels: [Int]? = nil,
    on pool: WorkerPool = WorkerPool(), progress: @escaping (Double) throws -> Void = { _ in },
    at times: [Double] = [],
    observe: (_ sample: Int, _ index: Int, _ state: Span<Double>) -> Void = { _, _, _ in }
  ) throws -> Samples {
    try integrate(
      numbers, from: 0, to: 1, solver, labels, on: pool, progress, at: times, observe,
      initialState: { noise($0..<$0 + 1, seed: seed) },
      normals: { normals(.noise(ofSample: $0, step: $1, seed: seed)).map { Double($0) } })
  }

  /// Takes given states along the flow, either way: noise to images (from 0 to 1), or images to the noise
  /// that they come from (from 1 to 0).
  ///
  /// - Parameters:
  ///   - states: [count, height, width, channels], at the time `start`.
  ///   - labels, progress: as in `sample`.
  /// - Precondition: the solver isn't stochastic: its noise belongs to a seed and a sample's number.
  /// - Returns: the states at `end`.
  /// - Throws: as `sample`, in the rows of `states`.
  public func transport(
    _ states: [Float], from start: Double = 0, to end: Double = 1, solver: Solver = .standard,
    labels: [Int]? = nil, on pool: WorkerPool = WorkerPool(),
    progress: @escaping (Double) throws -> Void = { _ in }
  ) throws -> Samples {
    let size = shape.count
    precondition(states.count.isMultiple(of: size), "not a whole number of states")
    return try integrate(
      0..<states.count / size, from: start, to: end, solver, labels, on: pool, progress, at: [],
      { _, _, _ in }, initialState: { Array(states[$0 * size..<($0 + 1) * size]) })
  }

  /// x₀ of samples by their numbers, [count, height, width, channels].
  public func noise(_ numbers: Range<Int>, seed: UInt64) -> [Float] {
    numbers.flatMap { normals(.noise(ofSample: $0, seed: seed)) }
  }

  /// [height, width, channels] Standard normal numbers.
  private func normals(_ generator: Philox) -> [Float] {
    var values = Array(repeating: Float(0), count: shape.count)
    generator.fillNormals(values.mutableSpan)
    return values
  }

  /// What states on their way are expected to become: the posterior means E[x₁ | x_t], by
  /// `LinearPath.posteriorMean`. Takes one evaluation of the network each.
  ///
  /// - Parameters:
  ///   - states: [count, height, width, channels].
  ///   - times: [count] t.
  ///   - labels: the class of each, if the flow is conditional.
  /// - Returns: [count, height, width, channels].
  /// - Throws: `SolverError` where the network's output is not finite.
  public func posteriorMeans(
    of states: [Float], times: [Double], labels: [Int]? = nil, on pool: WorkerPool = WorkerPool()
  ) throws -> [Float] {
    let size = shape.count
    precondition(states.count == times.count * size, "one time for each state")
    let velocities = try velocities(at: states, times: times, labels: labels, on: pool)
    return times.enumerated().flatMap { row, time in
      let elements = row * size..<(row + 1) * size
      var mean = Array(repeating: Float(0), count: size)
      var span = mean.mutableSpan
      LinearPath.posteriorMean(
        state: states.span.extracting(elements), velocity: velocities.span.extracting(elements),
        time: Float(time), into: &span)
      return mean
    }
  }

  /// v(x, t) of some states.
  ///
  /// - Parameters: states: [count, height, width, channels]; times: [count]; labels: the class of each, if the flow is
  ///   conditional.
  /// - Returns: [count, height, width, channels].
  /// - Throws: `SolverError` where the network's output is not finite.
  public func velocities(
    at states: [Float], times: [Double], labels: [Int]? = nil, on pool: WorkerPool = WorkerPool()
  ) throws -> [Float] {
    let field = field(capacity: times.count, labels: labels, on: pool)
    let inputs = states.map { Double($0) }
    var velocities = inputs
    var span = velocities.mutableSpan
    try field.evaluate(inputs.span, times: times.span, samples: Array(times.indices).span, into: &span)
    if let i = velocities.firstIndex(where: { !$0.isFinite }) {
      let row = i / shape.count
      throw SolverError.nonFiniteVelocity(sample: row, component: i % shape.count, time: times[row])
    }
    return velocities.map { Float($0) }
  }

  /// Samples that are under way together where they don't depend on each other.
  private var samplesTogether: Int { max(64, 1 << 15 / shape.count) }

  /// Hands consecutive samples, as many as are under way together, to `body` with a field for them, and tells
  /// `progress` of the work done.
  ///
  /// - Parameter labels: the class of each of `numbers`.
  func inParts(
    _ numbers: Range<Int>, _ solver: Solver, labels: [Int]?, probeCount: Int = 0, on pool: WorkerPool,
    progress: @escaping (Double) throws -> Void,
    _ body: (_ part: Range<Int>, _ field: FlowField, _ advance: (borrowing AcceptedStep) throws -> Void)
      throws
      -> Void
  ) throws {
    let size = if case .adaptive(_, _, .batch, _) = solver { numbers.count } else { samplesTogether }
    guard !numbers.isEmpty else { return }
    let first = numbers.lowerBound
    func classes(_ part: Range<Int>) -> [Int]? {
      labels.map { Array($0[part.lowerBound - first..<part.upperBound - first]) }
    }
    var done = 0.0
    let field = field(
      capacity: min(size, numbers.count),
      labels: classes(first..<min(first + size, numbers.upperBound)), probeCount: probeCount, on: pool)
    field.willEvaluate = { try progress(done / Double(numbers.count)) }
    for start in stride(from: first, to: numbers.upperBound, by: size) {
      let part = start..<min(start + size, numbers.upperBound)
      field.labels = classes(part)
      do {
        try body(part, field) { step in done += Double(step.samples.count) * abs(step.end - step.start) }
      } catch let error as SolverError {
        throw error.numbered(from: start)
      }
    }
    try progress(1)
  }

  /// - Parameters:
  ///   - initialState: x at `start` of the sample of that number.
  ///   - normals: what a stochastic solver adds to it in a step.
  private func integrate(
    _ numbers: Range<Int>, from start: Double, to end: Double, _ solver: Solver, _ labels: [Int]?,
    on pool: WorkerPool, _ progress: @escaping (Double) throws -> Void, at times: [Double],
    _ observe: (_ sample: Int, _ index: Int, _ state: Span<Double>) -> Void,
    initialState: (_ number: Int) -> [Float], normals: ((_ number: Int, _ step: Int) -> [Double])? = nil
  ) throws -> Samples {
    let size = shape.count
    precondition(
      times.allSatisfy { (min(start, end)...max(start, end)).contains($0) }, "a time outside the integration")
    let isAdaptive = if case .adaptive = solver { true } else { false }
    precondition(isAdaptive || times.isEmpty, "steps of fixed size can't be interpolated")
    precondition(labels == nil || labels?.count == numbers.count, "one label for each sample")
    var samples = Samples(of: self)
    try inParts(numbers, solver, labels: labels, on: pool, progress: progress) { part, field, advance in
      var states = part.flatMap { initialState($0).map { Double($0) } }
      let before = part.lowerBound - numbers.lowerBound
      for (index, time) in times.enumerated() where time == start {
        for row in 0..<part.count {
          observe(before + row, index, states.span.extracting(row * size..<(row + 1) * size))
        }
      }
      var field = field
      let rowNormals = normals.map { normals in
        { (row: Int, step: Int) in normals(part.lowerBound + row, step) }
      }
      let statistics = try solver.integrate(
        &field, from: start, to: end, states: &states,
        observe: { step in
          step.forEachState(at: times) { row, index, state in observe(before + row, index, state) }
          try advance(step)
        }, normals: rowNormals)
      samples.append(states, statistics)
    }
    return samples
  }
}
