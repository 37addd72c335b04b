import Flow
import Kernels
import Network

/// Draws images from a trained model. Image number i depends on the weights, the seed, i and the solver alone:
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
    /// [count, height, width, channels], about −1 to 1.
    public var values: [Float] = []
    /// [count] Evaluations of the network, and steps accepted and rejected, for each image.
    public var evaluations: [Int] = []
    public var accepted: [Int] = []
    public var rejected: [Int] = []
  }

  /// - Parameters:
  ///   - numbers: which samples; number i is always the same.
  ///   - labels: the class of each, if the model is conditional.
  ///   - progress: is told how many are done.
  /// - Throws: `SolverError`.
  public func sample(
    _ numbers: Range<Int>, seed: UInt64, solver: Solver, labels: [Int]? = nil,
    progress: (Int) -> Void = { _ in }
  ) throws -> Samples {
    let configuration = model.unet.configuration
    precondition((labels != nil) == (configuration.classCount != nil), "labels go with a conditional model")
    let dimension = configuration.dimension
    var samples = Samples()
    samples.values.reserveCapacity(numbers.count * dimension)
    let chunkSize = if case .adaptive(_, _, .batch) = solver { numbers.count } else { Self.chunkSize }
    var first = numbers.lowerBound
    while first < numbers.upperBound {
      let chunk = first..<min(first + chunkSize, numbers.upperBound)
      let offset = first - numbers.lowerBound
      var field = field(
        capacity: chunk.count, labels: labels.map { Array($0[offset..<offset + chunk.count]) })
      var states = chunk.flatMap { noise(number: $0, seed: seed, dimension: dimension) }
      let statistics = try solver.integrate(&field, from: 0, to: 1, states: &states)
      samples.values += states.map { Float($0) }
      samples.evaluations += statistics.evaluations
      samples.accepted += statistics.accepted
      samples.rejected += statistics.rejected
      first = chunk.upperBound
      progress(first - numbers.lowerBound)
    }
    return samples
  }

  /// One evaluation of the network at `count` images of noise: what a solver does many times.
  package func evaluate(count: Int, time: Double) {
    let dimension = model.unet.configuration.dimension
    let field = field(
      capacity: count,
      labels: model.unet.configuration.classCount.map { _ in Array(repeating: 0, count: count) })
    let states = [Double](repeating: 0.5, count: count * dimension)
    var velocities = states
    var span = velocities.mutableSpan
    field.evaluate(
      states.span, times: Array(repeating: time, count: count).span, samples: Array(0..<count).span,
      into: &span)
  }

  /// The model's field, for up to `capacity` samples at a time.
  func field(capacity: Int, labels: [Int]?) -> NetworkField {
    NetworkField(
      network: unet, parameters: model.parameters, prepared: prepared, pool: pool, workspaces: workspaces,
      capacity: capacity, labels: labels)
  }

  /// x₀ of a sample.
  func noise(number: Int, seed: UInt64, dimension: Int) -> [Double] {
    let noise = Arena(count: dimension)
    Philox(seed: seed, purpose: .samplingNoise, index: UInt32(number))
      .fillNormals(noise.mutable(noise.all))
    let values = noise[noise.all]
    return values.indices.map { Double(values[$0]) }
  }
}
