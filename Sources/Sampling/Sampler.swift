import Flow
import Kernels
import Network

/// Draws images from a trained model, and takes images back to their noise. Image number i depends on the weights, the seed, i and the solver alone:
/// it is the same alone or among a thousand, on any number of threads. (Only `.batch` control, which has one
/// step size for all, makes it depend on the others.)
public final class Sampler {
  public let model: Model
  private let unet: UNet
  private let pool: WorkerPool
  private let workspaces: [Workspace]
  /// The weights as the network reads them.
  private let prepared: Arena

  /// Images that are under way together where they don't depend on each other.
  static let chunkSize = 64

  public convenience init(model: Model, threads: Int) {
    self.init(model: model, pool: WorkerPool(threadCount: threads))
  }

  package convenience init(model: Model, pool: WorkerPool) {
    let unet = model.unet.forSampling
    let plan = unet.plan
    let prepared = Arena(count: plan.forwardWeights.count)
    plan.prepare(model.parameters, forward: prepared, backward: nil, pool: pool)
    self.init(
      model: model, unet: unet, pool: pool, prepared: prepared,
      workspaces: (0..<pool.threadCount).map { _ in Workspace(plan, forTraining: false) })
  }

  /// - Parameters:
  ///   - prepared: the model's prepared weights.
  ///   - workspaces: one for each thread, of the model's plan or one with more in it.
  package convenience init(model: Model, pool: WorkerPool, prepared: Arena, workspaces: [Workspace]) {
    self.init(
      model: model, unet: model.unet.forSampling, pool: pool, prepared: prepared, workspaces: workspaces)
  }

  private init(model: Model, unet: UNet, pool: WorkerPool, prepared: Arena, workspaces: [Workspace]) {
    self.model = model
    self.unet = unet
    self.pool = pool
    self.prepared = prepared
    self.workspaces = workspaces
  }

  public struct Samples: Sendable {
    /// [count, height, width, channels]: images about −1 to 1, or noise.
    public var values: [Float] = []
    /// [count] Evaluations of the network, and steps accepted and rejected, for each image.
    public var evaluations: [Int] = []
    public var accepted: [Int] = []
    public var rejected: [Int] = []
  }

  /// Draws samples: takes their noise from t = 0 to 1.
  ///
  /// - Parameters:
  ///   - numbers: which samples; number i is always the same.
  ///   - labels: the class of each, if the model is conditional.
  ///   - progress: is told how many are done.
  ///   - times: times from 0 to 1 at which the samples are wanted on their way. Asking changes no sample.
  ///   - observe: is lent the state, [height, width, channels], of a sample (counted from the first of
  ///     `numbers`) at `times[index]`, once for each.
  /// - Precondition: where there are times, the solver is adaptive: steps of other methods can't be
  ///   interpolated.
  /// - Throws: `SolverError`.
  public func sample(
    _ numbers: Range<Int>, seed: UInt64, solver: Solver, labels: [Int]? = nil,
    progress: (Int) -> Void = { _ in }, at times: [Double] = [],
    observe: (_ sample: Int, _ index: Int, _ state: Span<Double>) -> Void = { _, _, _ in }
  ) throws -> Samples {
    try integrate(
      numbers.count, numberedFrom: numbers.lowerBound, from: 0, to: 1, solver, labels, progress, at: times,
      observe, initialState: { noise(number: numbers.lowerBound + $0, seed: seed) })
  }

  /// Takes given states along the flow, either way: noise to images (from 0 to 1), or images to the noise
  /// that they come from (from 1 to 0).
  ///
  /// - Parameters:
  ///   - states: [count, height, width, channels], at the time `start`.
  ///   - labels: the class of each, if the model is conditional.
  ///   - progress: is told how many are done.
  /// - Returns: the states at `end`.
  /// - Throws: `SolverError`.
  public func transport(
    _ states: [Float], from start: Double, to end: Double, solver: Solver, labels: [Int]? = nil,
    progress: (Int) -> Void = { _ in }
  ) throws -> Samples {
    let dimension = model.unet.configuration.dimension
    precondition(states.count.isMultiple(of: dimension), "not a whole number of states")
    return try integrate(
      states.count / dimension, numberedFrom: 0, from: start, to: end, solver, labels, progress, at: [],
      { _, _, _ in },
      initialState: { Array(states[$0 * dimension..<($0 + 1) * dimension]) })
  }

