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

  package let unet: UNet
  package let pool: WorkerPool
  private let workers: [Worker]
  private let lanes: [Arena]
  /// The weights as the passes read them.
  private let forwardWeights: Arena
  private let backwardWeights: Arena
  /// One loss for each image of a batch.
  private let losses: Arena

  /// One thread's memory.
  private struct Worker: Sendable {
    let workspace: Workspace
    /// x₀, x₁ and u = x₁ − x₀ of a micro-batch.
    let noise: Arena
    let data: Arena
    let velocity: Arena
  }

  package init(unet: UNet, pool: WorkerPool, maximumBatchSize: Int) {
    precondition(unet.labels == nil, "batches have no labels for a conditional network")
    self.unet = unet
    self.pool = pool
    let size = unet.microBatchSize * unet.configuration.dimension
    workers = (0..<pool.threadCount).map { _ in
      Worker(
        workspace: Workspace(unet.plan, forTraining: true), noise: Arena(count: size),
        data: Arena(count: size), velocity: Arena(count: size))
    }
    let parameterCount = unet.plan.parameters.count
    lanes = (0..<Self.laneCount).map { _ in Arena(count: parameterCount) }
    forwardWeights = Arena(count: unet.plan.forwardWeights.count)
    backwardWeights = Arena(count: unet.plan.backwardWeights.count)
    losses = Arena(count: maximumBatchSize)
  }

  /// The gradient of the last `lossAndGradient`, laid out as the parameters.
  package var gradient: Arena { lanes[0] }

  /// To be called whenever the parameters have changed.
  package func parametersChanged(_ parameters: Arena) {
    unet.plan.prepare(parameters, forward: forwardWeights, backward: backwardWeights, pool: pool)
  }

  /// The batch's mean loss; its gradient is left in `gradient`.
  package func lossAndGradient(_ batch: Batch, parameters: Arena) -> Double {
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
    let chunks = Chunks(of: gradient.count)
    pool.run(chunks.count, sharing: (lanes, used, chunks)) { shared, index, _ in
      let (lanes, used, chunk) = (shared.0, shared.1, shared.2[index])
      let sum = lanes[0]
      for lane in lanes[1..<used] { add(lane[chunk], into: sum.mutable(chunk)) }
    }
    return meanLoss(batch)
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
    unet.plan.prepare(parameters, forward: forwardWeights, backward: nil, pool: pool)
    return try body(forwardWeights, workers.map(\.workspace))
  }

  private func microBatchCount(_ batch: Batch) -> Int {
    precondition(batch.count > 0 && batch.count <= losses.count)
    return (batch.count + unet.microBatchSize - 1) / unet.microBatchSize
  }

  private func meanLoss(_ batch: Batch) -> Double {
    let arena = losses
    let losses = arena[arena.all[0..<batch.count]]
    var sum = 0.0
    for i in losses.indices { sum += Double(losses[i]) }
    return sum / Double(batch.count)
  }

  /// Draws a micro-batch, runs it through the network and writes each image's loss.
  private func forward(
    _ batch: Batch, _ microBatch: Int, _ parameters: Arena, _ worker: Worker
  ) -> ForwardPass {
    let first = microBatch * unet.microBatchSize
    let count = min(unet.microBatchSize, batch.count - first)
    let dimension = unet.configuration.dimension
    let (activations, losses) = (worker.workspace.activations, losses)
    for i in 0..<count {
      let part = worker.noise.all.part(i, length: dimension)
      let time = batch.draw(
        first + i, noise: worker.noise.mutable(part), data: worker.data.mutable(part))
      var state = activations.mutable(unet.input[i])
      LinearPath.interpolate(
        noise: worker.noise[part], data: worker.data[part], time: time, into: &state)
      var velocity = worker.velocity.mutable(part)
      LinearPath.velocity(noise: worker.noise[part], data: worker.data[part], into: &velocity)
      fill(activations.mutable(unet.timesteps.part(i, length: 1)), with: time * UNet.timeScale)
    }
    let pass = ForwardPass(
      count: count, parameters: parameters, prepared: forwardWeights, workspace: worker.workspace)
    unet.forward(pass)
    for i in 0..<count {
      let loss = FlowMatchingLoss.evaluate(
        prediction: activations[unet.output[i]],
        velocity: worker.velocity[worker.velocity.all.part(i, length: dimension)], total: dimension)
      fill(losses.mutable(losses.all.part(first + i, length: 1)), with: Float(loss))
    }
    return pass
  }

  private func backward(
    _ batch: Batch, _ microBatch: Int, _ pass: ForwardPass, _ worker: Worker, into lane: Arena
  ) {
    let (dimension, gradients) = (unet.configuration.dimension, worker.workspace.gradients)
    for i in 0..<pass.count {
      var gradient = gradients.mutable(unet.output.gradient(i))
      FlowMatchingLoss.gradient(
        prediction: worker.workspace.activations[unet.output[i]],
        velocity: worker.velocity[worker.velocity.all.part(i, length: dimension)],
        total: batch.count * dimension, into: &gradient)
    }
    unet.backward(BackwardPass(forward: pass, prepared: backwardWeights, parameterGradients: lane))
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
