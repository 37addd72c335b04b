import Flow
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
    pool = command.threads.pool
  }

  struct Trained {
    let flow: TrainedFlow
    /// The mean of the last twentieth of the steps.
    let loss: Double
    let seconds: Double
  }

  /// Adam as in the 2-D tutorial (`docs/equations.md`): a constant rate, no decay of weights, no clipping, no average.
  private func settings(steps: Int) -> TrainingSettings {
    var settings = TrainingSettings(recipe: .rectifiedFlow, steps: steps, seed: command.seed)
    settings.batchSize = command.batchSize
    settings.learningRate = command.learningRate
    settings.weightDecay = 0
    settings.gradientClip = .infinity
    return settings
  }

  /// Trains by an objective.
  ///
  /// - Parameters:
  ///   - initial: the flow to begin with; nil for PyTorch's initialisation, the same for every training of the call.
  ///   - examples: nil for fresh points of the distribution.
  ///   - name: of what is trained, for the progress line.
  ///   - observe: is told of each step and of the seconds that training has taken, its own not counted; `flow` is a
  ///     snapshot.
  func train(
    _ objective: ToyObjective, from initial: TrainedFlow? = nil, on examples: (any ExampleSource)? = nil,
    steps: Int, fixedDraw: Bool = false, name: String,
    observe: (_ step: Int, _ flow: () -> TrainedFlow, _ seconds: Double) throws -> Void = { _, _, _ in }
  ) throws -> Trained {
    let engine: any Objective =
      switch objective {
      case .flowMatching: LossEngine(network: network, pool: pool, maximumBatchSize: command.batchSize)
      case .likelihood:
        LikelihoodEngine(network.configuration, pool: pool, maximumBatchSize: command.batchSize)
      }
    let weights = initial?.weights ?? Weights(reading: network.initialParameters(seed: command.seed))
    let settings = settings(steps: steps)
    let loop = TrainingLoop(
      engine, examples: examples ?? PointExamples(command.dataset),
      state: TrainingState(from: weights, settings: settings), settings: settings, pool: pool,
      repeatsFirstDraw: fixedDraw)
    let tail = max(1, steps / 20)
    var (sum, seconds) = (0.0, 0.0)
    var progress = ProgressLine()
    for step in 1...steps {
      let watch = Stopwatch()
      let loss: Double
      do {
        loss = try loop.step().loss
      } catch {
        throw RunError(
          message: "training diverged at step \(step); pass a smaller --learning-rate", status: 70)
      }
      seconds += watch.seconds
      if step > steps - tail { sum += loss }
      try progress.show(
        "\(name): step \(step)/\(steps), loss \(Terminal.fixed(loss, 4))",
        fraction: Double(step) / Double(steps))
      try observe(step, { loop.flow(of: network) }, seconds)
    }
    return Trained(flow: loop.flow(of: network), loss: sum / Double(tail), seconds: seconds)
  }

  // MARK: Reflow

  /// The flow and what `rounds` of reflow make of it (Liu et al. 2022): pairs of noise and where the flow takes it, on
  /// which the same weights learn on, without pairing them anew. Round 0 is the flow before.
  func reflow(_ first: TrainedFlow, rounds: Int) throws -> [(flow: TrainedFlow, found: Report)] {
    var flows = [(flow: first, found: try measure(first, round: 0))]
    let (count, tolerance) = (32_768, 1e-4)
    for round in 1...rounds {
      let flow = flows[round - 1].flow
      // Not the noise that the measures and pictures use.
      let number = 1_000_000 + round * count
      let solver = Solver.adaptive(rtol: tolerance, atol: tolerance)
      let ends = try flow.sample(
        number..<number + count, seed: command.seed, solver: solver, on: pool, progress: Self.check)
      let origin = ReflowPairs.Origin(
        model: flow.checksum, seed: command.seed, first: number, solver: "\(solver)")
      let pairs = ReflowPairs(origin: origin, ends: ends.values, dimension: network.dimension)
      let trained = try train(
        .flowMatching, from: flow, on: pairs, steps: command.stepCount, name: "reflow \(round)")
      flows.append((trained.flow, try measure(trained.flow, round: round)))
    }
    return flows
  }

  private func measure(_ flow: TrainedFlow, round: Int) throws -> Report {
    let count = 4096
    let (samples, straightness) = try flow.straightness(
      0..<count, seed: command.seed, rtol: 1e-5, atol: 1e-5, timesPerPath: 64, on: pool, progress: Self.check)
    let oneStep = try flow.sample(
      0..<count, seed: command.seed, solver: .fixed(.euler, steps: 1), on: pool, progress: Self.check)
    let squares = zip(samples.values, oneStep.values).reduce(0.0) { sum, pair in
      let difference = Double(pair.0 - pair.1)
      return sum + difference * difference
    }
    var report = Report()
    report.add("round", round)
    // Summed over the dimensions, as in the article.
    let mean = straightness.reduce(0, +) / Double(count)
    report.add("straightness", Double(network.dimension) * mean, digits: 4)
    report.add("one_step_error", (squares / Double(count)).squareRoot(), digits: 4)
    report.add(try likelihood(of: flow))
    return report
  }

  // MARK: Measures

  /// Solves without a progress line of their own look for Ctrl-C too.
  static let check: @Sendable (Double) throws -> Void = { _ in try Interruption.check() }

  /// The flow-matching loss on examples that training never sees, and the exact field's on the same.
  func heldOutLosses(of flow: TrainedFlow) throws -> (ours: Double, exact: Double?) {
    let count = 16_384
    let batch = Batch(
      source: PointExamples(command.dataset), rows: Array(repeating: 0, count: count)[...],
      seed: command.seed, draws: .heldOut, times: .independent)
    var field = flow.field(capacity: count, on: pool)
    let ours = try batch.loss(of: &field)
    guard var mixture = command.dataset.mixture else { return (ours, nil) }
    return (ours, try batch.loss(of: &mixture))
  }

  /// The held-out log-likelihood with the exact divergence, solved twice: a coarse solve lies.
  func likelihood(
    of flow: TrainedFlow, points count: Int = 2000, tolerance: Double = 1e-5
  ) throws -> ToyLikelihood {
    let points = command.dataset.heldOutPoints(count, seed: command.seed)
    func values(_ tolerance: Double) throws -> [Double] {
      try flow.logDensities(
        of: points, numbers: 0..<count, probes: .axes(dimension: network.dimension),
        solver: .adaptive(rtol: tolerance, atol: tolerance), on: pool, progress: Self.check
      ).values
    }
    return ToyLikelihood(
      estimate: LikelihoodEstimate(
        coarse: try values(tolerance), fine: try values(tolerance / 2), drawCount: 1),
      tolerance: tolerance, exact: exactLogLikelihood(points: count))
  }

  /// The data's own density on the same points, where it is known.
  func exactLogLikelihood(points count: Int) -> Double? {
    let points = command.dataset.heldOutPoints(count, seed: command.seed).map { Double($0) }
    let logs = stride(from: 0, to: points.count, by: 2).compactMap { i in
      command.dataset.logDensity(points[i..<i + 2].span)
    }
    return logs.isEmpty ? nil : logs.reduce(0, +) / Double(count)
  }
}

