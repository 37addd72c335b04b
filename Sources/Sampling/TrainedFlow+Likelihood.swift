import Flow
import Kernels

/// The directions z along which a divergence is looked at: mean zᵀ(∂u/∂x)z over some with E[z zᵀ] = I.
public struct DivergenceProbes: Sendable {
  public enum Distribution: String, Sendable, CaseIterable {
    /// Signs ±1: the least variance of all distributions of independent components.
    case rademacher
    case gaussian
  }

  /// Nil for the axes.
  let distribution: Distribution?
  let count: Int
  let seed: UInt64
  let draw: Int

  /// Hutchinson's estimate by random directions.
  ///
  /// - Parameters:
  ///   - count: for each sample.
  ///   - draw: each draw has directions of its own.
  public static func random(
    _ distribution: Distribution = .rademacher, count: Int = 1, seed: UInt64, draw: Int = 0
  ) -> DivergenceProbes {
    precondition(count > 0, "\(count) probes")
    return DivergenceProbes(distribution: distribution, count: count, seed: seed, draw: draw)
  }

  /// √d along each of the d axes, whose mean is the divergence itself: for few dimensions, as the work grows with them.
  public static func axes(dimension: Int) -> DivergenceProbes {
    DivergenceProbes(distribution: nil, count: dimension, seed: 0, draw: 0)
  }

  /// A sample's, [count, dimension].
  package func values(sample: Int, dimension: Int) -> [Double] {
    let random = Philox(
      seed: seed, purpose: .likelihoodProbe, step: UInt32(draw), index: UInt32(sample))
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
    case nil:
      precondition(count == dimension, "as many axes as dimensions")
      let length = Double(dimension).squareRoot()
      return (0..<total).map { $0 / dimension == $0 % dimension ? length : 0 }
    }
  }
}

/// Log-densities of samples under a flow, and what the solver did.
public struct LogDensities: Sendable {
  /// [count] log p(x), in nats; by random probes an estimate without bias.
  public fileprivate(set) var values: [Double] = []
  /// [count] Evaluations of the network and, for each probe, of its derivative.
  public fileprivate(set) var evaluations: [Int] = []
  /// [count] Steps.
  public fileprivate(set) var accepted: [Int] = []
  public fileprivate(set) var rejected: [Int] = []
}

extension TrainedFlow {
  /// Log-densities by `Likelihood.logDensities`. That of sample number i depends on weights, probes, i and the solver
  /// alone: it is the same alone or among a thousand, on any number of threads.
  ///
  /// - Parameters:
  ///   - data: [count, height, width, channels]: points, or images with uniform noise of one grey level,
  ///     (k + u)/128 − 1.
  ///   - numbers: theirs, of which the probes depend.
  ///   - labels: the class of each, if the flow is conditional.
  ///   - solver: not with `.batch` control, under which samples would depend on each other.
  ///   - progress: is told which share of the work is done. What it throws ends the work.
  /// - Precondition: the network's input and output have the same channels.
  /// - Throws: `SolverError`, in the samples' numbers; `CancellationError` when the task is cancelled.
  public func logDensities(
    of data: [Float], numbers: Range<Int>, labels: [Int]? = nil, probes: DivergenceProbes, solver: Solver,
    on pool: WorkerPool = WorkerPool(), progress: @escaping (Double) throws -> Void = { _ in }
  ) throws -> LogDensities {
    let size = shape.count
    precondition(network.output.shape == shape, "a flow needs as many channels out as in")
    precondition(data.count == numbers.count * size, "not as many samples as numbers")
    if case .adaptive(_, _, .batch, _) = solver {
      preconditionFailure("a batch's samples depend on each other")
    }
    var found = LogDensities()
    try inParts(
      numbers, solver, labels: labels, probeCount: probes.count, on: pool, progress: progress
    ) { part, field, advance in
      let rows = part.lowerBound - numbers.lowerBound..<part.upperBound - numbers.lowerBound
      let result = try Likelihood.logDensities(
        of: data[rows.lowerBound * size..<rows.upperBound * size].map { Double($0) },
        under: HutchinsonField(
          field, probes: part.flatMap { probes.values(sample: $0, dimension: size) },
          probeCount: probes.count),
        solver: solver, observe: advance)
      found.values += result.logDensities
      found.evaluations += result.statistics.evaluations.map { $0 * networkEvaluations }
      found.accepted += result.statistics.accepted
      found.rejected += result.statistics.rejected
    }
    return found
  }
}
