import Flow
import Foundation
import Kernels
import Network
import Sampling
import Training

/// Trains and measures the flows of one call of `inkflow toy`.
struct ToySession {
  let network: MLP
  let pool: WorkerPool
  private let command: ToyCommand

  init(_ command: ToyCommand) {
    self.command = command
    network = MLP(MLP.Configuration(activation: command.activation))
    pool = WorkerPool(threadCount: command.threads.count)
  }

  struct Trained {
    let flow: PointFlow
    /// The mean of the last twentieth of the steps.
    let loss: Double
    let seconds: Double
  }

  /// PyTorch's initialisation, which every training of the call begins with.
  var initialParameters: Arena {
    let initial = Arena(count: network.plan.parameters.count)
    network.initialize(initial, seed: command.seed)
    return initial
  }

  /// Trains by an objective.
  ///
  /// - Parameters:
  ///   - initial: the weights to begin with.
  ///   - source: nil for fresh points of the distribution.
  ///   - fixedDraw: whether all steps see the first one's examples.
  ///   - name: of what is trained, for the progress line.
  ///   - observe: is told of the flow's weights after each step, and of the seconds that training has taken; its own time
  ///     doesn't count.
  func train(
    _ objective: ToyObjective, from initial: Arena, on source: (any ExampleSource)? = nil, steps: Int,
    fixedDraw: Bool = false, name: String,
    observe: (_ step: Int, _ parameters: Arena, _ seconds: Double) throws -> Void = { _, _, _ in }
  ) throws -> Trained {
    let engine: any Objective =
      switch objective {
      case .flowMatching: LossEngine(network: network, pool: pool, maximumBatchSize: command.batchSize)
      case .likelihood:
        LikelihoodEngine(network.configuration, pool: pool, maximumBatchSize: command.batchSize)
      }
    let settings = PointTraining.settings(
      steps: steps, batchSize: command.batchSize, learningRate: command.learningRate, seed: command.seed)
    let training = PointTraining(
      engine, source: source ?? PointExamples(command.dataset), settings: settings, initial: initial,
      pool: pool, repeatsFirstDraw: fixedDraw)
    let tail = max(1, steps / 20)
    var (sum, seconds) = (0.0, 0.0)
    var progress = ProgressLine()
    defer { progress.finish() }
    for step in 1...steps {
      let start = ContinuousClock.now
      let loss = try Self.step(training)
      seconds += (ContinuousClock.now - start) / .seconds(1)
      if step > steps - tail { sum += loss }
      progress.show(
        "\(name): step \(step)/\(steps), loss \(Terminal.fixed(loss, 4))",
        fraction: Double(step) / Double(steps))
      try observe(step, training.state.parameters, seconds)
    }
    return Trained(flow: flow(training.state.parameters), loss: sum / Double(tail), seconds: seconds)
  }

  /// - Parameter parameters: copied.
  func flow(_ parameters: Arena) -> PointFlow {
    PointFlow(network: network, parameters: parameters, pool: pool)
  }

  /// A step whose failure says what a small run can do about it.
  private static func step(_ training: PointTraining) throws -> Double {
    do {
      return try training.step()
    } catch {
      throw RunError(
        message: "training diverged at step \(training.state.step + 1); pass a smaller --learning-rate",
        status: 70)
    }
  }

  // MARK: Reflow

  /// The flow and what `rounds` of reflow make of it (Liu et al. 2022): pairs of noise and where the flow takes it, on
  /// which the same weights learn on, without pairing them anew.
  func reflow(_ first: PointFlow, rounds: Int) throws -> [(flow: PointFlow, found: ToyReflowRound)] {
    var flows = [(flow: first, found: try measure(first, round: 0))]
    let count = 32_768
    for round in 1...rounds {
      let flow = flows[round - 1].flow
      // Not the noise that the measures and pictures use.
      let noise = flow.noise(1_000_000 + round * count..<1_000_000 + (round + 1) * count, seed: command.seed)
      let data = try flow.transport(noise, .adaptive(rtol: 1e-4, atol: 1e-4))
      let trained = try train(
        .flowMatching, from: flow.parameters,
        on: PairExamples(noise: noise, data: data, dimension: network.dimension), steps: command.stepCount,
        name: "reflow \(round)")
      flows.append((trained.flow, try measure(trained.flow, round: round)))
    }
    return flows
  }

  private func measure(_ flow: PointFlow, round: Int) throws -> ToyReflowRound {
    let noise = flow.noise(0..<4096, seed: command.seed)
    let full = try flow.transport(noise, .adaptive(rtol: 1e-5, atol: 1e-5))
    let oneStep = try flow.transport(noise, .fixed(.euler, steps: 1))
    let squares = zip(full, oneStep).reduce(0.0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    return ToyReflowRound(
      round: round, straightness: try flow.straightness(of: noise),
      oneStepError: (squares / Double(noise.count / network.dimension)).squareRoot(),
      likelihood: try likelihood(of: flow))
  }

  // MARK: Measures

  /// The flow-matching loss on examples that training never sees, and the exact field's on the same.
  func heldOutLosses(of flow: PointFlow) throws -> (ours: Double, exact: Double?) {
    let count = 16_384
    let batch = Batch(
      source: PointExamples(command.dataset), rows: Array(repeating: 0, count: count)[...],
      seed: command.seed, draws: .heldOut, times: .independent)
    var field = flow.field(capacity: count)
    let ours = try batch.loss(of: &field)
    guard var mixture = command.dataset.mixture else { return (ours, nil) }
    return (ours, try batch.loss(of: &mixture))
  }

  /// The held-out log-likelihood, solved twice: a coarse solve lies.
  func likelihood(
    of flow: PointFlow, points count: Int = 2000, tolerance: Double = 1e-5
  ) throws -> ToyLikelihood {
    let points = command.dataset.heldOutPoints(count, seed: command.seed)
    func values(_ tolerance: Double) throws -> [Double] {
      try flow.logLikelihoods(points, .adaptive(rtol: tolerance, atol: tolerance))
    }
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(count) }
    let first = try values(tolerance)
    let average = mean(first)
    let difference = abs(average - mean(try values(tolerance / 2)))
    let variance = first.reduce(0) { $0 + ($1 - average) * ($1 - average) } / Double(max(count - 1, 1))
    return ToyLikelihood(
      points: count, mean: difference <= ToyLikelihood.allowedDifference ? average : nil,
      standardError: (variance / Double(count)).squareRoot(), difference: difference, tolerance: tolerance,
      exact: exactLogLikelihood(points: count))
  }

  /// The data's own density on the same points, where it is known.
  func exactLogLikelihood(points count: Int) -> Double? {
    let points = command.dataset.heldOutPoints(count, seed: command.seed)
    let logs = stride(from: 0, to: points.count, by: 2).compactMap { i in
      command.dataset.logDensity(points[i..<i + 2].span)
    }
    return logs.isEmpty ? nil : logs.reduce(0, +) / Double(count)
  }
}
