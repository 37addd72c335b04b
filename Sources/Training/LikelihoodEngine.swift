import Foundation
import Kernels
import Network

/// Maximum likelihood by simulation, the method before flow matching (Chen et al. 2018; Grathwohl et al. 2018): the mean
/// of −log p₁(x₁) over a batch, where
///
///     log p₁(x₁) = log N(x₀; 0, I) + ∫₁⁰ div v(x_t, t) dt,   dx/dt = v from x₁ at t = 1 back to x₀,
///
/// is solved by the midpoint rule in a fixed number of steps, and its gradient is that of the steps themselves,
/// backward through all of them ("discretise, then optimise"). The divergence is exact.
///
///     k = v(x, t),   m = x + h/2·k,   x ← x + h·v(m, t + h/2),   ℓ ← ℓ + h·div v(m, t + h/2),   h = −1/steps
package final class LikelihoodEngine: Objective, Sendable {
  /// As many as the samples are drawn with.
  package static let steps = 8
  /// Evaluations of the network for an example, half of them with the divergence.
  package static let evaluations = 2 * steps
  private static let size = -1 / Float(steps)

  /// The same network twice: without tangents for the slope at a step's start, and with them for that at its middle.
  private let plain: MLP
  private let carrier: MLP
  private let pool: WorkerPool
  private let workers: [Worker]
  private let lanes: GradientLanes
  private let backwardWeights: Arena
  /// [maximumBatchSize] −log p₁ of each example.
  private let losses: Arena

  /// One thread's memory: the activations of all steps, as the way back needs them.
  private struct Worker: Sendable {
    let starts: [Workspace]
    let middles: [Workspace]
    /// x, its gradient, and noise that isn't used, [microBatchSize, dimension].
    let states: Arena
    let gradients: Arena
    let noise: Arena
    /// [microBatchSize]
    let divergences: Arena
    let logDeterminants: Arena
  }

  package init(_ configuration: MLP.Configuration, pool: WorkerPool, maximumBatchSize: Int) {
    plain = MLP(configuration)
    carrier = MLP(configuration, carriesTangents: true)
    self.pool = pool
    let (rows, plans) = (plain.microBatchSize, (plain.plan, carrier.plan))
    workers = (0..<pool.threadCount).map { _ in
      Worker(
        starts: (0..<Self.steps).map { _ in Workspace(plans.0, forTraining: true) },
        middles: (0..<Self.steps).map { _ in Workspace(plans.1, forTraining: true) },
        states: Arena(count: rows * configuration.dimension),
        gradients: Arena(count: rows * configuration.dimension),
        noise: Arena(count: rows * configuration.dimension), divergences: Arena(count: rows),
        logDeterminants: Arena(count: rows))
    }
    lanes = GradientLanes(parameterCount: plans.0.parameters.count)
    backwardWeights = Arena(count: plans.0.backwardWeights.count)
    losses = Arena(count: maximumBatchSize)
  }

  package var plan: ParameterPlan { plain.plan.parameters }
  package var gradient: Arena { lanes.gradient }

  package func parametersChanged(_ parameters: Arena) {
    plain.plan.prepare(
      Weights(reading: parameters), forward: Arena(count: 0), backward: backwardWeights, pool: pool)
  }

  package func lossAndGradient(
    _ batch: Batch, parameters: Arena
  ) -> (loss: Double, gradientNorm: Double) {
    precondition(batch.count > 0 && batch.count <= losses.count)
    let microBatches = (batch.count + plain.microBatchSize - 1) / plain.microBatchSize
    pool.run(lanes.used(microBatches), sharing: (self, batch, parameters, microBatches)) {
      shared, index, worker in
      let (engine, batch, parameters, microBatches) = shared
      let worker = engine.workers[worker]
      engine.lanes.fill(index, microBatches: microBatches) { microBatch, lane in
        let count = engine.forward(batch, microBatch, parameters, worker)
        engine.backward(count, of: batch.count, parameters, worker, into: lane)
      }
    }
    return (
      total(losses, count: batch.count) { $0 } / Double(batch.count),
      lanes.sum(microBatches: microBatches, on: pool)
    )
  }

  private func pass(_ count: Int, _ parameters: Arena, _ workspace: Workspace) -> ForwardPass {
    ForwardPass(
      count: count, parameters: Weights(reading: parameters), prepared: .none,
      workspace: workspace)
  }

  /// Solves back from a micro-batch of data and writes each example's −log p.
  ///
  /// - Returns: the number of examples.
  private func forward(
    _ batch: Batch, _ microBatch: Int, _ parameters: Arena, _ worker: Worker
  ) -> Int {
    let first = microBatch * plain.microBatchSize
    let count = min(plain.microBatchSize, batch.count - first)
    let (dimension, states, divergences) = (plain.dimension, worker.states, worker.divergences)
    let (elements, rows) = (states.all[0..<count * dimension], divergences.all[0..<count])
    for i in 0..<count {
      let part = states.all.part(i, length: dimension)
      _ = batch.draw(first + i, noise: worker.noise.mutable(part), data: states.mutable(part))
    }
    let (determinants, losses) = (worker.logDeterminants, losses)
    fill(determinants.mutable(determinants.all), with: 0)
    let h = Self.size
    for step in 0..<Self.steps {
      let time = 1 + h * Float(step)
      let (start, middle) = (worker.starts[step].activations, worker.middles[step].activations)
      copy(states[elements], into: start.mutable(plain.input[0..<count]))
      fill(start.mutable(plain.timesteps[0..<count]), with: time)
      plain.forward(pass(count, parameters, worker.starts[step]))
      copy(states[elements], into: middle.mutable(carrier.input[0..<count]))
      addProduct(
        h / 2, start[plain.output[0..<count]], into: middle.mutable(carrier.input[0..<count]))
      fill(middle.mutable(carrier.timesteps[0..<count]), with: time + h / 2)
      carrier.forwardWithDivergence(
        pass(count, parameters, worker.middles[step]), divergences: divergences.mutable(rows))
      addProduct(h, middle[carrier.output[0..<count]], into: states.mutable(elements))
      addProduct(h, divergences[rows], into: determinants.mutable(rows))
    }
    var results = losses.mutable(losses.all[first..<first + count])
    for i in 0..<count {
      let state = states[states.all.part(i, length: dimension)]
      var squares = Double(dimension) * log(2 * Double.pi)
      for j in state.indices { squares += Double(state[j] * state[j]) }
      results[i] = Float(squares / 2) - determinants[rows][i]
    }
    return count
  }

  /// From dx₀ = x₀/N and dℓ = −1/N back through the steps:
  ///
  ///     dm = (∂v/∂x)ᵀ(h·dx) + h·dℓ·∇div v at the middle,   dx ← dx + dm + (∂v/∂x)ᵀ(h/2·dm) at the start.
  private func backward(
    _ count: Int, of total: Int, _ parameters: Arena, _ worker: Worker, into lane: Arena
  ) {
    let (gradients, divergences) = (worker.gradients, worker.divergences)
    let elements = gradients.all[0..<count * plain.dimension]
    let rows = divergences.all[0..<count]
    let h = Self.size
    fill(gradients.mutable(elements), with: 0)
    addProduct(1 / Float(total), worker.states[elements], into: gradients.mutable(elements))
    fill(divergences.mutable(rows), with: -h / Float(total))
    for step in (0..<Self.steps).reversed() {
      let (start, middle) = (worker.starts[step], worker.middles[step])
      let (startSlope, middleSlope) = (
        plain.output.gradient(0..<count), carrier.output.gradient(0..<count)
      )
      fill(middle.gradients.mutable(middleSlope), with: 0)
      addProduct(h, gradients[elements], into: middle.gradients.mutable(middleSlope))
      carrier.backwardWithDivergence(
        divergences[rows],
        BackwardPass(
          forward: pass(count, parameters, middle), prepared: Weights(reading: backwardWeights),
          parameterGradients: lane))
      let middleState = middle.gradients[carrier.input.gradient(0..<count)]
      add(middleState, into: gradients.mutable(elements))
      fill(start.gradients.mutable(startSlope), with: 0)
      addProduct(h / 2, middleState, into: start.gradients.mutable(startSlope))
      plain.backward(
        toInput: true,
        BackwardPass(
          forward: pass(count, parameters, start), prepared: Weights(reading: backwardWeights),
          parameterGradients: lane))
      add(start.gradients[plain.input.gradient(0..<count)], into: gradients.mutable(elements))
    }
  }
}

/// y += a·x, of the few numbers of some points.
private func addProduct(_ a: Float, _ x: Span<Float>, into y: consuming MutableSpan<Float>) {
  precondition(x.count == y.count)
  for i in x.indices { y[i] += a * x[i] }
}
