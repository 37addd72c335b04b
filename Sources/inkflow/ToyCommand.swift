import ArgumentParser
import Files
import Flow
import Foundation
import Imagery
import Kernels
import Network
import Sampling
import Training

extension PointDistribution: ExpressibleByArgument {}
extension ActivationFunction: ExpressibleByArgument {}

struct ToyCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "toy", abstract: "Flow matching on points in the plane, where everything can be seen.",
    discussion: """
      Trains a small network, 3-64-64-64-2, by the same loss, optimiser and solvers as the images', and draws the \
      data, the samples, the field, the paths, the density and an animation. The likelihood is exact.
      """)

  @Argument(help: "two-clusters, eight-gaussians, moons, checkerboard or spiral.")
  var dataset = PointDistribution.twoClusters

  @Option(help: "The directory for the pictures.")
  var output = "outputs/toy"

  @Option(help: "flow-matching, or likelihood: maximised by simulation, the method before flow matching.")
  var objective = ToyObjective.flowMatching

  @Option(help: "Steps of Adam. (default: 20000; of likelihood, whose steps are longer, 2000)")
  var steps: Int?

  @Option(help: "Examples a step.")
  var batchSize = 256

  @Option(help: "Adam's learning rate.")
  var learningRate = 1e-3

  @Option(help: "Between the layers: elu, silu, tanh or relu.")
  var activation = ActivationFunction.elu

  @Option(help: "Seed of all random numbers.")
  var seed: UInt64 = 0

  @OptionGroup var threads: ThreadsOption

  @Flag(
    help:
      "One draw of points, noise and times for all steps, as the 2-D tutorial has it, in place of fresh ones."
  )
  var fixedDraw = false

  @Option(help: "Rounds of reflow after the training, which straighten the paths. (default: 0)")
  var reflow: Int?

  @Flag(help: "Train by both objectives, and compare the time to the same held-out likelihood.")
  var compare = false

  @Flag(help: "Print what was found as one JSON object.")
  var json = false

  func validate() throws {
    try require(steps.map { (1...10_000_000).contains($0) } ?? true, "--steps must be from 1 to 10000000.")
    try require((1...65_536).contains(batchSize), "--batch-size must be from 1 to 65536.")
    try require(learningRate > 0 && learningRate <= 1, "--learning-rate must be more than 0, at most 1.")
    try require(reflow.map { (1...20).contains($0) } ?? true, "--reflow must be from 1 to 20.")
    if objective == .likelihood {
      try require(
        !fixedDraw, "--fixed-draw goes with flow matching; --objective likelihood draws no noise or times.")
      try require(reflow == nil, "--reflow goes with flow matching; leave out --objective likelihood.")
    }
    if compare {
      try require(
        objective == .flowMatching, "--compare trains by both objectives; leave out --objective.")
      try require(
        !fixedDraw && reflow == nil,
        "--compare trains on fresh draws and doesn't reflow; leave out --fixed-draw and --reflow.")
    }
  }

  /// Steps of the objective.
  var stepCount: Int { steps ?? objective.defaultSteps }

  func run() throws {
    let start = ContinuousClock.now
    try createDirectory(output)
    let session = ToySession(self)
    do {
      if compare { try printComparison(session, since: start) } else { try printFlow(session, since: start) }
    } catch let error as SolverError {
      throw RunError(message: "a flow of '\(dataset.rawValue)': \(error)", status: 70)
    }
  }

  private func printFlow(_ session: ToySession, since start: ContinuousClock.Instant) throws {
    let trained = try session.train(
      objective, from: session.initialParameters, steps: stepCount, fixedDraw: fixedDraw,
      name: dataset.rawValue)
    let flow = trained.flow
    let pictures = ToyPictures(distribution: dataset, flow: flow, directory: output, seed: seed)
    var (names, integral) = try pictures.write()
    let losses = try session.heldOutLosses(of: flow)
    let likelihood = try session.likelihood(of: flow)
    var rounds: [ToyReflowRound]?
    if let reflow {
      let flows = try session.reflow(flow, rounds: reflow)
      try pictures.write(pictures.reflow(flows), "reflow.svg")
      names.append("reflow.svg")
      rounds = flows.map(\.found)
    }
    let summary = ToySummary(
      dataset: dataset.rawValue, objective: objective.rawValue,
      network: session.network.configuration.widths.map { "\($0)" }.joined(separator: "-"),
      activation: activation.rawValue, parameters: session.network.parameterCount, steps: stepCount,
      batchSize: batchSize, learningRate: learningRate, fixedDraw: fixedDraw, seed: seed,
      loss: trained.loss, summedLoss: objective == .flowMatching ? 2 * trained.loss : nil,
      heldOutLoss: losses.ours, exactLoss: losses.exact, likelihood: likelihood,
      densityIntegral: integral, trainingSeconds: trained.seconds,
      seconds: (ContinuousClock.now - start) / .seconds(1), output: output, pictures: names, reflow: rounds)
    print(json ? try jsonText(summary) : summary.text)
  }

  /// A step by simulation costs about nine of flow matching's (5.0 ms against 0.57 on two cores of a shared machine): a
  /// tenth of the steps takes about as long.
  private func printComparison(_ session: ToySession, since start: ContinuousClock.Instant) throws {
    let curves = [
      try session.curve(.flowMatching, steps: stepCount, batchSize: batchSize),
      try session.curve(.likelihood, steps: max(1, stepCount / 10), batchSize: batchSize),
    ]
    for curve in curves where curve.logLikelihoods.isEmpty {
      throw RunError(
        message: "no likelihood of the \(curve.objective.rawValue) training could be determined; "
          + "pass more --steps or a smaller --learning-rate", status: 70)
    }
    let path = (output as NSString).appendingPathComponent("compare.svg")
    let comparison = ToyComparison(
      dataset: dataset, curves: curves, exact: session.exactLogLikelihood(points: ToyComparison.points),
      seconds: (ContinuousClock.now - start) / .seconds(1), picture: path)
    try comparison.plot.write(to: path, text: [("software", "inkflow"), ("seed", "\(seed)")])
    print(json ? try jsonText(comparison) : comparison.text)
  }
}

/// What is minimised.
enum ToyObjective: String, ExpressibleByArgument, CaseIterable, Encodable {
  case flowMatching = "flow-matching"
  case likelihood

  var defaultSteps: Int { self == .flowMatching ? 20_000 : 2000 }
}
