import Foundation
import Imagery
import Kernels
import Network
import Training

/// The cross-entropy of a classifier on a batch, and its gradient, on all threads.
///
///     loss = −log softmax(z)_label,   ∂loss/∂z = softmax(z) − onehot(label)
package final class ClassifierEngine: Objective, Sendable {
  private let network: ImageClassifier
  private let pool: WorkerPool
  private let workspaces: [Workspace]
  private let lanes: GradientLanes
  private let forwardWeights: Arena
  private let backwardWeights: Arena
  /// [maximumBatchSize] The loss of each example.
  private let losses: Arena

  package init(_ network: ImageClassifier, pool: WorkerPool, maximumBatchSize: Int) {
    self.network = network
    self.pool = pool
    workspaces = (0..<pool.threadCount).map { _ in Workspace(network.plan, forTraining: true) }
    lanes = GradientLanes(parameterCount: network.plan.parameters.count)
    forwardWeights = Arena(count: network.plan.forwardWeights.count)
    backwardWeights = Arena(count: network.plan.backwardWeights.count)
    losses = Arena(count: maximumBatchSize)
  }

  package var plan: ParameterPlan { network.plan.parameters }
  package var gradient: Arena { lanes.gradient }

  package func parametersChanged(_ parameters: Arena) {
    network.plan.prepare(
      Weights(reading: parameters), forward: forwardWeights, backward: backwardWeights, pool: pool)
  }

  package func lossAndGradient(_ batch: Batch, parameters: Arena) -> (loss: Double, gradientNorm: Double) {
    let size = network.microBatchSize
    let microBatches = (batch.count + size - 1) / size
    pool.run(lanes.used(microBatches), sharing: (self, batch, parameters, microBatches)) {
      shared, index, worker in
      let (engine, batch, parameters, microBatches) = shared
      engine.lanes.fill(index, microBatches: microBatches) { microBatch, lane in
        let first = microBatch * size
        engine.addGradient(
          batch, first..<min(first + size, batch.count), parameters, engine.workspaces[worker], to: lane)
      }
    }
    return (
      total(losses, count: batch.count) { $0 } / Double(batch.count),
      lanes.sum(microBatches: microBatches, on: pool)
    )
  }

  private func addGradient(
    _ batch: Batch, _ examples: Range<Int>, _ parameters: Arena, _ workspace: Workspace, to lane: Arena
  ) {
    let (activations, gradients) = (workspace.activations, workspace.gradients)
    let (none, losses) = (Arena(count: 0), losses)
    for (i, example) in examples.enumerated() {
      _ = batch.draw(
        example, noise: none.mutable(none.all), data: activations.mutable(network.input[i]))
    }
    let pass = ForwardPass(
      count: examples.count, parameters: Weights(reading: parameters),
      prepared: Weights(reading: forwardWeights), workspace: workspace)
    network.forward(pass)
    for (i, example) in examples.enumerated() {
      guard let label = batch.label(example) else { preconditionFailure("an example without a label") }
      let logits = activations[network.output[i]]
      let probabilities = softmax(logits)
      fill(
        losses.mutable(losses.all.part(example, length: 1)),
        with: Float(-log(max(probabilities[label], 1e-30))))
      var gradient = gradients.mutable(network.output.gradient(i))
      for j in gradient.indices {
        gradient[j] = Float((probabilities[j] - (j == label ? 1 : 0)) / Double(batch.count))
      }
    }
    network.backward(
      toInput: false,
      BackwardPass(forward: pass, prepared: Weights(reading: backwardWeights), parameterGradients: lane))
  }
}

/// exp(z_j) / Σ exp(z_k).
private func softmax(_ logits: Span<Float>) -> [Double] {
  var largest = -Float.infinity
  for i in logits.indices { largest = max(largest, logits[i]) }
  var terms: [Double] = []
  for i in logits.indices { terms.append(exp(Double(logits[i] - largest))) }
  let sum = terms.reduce(0, +)
  return terms.map { $0 / sum }
}

/// Labelled images, each moved by up to a pixel in either direction.
package struct ClassifierExamples: ExampleSource {
  private let dataset: ImageDataset
  private let labels: [UInt8]
  private static let largestShift = 1

  package init(_ dataset: ImageDataset, labels: [UInt8]) { (self.dataset, self.labels) = (dataset, labels) }

  package var count: Int? { dataset.count }
  package var dimension: Int { dataset.imageSize }

  package func label(_ row: Int, _ random: ExampleRandom) -> Int? { Int(labels[row]) }

  /// Writes the image alone. What is moved in is the edge's continuation.
  package func draw(
    _ row: Int, _ random: ExampleRandom, noise: consuming MutableSpan<Float>,
    data: consuming MutableSpan<Float>
  ) {
    let (height, width, channels) = (dataset.height, dataset.width, dataset.channels)
    func shift(_ index: UInt32) -> Int {
      Int(random.noise.uniform(index) * Double(2 * Self.largestShift + 1)) - Self.largestShift
    }
    let (down, right) = (shift(0), shift(1))
    let first = row * dimension
    for y in 0..<height {
      let source = first + min(max(y - down, 0), height - 1) * width * channels
      for x in 0..<width {
        let pixel = source + min(max(x - right, 0), width - 1) * channels
        for channel in 0..<channels {
          data[(y * width + x) * channels + channel] = Pixels.normalized(dataset.pixels[pixel + channel])
        }
      }
    }
  }
}
