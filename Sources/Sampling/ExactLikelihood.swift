import Flow
import Foundation
import Kernels
import Network

extension PointFlow {
  /// The exact log-likelihood of points, in nats: log p₁(x) = log N(x₀; 0, I) − ∫₀¹ div v dt, along the path that ends
  /// at x, solved from t = 1 back to 0 (Chen et al. 2018, the instantaneous change of variables). The divergence is the
  /// Jacobian's trace, by forward tangents: nothing is estimated.
  ///
  /// - Parameter points: [count, dimension].
  /// - Returns: [count].
  /// - Throws: `SolverError`.
  package func logLikelihoods(_ points: [Double], _ solver: Solver) throws -> [Double] {
    let count = points.count / dimension
    let field = PointDivergenceField(self, capacity: count)
    var states: [Double] = []
    for row in 0..<count { states += points[row * dimension..<(row + 1) * dimension] + [0] }
    var mutableField = field
    try solver.integrate(&mutableField, from: 1, to: 0, states: &states)
    return (0..<count).map { row in
      let state = states[row * (dimension + 1)..<(row + 1) * (dimension + 1)]
      let squares = state.dropLast().reduce(0) { $0 + $1 * $1 }
      return -(Double(dimension) * log(2 * .pi) + squares) / 2 + state[state.endIndex - 1]
    }
  }
}

/// The field (v, div v) of a state (x, ℓ): ℓ gathers the divergence along the path of x.
private final class PointDivergenceField: VelocityField, Sendable {
  private let network: MLP
  private let parameters: Arena
  private let pool: WorkerPool
  private let workspaces: [Workspace]
  /// No weights are prepared for a forward pass of linear layers.
  private let prepared = Arena(count: 0)
  /// [capacity, dimension + 1] states and velocities, and [capacity] times.
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
    states = Arena(count: capacity * (flow.dimension + 1))
    velocities = Arena(count: capacity * (flow.dimension + 1))
    times = Arena(count: capacity)
    divergences = Arena(count: capacity)
  }

  var dimension: Int { network.dimension + 1 }

  func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>
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
    let results = self.velocities
    let values = results[results.all]
    for i in velocities.indices { velocities[i] = Double(values[i]) }
  }

  private func run(_ rows: Range<Int>, _ workspace: Workspace) {
    let (states, velocities, times, divergences) = (states, velocities, times, divergences)
    let (inner, activations) = (network.dimension, workspace.activations)
    for (place, row) in rows.enumerated() {
      let state = states.all.part(row, length: inner + 1)
      copy(states[state[0..<inner]], into: activations.mutable(network.input[place]))
    }
    copy(times[times.all[rows]], into: activations.mutable(network.timesteps[0..<rows.count]))
    network.forwardWithDivergence(
      ForwardPass(count: rows.count, parameters: parameters, prepared: prepared, workspace: workspace),
      divergences: divergences.mutable(divergences.all[rows]))
    for (place, row) in rows.enumerated() {
      let velocity = velocities.all.part(row, length: inner + 1)
      copy(activations[network.output[place]], into: velocities.mutable(velocity[0..<inner]))
      copy(
        divergences[divergences.all.part(row, length: 1)],
        into: velocities.mutable(velocity[inner..<inner + 1]))
    }
  }
}
