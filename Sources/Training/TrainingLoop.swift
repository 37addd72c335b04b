import Kernels
import Network
import Sampling

/// What is minimised: a loss of a batch, with its gradient.
package protocol Objective: AnyObject {
  /// The plan whose parameters are learnt.
  var plan: ParameterPlan { get }
  /// The gradient of the last `lossAndGradient`, laid out as the parameters.
  var gradient: Arena { get }
  /// To be called whenever the parameters have changed.
  func parametersChanged(_ parameters: Arena)
  /// The batch's mean loss, and the length of its gradient, which is left in `gradient`.
  func lossAndGradient(_ batch: Batch, parameters: Arena) -> (loss: Double, gradientNorm: Double)
}

/// Training in memory: an optimiser's steps on any network and any source of examples. A `Trainer` makes a run of it.
package final class TrainingLoop {
  package var settings: TrainingSettings
  package let state: TrainingState
  private let objective: any Objective
  private let examples: any ExampleSource
  private let pool: WorkerPool
  private let tasks: UpdateTasks
  /// Whether every step sees the first one's examples, noise and times, as in the 2-D tutorial.
  private let repeatsFirstDraw: Bool
  private var order: (epoch: Int, rows: [UInt32])?

  package init(
    _ objective: any Objective, examples: any ExampleSource, state: TrainingState,
    settings: TrainingSettings, pool: WorkerPool, repeatsFirstDraw: Bool = false
  ) {
    precondition(
      examples.count.map { $0 >= settings.batchSize } ?? true, "a batch is larger than the data")
    self.objective = objective
    self.examples = examples
    self.state = state
    self.settings = settings
    self.pool = pool
    tasks = UpdateTasks(
      objective.plan.parameters, count: objective.plan.count, settings: settings, pool: pool)
    self.repeatsFirstDraw = repeatsFirstDraw
    objective.parametersChanged(state.parameters)
  }

  /// A snapshot of what was learnt so far: of the averaged weights, where the settings average.
  package func flow(of network: any FlowNetwork, notes: [String: String] = [:]) -> TrainedFlow {
    TrainedFlow(
      network, Weights(copying: state.bestParameters), notes: notes, isDequantized: settings.dequantize)
  }

  /// Takes one step.
  ///
  /// - Returns: the loss of its examples before the step, and the gradient's length before clipping.
  /// - Throws: `.diverged`, before the weights are touched.
  package func step() throws(TrainingError) -> (loss: Double, gradientNorm: Double) {
    let (loss, norm) = objective.lossAndGradient(
      batch(afterSteps: state.step), parameters: state.parameters)
    guard loss.isFinite && norm.isFinite else {
      throw .diverged(step: state.step + 1, loss: loss, gradientNorm: norm)
    }
    state.update(settings, gradient: objective.gradient, norm: norm, tasks: tasks, pool: pool)
    objective.parametersChanged(state.parameters)
    return (loss, norm)
  }

  /// The examples of the step after `step` steps: an epoch is ⌊N / batch⌋ steps in a fresh permutation.
  func batch(afterSteps step: Int) -> Batch {
    let (step, size) = (repeatsFirstDraw ? 0 : step, settings.batchSize)
    guard let count = examples.count else {
      return Batch(
        source: examples, rows: Array(repeating: 0, count: size)[...], seed: settings.seed,
        draws: .training(step: step), times: settings.times, labelDropout: settings.labelDropout ?? 0)
    }
    let (epoch, position) = step.quotientAndRemainder(dividingBy: count / size)
    if order?.epoch != epoch {
      let random = Philox(seed: settings.seed, purpose: .shuffle, step: UInt32(epoch))
      order = (epoch, random.permutation(count))
    }
    return Batch(
      source: examples, rows: (order?.rows ?? [])[position * size..<(position + 1) * size],
      seed: settings.seed, draws: .training(step: step), times: settings.times,
      labelDropout: settings.labelDropout ?? 0)
  }
}

public enum TrainingError: Error, CustomStringConvertible {
  case diverged(step: Int, loss: Double, gradientNorm: Double)

  public var description: String {
    switch self {
    case .diverged(let step, let loss, let gradientNorm):
      "training diverged at step \(step) (loss \(loss), gradient norm \(gradientNorm)); a run's last checkpoint "
        + "is kept: begin a new run with a smaller --learning-rate, or one from that checkpoint with --init"
    }
  }
}
