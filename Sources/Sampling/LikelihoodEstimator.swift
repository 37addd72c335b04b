import Flow
import Kernels
import Network

/// Estimates the log-densities of images under a trained model. That of image number i depends on weights, seed, i,
/// the draw and the solver alone: it is the same alone or among a thousand, on any number of threads.
public final class LikelihoodEstimator {
  public let model: Model
  private let pool: WorkerPool
  private let workspaces: [Workspace]
  /// The weights as the passes read them.
  private let forwardWeights: Arena
  private let backwardWeights: Arena

  /// Images that are under way together.
  private static let chunkSize = 64

  /// - Precondition: the model's input and output have the same channels.
  public init(model: Model, threads: Int) {
    precondition(model.unet.configuration.inputChannels == model.unet.configuration.outputChannels)
    let plan = model.unet.plan
    self.model = model
    pool = WorkerPool(threadCount: threads)
    workspaces = (0..<threads).map { _ in Workspace(plan, forTraining: true) }
    forwardWeights = Arena(count: plan.forwardWeights.count)
    backwardWeights = Arena(count: plan.backwardWeights.count)
    plan.prepare(model.parameters, forward: forwardWeights, backward: backwardWeights, pool: pool)
  }

  /// Which probes Hutchinson's estimator takes.
  public struct Probes: Sendable {
    public enum Distribution: String, Sendable, CaseIterable {
      /// Signs ±1: the least variance of all distributions of independent components.
      case rademacher
      case gaussian
    }

    public var distribution: Distribution
    /// For each image.
    public var count: Int
    public var seed: UInt64
    /// Each draw has its own.
    public var draw: Int

    public init(_ distribution: Distribution = .rademacher, count: Int = 1, seed: UInt64, draw: Int = 0) {
      precondition(count > 0)
      self.distribution = distribution
      self.count = count
      self.seed = seed
      self.draw = draw
    }

    /// Image number i's, [count, dimension].
    package func values(image: Int, dimension: Int) -> [Double] {
      let random = Philox(
        seed: seed, purpose: .likelihoodProbe, step: UInt32(draw), index: UInt32(image))
      let total = count * dimension
      switch distribution {
      case .rademacher:
        // A bit each: 128 of a block.
        return (0..<total).map { i in
          random[UInt32(i / 128)][i / 32 % 4] >> UInt32(i % 32) & 1 == 0 ? -1 : 1
        }
      case .gaussian:
        let normals = Arena(count: total)
        random.fillNormals(normals.mutable(normals.all))
        let values = normals[normals.all]
        return values.indices.map { Double(values[$0]) }
      }
    }
  }

  public struct Estimates: Sendable {
    /// [count] log p(x), in nats, estimated without bias.
    public var logDensities: [Double] = []
    /// [count] Evaluations of the network and, for each probe, of its derivative.
    public var evaluations: [Int] = []
    /// [count] Steps.
    public var accepted: [Int] = []
    public var rejected: [Int] = []
  }

  /// - Parameters:
  ///   - data: [count, height, width, channels] images with uniform noise of one grey level, (k + u)/128 − 1.
  ///   - numbers: theirs, of which the probes depend.
  ///   - labels: the class of each, if the model is conditional.
  ///   - solver: not with `.batch` control, under which images would depend on each other.
  ///   - progress: is told which share of the work is done.
  /// - Throws: `SolverError`, in the images' numbers.
  public func logDensities(
    of data: [Float], numbers: Range<Int>, labels: [Int]? = nil, probes: Probes, solver: Solver,
    progress: (Double) -> Void = { _ in }
  ) throws -> Estimates {
    let (dimension, classCount) = (model.unet.configuration.dimension, model.unet.configuration.classCount)
    precondition((labels != nil) == (classCount != nil), "labels go with a conditional model")
    precondition(data.count == numbers.count * dimension, "not as many images as numbers")
    if case .adaptive(_, _, .batch) = solver { preconditionFailure("a batch's images depend on each other") }
    var estimates = Estimates()
    var first = numbers.lowerBound
    var integrated = 0.0
    while first < numbers.upperBound {
      let chunk = first..<min(first + Self.chunkSize, numbers.upperBound)
      let rows = first - numbers.lowerBound..<chunk.upperBound - numbers.lowerBound
      let network = NetworkField(
        network: model.unet, parameters: model.parameters, prepared: forwardWeights, pool: pool,
        workspaces: workspaces, capacity: chunk.count, labels: labels.map { Array($0[rows]) },
        derivatives: (backwardWeights, probes.count))
      let field = HutchinsonField(
        network, probes: chunk.flatMap { probes.values(image: $0, dimension: dimension) },
        probeCount: probes.count)
      do {
        let result = try Likelihood.logDensities(
          of: data[rows.lowerBound * dimension..<rows.upperBound * dimension].map { Double($0) },
          under: field, solver: solver
        ) { step in
          integrated += Double(step.samples.count) * abs(step.end - step.start)
          progress(integrated / Double(numbers.count))
        }
        estimates.logDensities += result.logDensities
        estimates.evaluations += result.statistics.evaluations
        estimates.accepted += result.statistics.accepted
        estimates.rejected += result.statistics.rejected
      } catch let error as SolverError {
        throw error.numbered(from: chunk.lowerBound)
      }
      first = chunk.upperBound
    }
    return estimates
  }
}
