import Flow
import Kernels
import Network

/// What is minimised: a loss of a batch, with its gradient.
package protocol Objective: AnyObject {
  /// The gradient of the last `lossAndGradient`, laid out as the parameters.
  var gradient: Arena { get }
  /// To be called whenever the parameters have changed.
  func parametersChanged(_ parameters: Arena)
  /// The batch's mean loss, and the length of its gradient, which is left in `gradient`.
  func lossAndGradient(_ batch: Batch, parameters: Arena) -> (loss: Double, gradientNorm: Double)
}

extension LossEngine: Objective {}

/// Trains a small network on points, step by step, with Adam: the images' loss and optimiser without their runs,
/// checkpoints and epochs.
package final class PointTraining {
  package let settings: TrainingSettings
  package let state: TrainingState
  private let objective: any Objective
  private let source: any ExampleSource
  private let pool: WorkerPool
  /// Whether every step sees the first one's examples, noise and times.
  private let repeatsFirstDraw: Bool
  private var rows: [UInt32]

  /// - Parameters:
  ///   - initial: the parameters to begin with.
  ///   - repeatsFirstDraw: the 2-D tutorial's way: one draw of points, noise and times for all steps.
  package init(
    _ objective: any Objective, source: any ExampleSource, settings: TrainingSettings, initial: Arena,
    pool: WorkerPool, repeatsFirstDraw: Bool = false
  ) {
    self.objective = objective
    self.source = source
    self.settings = settings
    self.pool = pool
    self.repeatsFirstDraw = repeatsFirstDraw
    state = TrainingState(count: initial.count, settings: settings)
    state.initialize(from: initial)
    rows = Array(repeating: 0, count: settings.batchSize)
    objective.parametersChanged(state.parameters)
  }

  /// Adam as the tutorial has it: a constant rate, no decay of weights, no clipping, no average.
  package static func settings(
    steps: Int, batchSize: Int, learningRate: Double, seed: UInt64
  ) -> TrainingSettings {
    var settings = TrainingSettings(recipe: .rectifiedFlow, steps: steps, seed: seed)
    settings.batchSize = batchSize
    settings.learningRate = learningRate
    settings.weightDecay = 0
    settings.gradientClip = .infinity
    return settings
  }

  /// Takes one step.
  ///
  /// - Returns: the loss of its examples before the step.
  /// - Throws: `TrainingError.diverged`.
  package func step() throws(TrainingError) -> Double {
    let draw = repeatsFirstDraw ? 0 : state.step
    for i in rows.indices { rows[i] = UInt32((draw * rows.count + i) % source.count) }
    let batch = Batch(
      source: source, rows: rows[...], seed: settings.seed, draws: .training(step: draw),
      times: settings.times)
    let (loss, norm) = objective.lossAndGradient(batch, parameters: state.parameters)
    guard loss.isFinite && norm.isFinite else {
      throw .diverged(step: state.step + 1, loss: loss, gradientNorm: norm)
    }
    state.update(settings, gradient: objective.gradient, norm: norm, pool: pool)
    objective.parametersChanged(state.parameters)
    return loss
  }
}

extension Batch {
  /// The flow-matching loss of any field on these examples: the trained one's beside the exact one's.
  package func loss<Field: VelocityField & ~Copyable>(of field: inout Field) throws -> Double {
    let dimension = source.dimension
    let (noise, data) = (Arena(count: dimension), Arena(count: dimension))
    var states: [Double] = []
    var times: [Double] = []
    var velocities: [Double] = []
    for index in 0..<count {
      let time = draw(index, noise: noise.mutable(noise.all), data: data.mutable(data.all))
      let t = Double(time)
      for i in 0..<dimension {
        let (x0, x1) = (Double(noise[noise.all][i]), Double(data[data.all][i]))
        states.append((1 - t) * x0 + t * x1)
        velocities.append(x1 - x0)
      }
      times.append(t)
    }
    var predictions = states
    var span = predictions.mutableSpan
    try field.evaluate(states.span, times: times.span, samples: Array(0..<count).span, into: &span)
    let squares = zip(predictions, velocities).reduce(0.0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    return squares / Double(velocities.count)
  }
}
