import ArgumentParser
import Files
import Flow
import Foundation
import Imagery
import Kernels
import Network
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
      "One draw of points, noise and times for all steps, in place of fresh ones."
  )
  var fixedDraw = false

  @Option(help: "Rounds of reflow after the training, which straighten the paths. (default: 0)")
  var reflow: Int?

  @Flag(help: "Train by both objectives, and compare the time to the same held-out likelihood.")
  var compare = false

  @Flag(help: "Print what was found as one JSON object.")
  var json = false

  func validate() throws {
    try require("steps", steps, in: 1...10_000_000)
    try require("batch-size", batchSize, in: 1...65_536)
    try require("learning-rate", learningRate, positiveUpTo: 1)
    try require("reflow", reflow, in: 1...20)
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
    let watch = Stopwatch()
    try createDirectory(output)
    let session = ToySession(self)
    var report: Report
    do {
      report = try compare ? comparison(session) : flow(session)
    } catch let error as SolverError {
      throw RunError(message: "a flow of '\(dataset.rawValue)': \(error)", status: 70)
    }
    report.add("seconds", watch.seconds, digits: 1)
    try Terminal.print(report, json: json)
  }

  private func flow(_ session: ToySession) throws -> Report {
    let trained = try session.train(
      objective, steps: stepCount, fixedDraw: fixedDraw, name: dataset.rawValue)
    let flow = trained.flow
    let pictures = ToyPictures(
      distribution: dataset, flow: flow, pool: session.pool, directory: output, seed: seed)
    var (names, integral) = try pictures.write()
    let losses = try session.heldOutLosses(of: flow)
    var report = Report()
    report.add("dataset", dataset.rawValue)
    report.add("objective", objective.rawValue)
    report.add("network", session.network.configuration.widths.map(\.text).joined(separator: "-"))
    report.add("activation", activation.rawValue)
    report.add("parameters", session.network.parameterCount)
    report.add("steps", stepCount)
    report.add("batch_size", batchSize)
    report.add("learning_rate", learningRate)
    report.add("fixed_draw", fixedDraw)
    report.add("seed", seed)
    report.add("training_seconds", trained.seconds, digits: 1)
    report.add("loss", trained.loss, digits: 4)
    if objective == .flowMatching { report.add("summed_loss", 2 * trained.loss, digits: 4) }
    report.add("held_out_loss", losses.ours, digits: 4)
    report.add("exact_loss", losses.exact, digits: 4)
    report.add(try session.likelihood(of: flow))
    report.add("density_integral", integral, digits: 4)
    if let reflow {
      let flows = try session.reflow(flow, rounds: reflow)
      names.append(try pictures.write(pictures.reflow(flows), "reflow.svg"))
      report.add("reflow", flows.map(\.found))
    }
    report.add("output", output)
    report.add("pictures", names)
    report.notes = [
      objective == .flowMatching
        ? "loss: the mean over examples and components; summed loss: over components, as some tutorials print it"
        : "loss: the mean of -log p in nats",
      "held out loss: of flow matching on fresh examples; exact loss: the exact field's on the same, the least possible",
      "density integral: of the continuity equation's density over the plot",
    ]
    return report
  }

  /// A step by simulation costs about nine of flow matching's (5.0 ms against 0.57 on two cores of a shared machine): a
  /// tenth of the steps takes about as long.
  private func comparison(_ session: ToySession) throws -> Report {
    let curves = [
      try session.curve(.flowMatching, steps: stepCount, batchSize: batchSize),
      try session.curve(.likelihood, steps: max(1, stepCount / 10), batchSize: batchSize),
    ]
    for curve in curves where curve.logLikelihoods.isEmpty {
      throw RunError(
        message: "no likelihood of the \(curve.objective.rawValue) training could be determined; "
          + "pass more --steps or a smaller --learning-rate", status: 70)
    }
    let comparison = ToyComparison(
      dataset: dataset, curves: curves, exact: session.exactLogLikelihood(points: ToyComparison.points))
    var report = comparison.report
    let path = output.appendingPath("compare.svg")
    try comparison.plot.write(to: path, text: report.pictureText("dataset") + [("seed", "\(seed)")])
    report.add("picture", path)
    return report
  }
}

/// What is minimised.
enum ToyObjective: String, ExpressibleByArgument, CaseIterable {
  case flowMatching = "flow-matching"
  case likelihood

  var defaultSteps: Int { self == .flowMatching ? 20_000 : 2000 }
}
