import Flow
import Kernels
import Network

/// A trained flow of points: a small network, its weights, and the threads and memory to run it.
package final class PointFlow {
  package let network: MLP
  package let parameters: Arena
  package let pool: WorkerPool
  private let workspaces: [Workspace]
  private let prepared: Arena

  /// - Parameter parameters: copied.
  package init(network: MLP, parameters: Arena, pool: WorkerPool) {
    self.network = network
    self.pool = pool
    let own = Arena(count: parameters.count)
    copy(parameters[parameters.all], into: own.mutable(own.all))
    self.parameters = own
    prepared = Arena(count: network.plan.forwardWeights.count)
    network.plan.prepare(own, forward: prepared, backward: nil, pool: pool)
    workspaces = (0..<pool.threadCount).map { _ in Workspace(network.plan, forTraining: false) }
  }

  package var dimension: Int { network.dimension }

  /// The velocity field, for evaluations of up to `capacity` samples.
  package func field(capacity: Int) -> NetworkField {
    NetworkField(
      network: network, parameters: parameters, prepared: prepared, pool: pool, workspaces: workspaces,
      capacity: capacity, labels: nil)
  }

  /// x₀ of samples by their numbers, [count, dimension].
  package func noise(_ numbers: Range<Int>, seed: UInt64) -> [Double] {
    let noise = Arena(count: dimension)
    return numbers.flatMap { number in
      Philox.noise(ofSample: number, seed: seed).fillNormals(noise.mutable(noise.all))
      return (0..<dimension).map { Double(noise[noise.all][$0]) }
    }
  }

  /// Takes states along the flow.
  ///
  /// - Parameter states: [count, dimension], at `start`.
  /// - Returns: those at `end`.
  /// - Throws: `SolverError`.
  package func transport(
    _ states: [Double], from start: Double = 0, to end: Double = 1, _ solver: Solver
  ) throws -> [Double] {
    var field = field(capacity: states.count / dimension)
    var states = states
    try solver.integrate(&field, from: start, to: end, states: &states)
    return states
  }

  /// The states at `steps` + 1 equally spaced times from 0 to 1, each [count, dimension], by RK4 with a step between
  /// two of them.
  package func trajectories(of noise: [Double], steps: Int) throws -> [[Double]] {
    var field = field(capacity: noise.count / dimension)
    var states = noise
    var frames = [noise]
    try Solver.fixed(.rk4, steps: steps).integrate(&field, from: 0, to: 1, states: &states) { step in
      let end = step.endStates
      frames.append(end.indices.map { end[$0] })
    }
    return frames
  }

  /// How far the paths are from straight lines, summed over dimensions: `Straightness`, at equally spaced times.
  package func straightness(of noise: [Double], timesPerPath: Int = 64) throws -> Double {
    let count = noise.count / dimension
    let times = (0..<timesPerPath).map { (Double($0) + 0.5) / Double(timesPerPath) }
    var field = field(capacity: count)
    let paths = try Straightness(
      of: &field, from: noise, times: (0..<count).flatMap { _ in times }, rtol: 1e-5, atol: 1e-5
    ).paths
    return Double(dimension) * paths.reduce(0, +) / Double(count)
  }
}