  /// - Parameters:
  ///   - firstNumber: of the first sample, for errors.
  ///   - initialState: x at `start` of the state `index`.
  private func integrate(
    _ count: Int, numberedFrom firstNumber: Int, from start: Double, to end: Double, _ solver: Solver,
    _ labels: [Int]?,
    _ progress: (Int) -> Void, at times: [Double],
    _ observe: (_ sample: Int, _ index: Int, _ state: Span<Double>) -> Void,
    initialState: (_ index: Int) -> [Float]
  ) throws -> Samples {
    let dimension = model.unet.configuration.dimension
    precondition(
      times.allSatisfy { (min(start, end)...max(start, end)).contains($0) }, "a time outside the integration")
    if case .fixed = solver { precondition(times.isEmpty, "steps of fixed size can't be interpolated") }
    var samples = Samples()
    samples.values.reserveCapacity(count * dimension)
    let chunkSize = if case .adaptive(_, _, .batch) = solver { count } else { Self.chunkSize }
    var first = 0
    while first < count {
      let chunk = first..<min(first + chunkSize, count)
      var field = field(capacity: chunk.count, labels: labels.map { Array($0[chunk]) })
      var states = chunk.flatMap { initialState($0).map { Double($0) } }
      for (index, time) in times.enumerated() where time == start {
        for row in chunk.indices {
          let elements = (row - first) * dimension..<(row - first + 1) * dimension
          observe(row, index, states.span.extracting(elements))
        }
      }
      let statistics: SolverStatistics
      do {
        statistics = try solver.integrate(&field, from: start, to: end, states: &states) { step in
          step.forEachState(at: times) { row, index, state in observe(first + row, index, state) }
        }
      } catch let error as SolverError {
        throw error.numbered(from: firstNumber + first)
      }
      samples.values += states.map { Float($0) }
      samples.evaluations += statistics.evaluations
      samples.accepted += statistics.accepted
      samples.rejected += statistics.rejected
      first = chunk.upperBound
      progress(first)
    }
    return samples
  }

  /// What states on their way are expected to become: the posterior means E[x₁ | x_t], by
  /// `LinearPath.posteriorMean`. Takes one evaluation of the network each.
  ///
  /// - Parameters:
  ///   - states: [count, height, width, channels].
  ///   - times: [count] t.
  ///   - labels: the class of each, if the model is conditional.
  /// - Returns: [count, height, width, channels].
  /// - Throws: `SolverError` where the network's output is not finite.
  public func posteriorMeans(
    of states: [Float], times: [Double], labels: [Int]? = nil
  ) throws(SolverError) -> [Float] {
    let dimension = model.unet.configuration.dimension
    precondition(states.count == times.count * dimension, "one time for each state")
    let velocities = evaluate(states.map { Double($0) }, times: times, labels: labels).map { Float($0) }
    if let i = velocities.firstIndex(where: { !$0.isFinite }) {
      let row = i / dimension
      throw .nonFiniteVelocity(sample: row, component: i % dimension, time: times[row])
    }
    var means: [Float] = []
    means.reserveCapacity(states.count)
    var mean = [Float](repeating: 0, count: dimension)
    for (row, time) in times.enumerated() {
      let elements = row * dimension..<(row + 1) * dimension
      var span = mean.mutableSpan
      LinearPath.posteriorMean(
        state: states.span.extracting(elements), velocity: velocities.span.extracting(elements),
        time: Float(time), into: &span)
      means += mean
    }
    return means
  }

  /// One evaluation of the network at `count` images of noise: what a solver does many times.
  package func evaluate(count: Int, time: Double) {
    let configuration = model.unet.configuration
    _ = evaluate(
      [Double](repeating: 0.5, count: count * configuration.dimension),
      times: Array(repeating: time, count: count),
      labels: configuration.classCount.map { _ in Array(repeating: 0, count: count) })
  }

  /// u at [count, dimension] states.
  private func evaluate(_ states: [Double], times: [Double], labels: [Int]?) -> [Double] {
    let field = field(capacity: times.count, labels: labels)
    var velocities = states
    var span = velocities.mutableSpan
    field.evaluate(states.span, times: times.span, samples: Array(times.indices).span, into: &span)
    return velocities
  }

  func field(capacity: Int, labels: [Int]?) -> NetworkField {
    precondition(
      (labels != nil) == (model.unet.configuration.classCount != nil), "labels go with a conditional model")
    return NetworkField(
      network: unet, parameters: model.parameters, prepared: prepared, pool: pool, workspaces: workspaces,
      capacity: capacity, labels: labels)
  }

  /// x₀ of a sample, [height, width, channels].
  public func noise(number: Int, seed: UInt64) -> [Float] {
    let noise = Arena(count: model.unet.configuration.dimension)
    Philox.noise(ofSample: number, seed: seed).fillNormals(noise.mutable(noise.all))
    let values = noise[noise.all]
    return values.indices.map { values[$0] }
  }
}
