import Flow
import Kernels
import Network

extension PointFlow {
  /// The exact log-likelihood of points, in nats, by `Likelihood.logDensities`. The divergence is the Jacobian's trace,
  /// by forward tangents: nothing is estimated.
  ///
  /// - Parameter points: [count, dimension].
  /// - Returns: [count].
  /// - Throws: `SolverError`.
  package func logLikelihoods(_ points: [Double], _ solver: Solver) throws -> [Double] {
    try Likelihood.logDensities(
      of: points, under: PointDivergenceField(self, capacity: points.count / dimension), solver: solver
    ).logDensities
  }
}

/// A trained flow of points with its exact divergence.
private final class PointDivergenceField: DivergenceField, Sendable {
  private let network: MLP
  private let parameters: Arena
  private let pool: WorkerPool
  private let workspaces: [Workspace]
  /// No weights are prepared for a forward pass of linear layers.
  private let prepared = Arena(count: 0)
  /// [capacity, dimension] states and velocities, [capacity] times and divergences.
  private let states: Arena
  private let velocities: Arena
  private let times: Arena
  private let divergences: Arena

  init(_ flow: PointFlow, capacity: Int) {
    network = MLP(flow.network.configuration, carriesTangents: true)
    parameters = flow.parameters
    pool = flow.pool
    let plan = network.plan
    workspaces = (0..<flow.pool.threadCount).map { _ in Workspace(plan, forTraining: false) }
    states = Arena(count: capacity * flow.dimension)
    velocities = Arena(count: capacity * flow.dimension)
    times = Arena(count: capacity)
    divergences = Arena(count: capacity)
  }

  var dimension: Int { network.dimension }

  func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>
  ) {
    var divergences = [Double](repeating: 0, count: times.count)
    var span = divergences.mutableSpan
    evaluate(states, times: times, samples: samples, into: &velocities, divergences: &span)
  }

  func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>, divergences: inout MutableSpan<Double>
  ) {
    let (count, inputs, rowTimes) = (times.count, self.states, self.times)
    precondition(states.count == count * dimension && states.count <= inputs.count)
    var narrow = inputs.mutable(inputs.all)
    for i in states.indices { narrow[i] = Float(states[i]) }
    var narrowTimes = rowTimes.mutable(rowTimes.all)
    for row in times.indices { narrowTimes[row] = Float(times[row]) }
    let size = network.microBatchSize
    pool.run((count + size - 1) / size, sharing: (self, count, size)) { shared, microBatch, worker in
      let (field, count, size) = shared
      field.run(microBatch * size..<min((microBatch + 1) * size, count), field.workspaces[worker])
    }
    let (results, traces) = (self.velocities, self.divergences)
    let (values, sums) = (results[results.all], traces[traces.all])
    for i in velocities.indices { velocities[i] = Double(values[i]) }
    for row in divergences.indices { divergences[row] = Double(sums[row]) }
  }

  private func run(_ rows: Range<Int>, _ workspace: Workspace) {
    let (states, velocities, times, divergences) = (states, velocities, times, divergences)
    let activations = workspace.activations
    let elements = states.all.parts(rows, length: dimension)
    copy(states[elements], into: activations.mutable(network.input[0..<rows.count]))
    copy(times[times.all[rows]], into: activations.mutable(network.timesteps[0..<rows.count]))
    network.forwardWithDivergence(
      ForwardPass(count: rows.count, parameters: parameters, prepared: prepared, workspace: workspace),
      divergences: divergences.mutable(divergences.all[rows]))
    copy(activations[network.output[0..<rows.count]], into: velocities.mutable(elements))
  }
}