/// The mean log-likelihood of held-out points in nats, or why it can't be told.
struct ToyLikelihood {
  /// In nats, of solves at the tolerance and at half of it.
  let estimate: LikelihoodEstimate
  let tolerance: Double
  /// The data's own, on the same points.
  let exact: Double?

  /// Nil where the two solves don't agree.
  var mean: Double? { estimate.isReliable ? estimate.mean : nil }

  fileprivate var report: Report {
    var report = Report()
    report.add("mean", mean)
    report.add("standard_error", estimate.standardError)
    report.add("exact", exact)
    report.add("points", estimate.byImage.count)
    report.add("tolerance", tolerance)
    report.add("difference", estimate.difference)
    return report
  }

  fileprivate var text: String {
    guard let mean else {
      return
        "not determined: solves at \(tolerance) and half of it differ by "
        + "\(Terminal.fixed(estimate.difference, 4)) nats a point"
    }
    return "\(Terminal.fixed(mean, 4)) ± \(Terminal.fixed(estimate.standardError ?? 0, 4)) nats a point"
      + (exact.map {
        ", the data's density \(Terminal.fixed($0, 4)) on the same \(estimate.byImage.count) points"
      } ?? "")
  }
}

extension Report {
  mutating func add(_ likelihood: ToyLikelihood) {
    add("likelihood", likelihood.report, as: likelihood.text)
  }
}
