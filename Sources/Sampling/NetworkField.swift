import Flow
import Kernels
import Network

/// A trained network as a velocity field: takes the states of any number of samples through it in micro-batches
/// on all threads. A sample's velocity doesn't depend on its neighbours, nor on the number of threads.
package final class NetworkField: VelocityField, Sendable {
  private let network: any FlowNetwork
  private let parameters: Arena
  private let prepared: Arena
  private let pool: WorkerPool
  private let workspaces: [Workspace]
  /// The class of each sample, in a conditional network.
  private let labels: [Int]?
  /// States and velocities in Float32, [capacity, dimension], times and classes, [capacity].
  private let states: Arena
  private let velocities: Arena
  private let times: Arena
  private let classes: Arena
  /// All threads on one image, for where images are fewer than threads.
  private let team: ForwardPass.Team

  package var dimension: Int { network.dimension }

  /// - Parameters:
  ///   - network: planned for sampling.
  ///   - capacity: the most samples that an evaluation may have.
  ///   - prepared: the model's prepared weights.
  ///   - workspaces: one for each of the pool's threads.
  package init(
    network: any FlowNetwork, parameters: Arena, prepared: Arena, pool: WorkerPool, workspaces: [Workspace], capacity: Int,
    labels: [Int]?
  ) {
    self.network = network
    self.parameters = parameters
    self.prepared = prepared
    self.pool = pool
    self.workspaces = workspaces
    self.labels = labels
    let count = capacity * network.dimension
    states = Arena(count: count)
    velocities = Arena(count: count)
    times = Arena(count: capacity)
    classes = Arena(count: capacity)
    team = ForwardPass.Team(pool, workspaces)
  }

  package func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>
  ) {
    let count = times.count
    let (inputs, outputs, rowTimes, classes) = (self.states, self.velocities, self.times, self.classes)
    precondition(states.count == count * dimension && states.count <= inputs.count)
    narrow(states, into: inputs.mutable(inputs.all[0..<states.count]), scale: 1)
    narrow(times, into: rowTimes.mutable(rowTimes.all[0..<count]), scale: Double(network.timeScale))
    if let labels {
      var rows = classes.mutable(classes.all)
      for row in 0..<count { rows[row] = Float(labels[samples[row]]) }
    }
    // Fewer images than threads: one after the other, all threads on each.
    if count < pool.threadCount {
      for row in 0..<count { run(row..<row + 1, on: workspaces[0], team) }
    } else {
      let size = min(network.microBatchSize, (count + pool.threadCount - 1) / pool.threadCount)
      pool.run((count + size - 1) / size, sharing: (self, count, size)) { shared, microBatch, worker in
        let (field, count, size) = shared
        field.run(
          microBatch * size..<min((microBatch + 1) * size, count), on: field.workspaces[worker], nil)
      }
    }
    let results = outputs[outputs.all[0..<states.count]]
    for i in results.indices { velocities[i] = Double(results[i]) }
  }

  /// Takes some rows through the network.
  private func run(_ rows: Range<Int>, on workspace: Workspace, _ team: ForwardPass.Team?) {
    let (activations, states, velocities) = (workspace.activations, states, velocities)
    let (times, classes) = (times, classes)
    let elements = states.all.parts(rows, length: dimension)
    copy(states[elements], into: activations.mutable(network.input[0..<rows.count]))
    copy(times[times.all[rows]], into: activations.mutable(network.timesteps[0..<rows.count]))
    if let place = network.labels {
      copy(classes[classes.all[rows]], into: activations.mutable(place[0..<rows.count]))
    }
    network.forward(
      ForwardPass(
        count: rows.count, parameters: parameters, prepared: prepared, workspace: workspace, team: team))
    copy(activations[network.output[0..<rows.count]], into: velocities.mutable(elements))
  }
}

/// The solver's Double to the network's Float32, scaled.
private func narrow(_ values: Span<Double>, into narrowed: consuming MutableSpan<Float>, scale: Double) {
  for i in values.indices { narrowed[i] = Float(scale * values[i]) }
}
