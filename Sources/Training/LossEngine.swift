import Flow
import Kernels
import Network

/// Computes the flow-matching loss of a batch, and its gradient, on all threads.
///
/// A worker takes whole micro-batches through the network, forward and backward, with no barrier inside.
/// Gradients are gathered in a fixed number of lanes: lane l adds up micro-batches l, l + 4, … in order, and
/// the lanes are added in order. So the sums, and all bits after them, don't depend on the number of threads.
package final class LossEngine: Sendable {
  static let laneCount = 4

  package let network: any FlowNetwork
  package let pool: WorkerPool
  private let workers: [Worker]
  private let lanes: [Arena]
  /// The weights as the passes read them.
  private let forwardWeights: Arena
  private let backwardWeights: Arena
  /// One loss for each example of a batch.
  private let losses: Arena
  /// The gradient in chunks, and each one's length, whose square might not fit a Float32.
  private let chunks: Chunks
  private let chunkNorms: Arena

  /// One thread's memory.
  private struct Worker: Sendable {
    let workspace: Workspace
    /// x₀, x₁ and u = x₁ − x₀ of a micro-batch.
    let noise: Arena
    let data: Arena
    let velocity: Arena
  }

  package init(network: any FlowNetwork, pool: WorkerPool, maximumBatchSize: Int) {
    precondition(network.labels == nil, "batches have no labels for a conditional network")
    self.network = network
    self.pool = pool
    let size = network.microBatchSize * network.dimension
    workers = (0..<pool.threadCount).map { _ in
      Worker(
        workspace: Workspace(network.plan, forTraining: true), noise: Arena(count: size),
        data: Arena(count: size), velocity: Arena(count: size))
    }
    let parameterCount = network.plan.parameters.count
    lanes = (0..<Self.laneCount).map { _ in Arena(count: parameterCount) }
    forwardWeights = Arena(count: network.plan.forwardWeights.count)
    backwardWeights = Arena(count: network.plan.backwardWeights.count)
    losses = Arena(count: maximumBatchSize)
    chunks = Chunks(of: parameterCount)
    chunkNorms = Arena(count: chunks.count)
  }

  /// The gradient of the last `lossAndGradient`, laid out as the parameters.
  package var gradient: Arena { lanes[0] }

  /// To be called whenever the parameters have changed.
  package func parametersChanged(_ parameters: Arena) {
    network.plan.prepare(parameters, forward: forwardWeights, backward: backwardWeights, pool: pool)
  }

  /// The batch's mean loss, and the length of its gradient, which is left in `gradient`.
  package func lossAndGradient(
    _ batch: Batch, parameters: Arena
  ) -> (loss: Double, gradientNorm: Double) {
    let used = min(Self.laneCount, microBatchCount(batch))
    pool.run(used, sharing: (self, batch, parameters)) { shared, index, worker in
      let (engine, batch, parameters) = shared
      let (lane, worker) = (engine.lanes[index], engine.workers[worker])
      fill(lane.mutable(lane.all), with: 0)
      for microBatch in stride(from: index, to: engine.microBatchCount(batch), by: Self.laneCount) {
        let pass = engine.forward(batch, microBatch, parameters, worker)
        engine.backward(batch, microBatch, pass, worker, into: lane)
      }
    }
    pool.run(chunks.count, sharing: (self, used)) { shared, index, _ in
      let (engine, chunk) = (shared.0, shared.0.chunks[index])
      let sum = engine.lanes[0]
      for lane in engine.lanes[1..<shared.1] { add(lane[chunk], into: sum.mutable(chunk)) }
      let norms = engine.chunkNorms
      fill(
        norms.mutable(norms.all.part(index, length: 1)),
        with: Float(sumOfSquares(sum[chunk]).squareRoot()))
    }
    return (meanLoss(batch), total(chunkNorms, count: chunks.count) { $0 * $0 }.squareRoot())
  }

  /// The batch's mean loss without a gradient.
  package func loss(_ batch: Batch, parameters: Arena) -> Double {
    pool.run(microBatchCount(batch), sharing: (self, batch, parameters)) { shared, microBatch, worker in
      let (engine, batch, parameters) = shared
      _ = engine.forward(batch, microBatch, parameters, engine.workers[worker])
    }
    return meanLoss(batch)
  }

  /// Lends prepared weights and the workers' memory, for forward passes between two steps.
  func lend<Result>(
    _ parameters: Arena, _ body: (_ prepared: Arena, _ workspaces: [Workspace]) throws -> Result
  ) rethrows -> Result {
    network.plan.prepare(parameters, forward: forwardWeights, backward: nil, pool: pool)
    return try body(forwardWeights, workers.map(\.workspace))
  }

  private func microBatchCount(_ batch: Batch) -> Int {
    precondition(batch.count > 0 && batch.count <= losses.count)
    return (batch.count + network.microBatchSize - 1) / network.microBatchSize
  }

  private func meanLoss(_ batch: Batch) -> Double {
    total(losses, count: batch.count) { $0 } / Double(batch.count)
  }

  private func total(_ arena: Arena, count: Int, of term: (Double) -> Double) -> Double {
    let values = arena[arena.all[0..<count]]
    var sum = 0.0
    for i in values.indices { sum += term(Double(values[i])) }
    return sum
  }

  /// Draws a micro-batch, runs it through the network and writes each image's loss.
  private func forward(
    _ batch: Batch, _ microBatch: Int, _ parameters: Arena, _ worker: Worker
  ) -> ForwardPass {
    let first = microBatch * network.microBatchSize
    let count = min(network.microBatchSize, batch.count - first)
    let dimension = network.dimension
    let (activations, losses) = (worker.workspace.activations, losses)
    for i in 0..<count {
      let part = worker.noise.all.part(i, length: dimension)
      let time = batch.draw(
        first + i, noise: worker.noise.mutable(part), data: worker.data.mutable(part))
      var state = activations.mutable(network.input[i])
      LinearPath.interpolate(
        noise: worker.noise[part], data: worker.data[part], time: time, into: &state)
      var velocity = worker.velocity.mutable(part)
      LinearPath.velocity(noise: worker.noise[part], data: worker.data[part], into: &velocity)
      fill(activations.mutable(network.timesteps.part(i, length: 1)), with: time * network.timeScale)
    }
    let pass = ForwardPass(
      count: count, parameters: parameters, prepared: forwardWeights, workspace: worker.workspace)
    network.forward(pass)
    for i in 0..<count {
      let loss = FlowMatchingLoss.evaluate(
        prediction: activations[network.output[i]],
        velocity: worker.velocity[worker.velocity.all.part(i, length: dimension)], total: dimension)
      fill(losses.mutable(losses.all.part(first + i, length: 1)), with: Float(loss))
    }
    return pass
  }

  private func backward(
    _ batch: Batch, _ microBatch: Int, _ pass: ForwardPass, _ worker: Worker, into lane: Arena
  ) {
    let (dimension, gradients) = (network.dimension, worker.workspace.gradients)
    for i in 0..<pass.count {
      var gradient = gradients.mutable(network.output.gradient(i))
      FlowMatchingLoss.gradient(
        prediction: worker.workspace.activations[network.output[i]],
        velocity: worker.velocity[worker.velocity.all.part(i, length: dimension)],
        total: batch.count * dimension, into: &gradient)
    }
    network.backward(
      toInput: false, BackwardPass(forward: pass, prepared: backwardWeights, parameterGradients: lane))
  }
}

/// A flat array in slices that fit a cache, for threads to share out.
struct Chunks: Sendable {
  private static let size = 1 << 15
  private let total: Int

  init(of total: Int) { self.total = total }

  var count: Int { (total + Self.size - 1) / Self.size }

  subscript(index: Int) -> Slice {
    Slice(offset: index * Self.size, count: min(Self.size, total - index * Self.size))
  }
}
