import Flow
import Kernels
import Network

/// A trained network as a velocity field: takes the states of any number of samples through it in micro-batches
/// on all threads. A sample's velocity doesn't depend on its neighbours, nor on the number of threads.
final class NetworkField: VelocityField {
  private let unet: UNet
  private let parameters: Arena
  private let prepared: Arena
  private let pool: WorkerPool
  private let workspaces: [Workspace]
  /// The class of each sample, in a conditional network.
  private let labels: [Int]?
  /// States and velocities in Float32, [capacity, dimension], and times.
  private let states: Arena
  private let velocities: Arena
  private let times: Arena

  var dimension: Int { unet.configuration.dimension }

  /// - Parameters:
  ///   - unet: planned for sampling.
  ///   - capacity: the most samples that an evaluation may have.
  ///   - prepared: the model's prepared weights.
  ///   - workspaces: one for each of the pool's threads.
  init(
    unet: UNet, parameters: Arena, prepared: Arena, pool: WorkerPool, workspaces: [Workspace], capacity: Int,
    labels: [Int]?
  ) {
    self.unet = unet
    self.parameters = parameters
    self.prepared = prepared
    self.pool = pool
    self.workspaces = workspaces
    self.labels = labels
    let count = capacity * unet.configuration.dimension
    states = Arena(count: count)
    velocities = Arena(count: count)
    times = Arena(count: capacity)
  }

  func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>
  ) {
    let count = times.count
    let (inputs, outputs, rowTimes) = (self.states, self.velocities, self.times)
    precondition(states.count == count * dimension && states.count <= inputs.count)
    narrow(states, into: inputs.mutable(inputs.all[0..<states.count]), scale: 1)
    narrow(times, into: rowTimes.mutable(rowTimes.all[0..<count]), scale: Double(UNet.timeScale))
    let rowLabels = labels.map { labels in samples.indices.map { labels[samples[$0]] } }
    // Fewer images than threads: one after the other, all threads on each.
    let isSplit = count < pool.threadCount
    let team = isSplit ? ForwardPass.Team(pool, workspaces) : nil
    let size = isSplit ? 1 : min(unet.microBatchSize, (count + pool.threadCount - 1) / pool.threadCount)
    let run: @Sendable (Int, Int) -> Void = {
      [unet, parameters, prepared, workspaces, dimension] microBatch, worker in
      let rows = microBatch * size..<min((microBatch + 1) * size, count)
      let elements = rows.lowerBound * dimension..<rows.upperBound * dimension
      let workspace = workspaces[worker]
      copy(inputs[inputs.all[elements]], into: workspace.activations.mutable(unet.input[0..<rows.count]))
      copy(
        rowTimes[rowTimes.all[rows]], into: workspace.activations.mutable(unet.timesteps[0..<rows.count]))
      unet.forward(
        labels: rowLabels.map { Array($0[rows]) },
        ForwardPass(
          count: rows.count, parameters: parameters, prepared: prepared, workspace: workspace, team: team))
      copy(
        workspace.activations[unet.output[0..<rows.count]], into: outputs.mutable(outputs.all[elements]))
    }
    let microBatches = (count + size - 1) / size
    if isSplit {
      for microBatch in 0..<microBatches { run(microBatch, 0) }
    } else {
      pool.run(microBatches, run)
    }
    let results = outputs[outputs.all[0..<states.count]]
    for i in results.indices { velocities[i] = Double(results[i]) }
  }
}

/// The solver's Double to the network's Float32, scaled.
private func narrow(_ values: Span<Double>, into narrowed: consuming MutableSpan<Float>, scale: Double) {
  for i in values.indices { narrowed[i] = Float(scale * values[i]) }
}
