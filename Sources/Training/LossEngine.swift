import Flow
import Kernels
import Network

/// Computes the flow-matching loss of a batch, and its gradient, on all threads.
///
/// A worker takes whole micro-batches through the network, forward and backward, with no barrier inside.
package final class LossEngine: Objective, Sendable {
  package let network: any FlowNetwork
  package let pool: WorkerPool
  private let loss: TrainingSettings.Loss
  private let workers: [Worker]
  private let lanes: GradientLanes
  /// The weights as the passes read them.
  private let forwardWeights: Arena
  private let backwardWeights: Arena
  /// [maximumBatchSize] The loss of each example.
  private let losses: Arena

  /// One thread's memory.
  private struct Worker: Sendable {
    let workspace: Workspace
    /// [microBatchSize, dimension] x₀, x₁ and u = x₁ − x₀.
    let noise: Arena
    let data: Arena
    let velocity: Arena
  }

  /// - Parameter loss: what the gradient is of.
  package init(
    network: any FlowNetwork, pool: WorkerPool, maximumBatchSize: Int, loss: TrainingSettings.Loss = .square
  ) {
    self.network = network
    self.pool = pool
    self.loss = loss
    let size = network.microBatchSize * network.dimension
    workers = (0..<pool.threadCount).map { _ in
      Worker(
        workspace: Workspace(network.plan, forTraining: true), noise: Arena(count: size),
        data: Arena(count: size), velocity: Arena(count: size))
    }
    lanes = GradientLanes(parameterCount: network.plan.parameters.count)
    forwardWeights = Arena(count: network.plan.forwardWeights.count)
    backwardWeights = Arena(count: network.plan.backwardWeights.count)
    losses = Arena(count: maximumBatchSize)
  }

  package var plan: ParameterPlan { network.plan.parameters }

  /// The gradient of the last `lossAndGradient`, laid out as the parameters.
  package var gradient: Arena { lanes.gradient }

  /// To be called whenever the parameters have changed.
  package func parametersChanged(_ parameters: Arena) {
    network.plan.prepare(
      Weights(reading: parameters), forward: forwardWeights, backward: backwardWeights, pool: pool)
  }

  /// The batch's mean loss, and the length of its gradient, which is left in `gradient`.
  package func lossAndGradient(
    _ batch: Batch, parameters: Arena
  ) -> (loss: Double, gradientNorm: Double) {
    let microBatches = microBatchCount(batch)
    pool.run(lanes.used(microBatches), sharing: (self, batch, parameters)) { shared, index, worker in
      let (engine, batch, parameters) = shared
      let worker = engine.workers[worker]
      engine.lanes.fill(index, microBatches: engine.microBatchCount(batch)) { microBatch, lane in
        let pass = engine.forward(batch, microBatch, parameters, worker)
        engine.backward(batch, microBatch, pass, worker, into: lane)
      }
    }
    return (meanLoss(batch), lanes.sum(microBatches: microBatches, on: pool))
  }

  /// The batch's mean loss without a gradient.
  package func loss(_ batch: Batch, parameters: Arena) -> Double {
    let losses = exampleLosses(batch, parameters: parameters)
    return losses.reduce(0, +) / Double(losses.count)
  }

  /// [count] The loss of each example, without a gradient.
  package func exampleLosses(_ batch: Batch, parameters: Arena) -> [Double] {
    pool.run(microBatchCount(batch), sharing: (self, batch, parameters)) { shared, microBatch, worker in
      let (engine, batch, parameters) = shared
      _ = engine.forward(batch, microBatch, parameters, engine.workers[worker])
    }
    let arena = losses
    var values: [Double] = []
    for i in 0..<batch.count { values.append(Double(arena[arena.all][i])) }
    return values
  }

  private func microBatchCount(_ batch: Batch) -> Int {
    precondition(batch.count > 0 && batch.count <= losses.count)
    return (batch.count + network.microBatchSize - 1) / network.microBatchSize
  }

  private func meanLoss(_ batch: Batch) -> Double {
    total(losses, count: batch.count) { $0 } / Double(batch.count)
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
      if let labels = network.labels {
        guard let label = batch.label(first + i, unconditionalClass: network.unconditionalClass)
        else {
          preconditionFailure("a conditional network learns from examples with labels")
        }
        fill(activations.mutable(labels.part(i, length: 1)), with: Float(label))
      }
    }
    let pass = ForwardPass(
      count: count, parameters: Weights(reading: parameters), prepared: Weights(reading: forwardWeights),
      workspace: worker.workspace)
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
    let (first, losses) = (microBatch * network.microBatchSize, losses)
    for i in 0..<pass.count {
      let slope =
        switch loss {
        case .square: 1.0
        case .pseudoHuber:
          FlowMatchingLoss.pseudoHuberSlope(meanSquare: Double(losses[losses.all][first + i]))
        }
      var gradient = gradients.mutable(network.output.gradient(i))
      FlowMatchingLoss.gradient(
        prediction: worker.workspace.activations[network.output[i]],
        velocity: worker.velocity[worker.velocity.all.part(i, length: dimension)],
        total: batch.count * dimension, slope: slope, into: &gradient)
    }
    network.backward(
      toInput: false,
      BackwardPass(forward: pass, prepared: Weights(reading: backwardWeights), parameterGradients: lane))
  }
}
