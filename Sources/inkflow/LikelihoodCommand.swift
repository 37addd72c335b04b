import ArgumentParser
import Files
import Flow
import Foundation
import Imagery
import Network
import Sampling

struct LikelihoodCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "likelihood", abstract: "Measure a model's likelihood of images, in bits per dimension.",
    discussion: """
      The flow is solved from each image back to noise, with Hutchinson's estimate of its divergence along the \
      way. Pixels get uniform noise of one grey level, x = (k + u)/128 - 1, so the mean is an upper bound of the \
      bits that the grey levels take. Every solve is repeated at half the tolerances, which gives the number \
      printed; where the two disagree, none is. The picture shows what the model expects and what surprises it.
      """)

  @OptionGroup var model: ModelOptions

  @Argument(help: "mnist, fashion-mnist, synthetic, or a directory with IDX files.")
  var dataset: String

  @Option(help: "How many images.")
  var count = 100

  @Option(help: "The number of the first image.")
  var first = 0

  @Option(help: "The part of the data: train or test.")
  var split = ImageDataset.Split.test

  @Option(help: "Probes of the divergence, for each image and draw.")
  var probes = 1

  @Option(help: "How often each image is taken, with other noise and other probes.")
  var draws = 1

  @Option(help: "The probes' distribution: rademacher (signs) or gaussian.")
  var probe = LikelihoodEstimator.Probes.Distribution.rademacher

  @Option(help: "Relative tolerance of the solver (rk45), of the first of the two solves.")
  var rtol = 1e-3

  @Option(help: "Absolute tolerance, the same.")
  var atol = 1e-3

  @Option(help: "Seed of noise and probes.")
  var seed: UInt64 = 0

  @Option(help: "Draw the images as PNG, the most likely first, in rows of 20.")
  var output: String?

  @OptionGroup var threads: ThreadsOption

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    try require((1...1_000_000).contains(count), "--count must be from 1 to 1000000.")
    try require((0...1_000_000_000).contains(first), "--first must be from 0 to 1000000000.")
    try require((1...1000).contains(probes), "--probes must be from 1 to 1000.")
    try require((1...1000).contains(draws), "--draws must be from 1 to 1000.")
    try requireTolerances(rtol: rtol, atol: atol)
  }

  private var numbers: Range<Int> { first..<first + count }

  func run() throws {
    let start = ContinuousClock.now
    let opened = try model.open()
    try requireWritable([output])
    let images = try ImageDataset.load(dataset, split: split)
    try SourceImages.check(images, numbers, named: dataset, for: opened.model.unet.configuration)
    let labels = try labels(images, opened)
    noteDequantization(opened)
    let estimator = LikelihoodEstimator(model: opened.model, threads: threads.count)
    let solves = try solve(estimator, opened, images, labels)
    let estimate = LikelihoodEstimate(coarse: solves[0].bits, fine: solves[1].bits, drawCount: draws)
    guard estimate.isReliable else {
      throw RunError(
        message: """
          no likelihood of '\(opened.path)': the solves at rtol \(rtol), atol \(atol) and at half of both differ by \
          \(Terminal.fixed(estimate.difference, 4)) bits/dim an image, more than the \
          \(Terminal.fixed(estimate.allowedDifference, 4)) allowed; pass smaller --rtol and --atol
          """, status: 65)
    }
    let summary = Summary(
      estimate, self, checkpoint: opened.path, weights: opened.model.notes["weights"],
      trainedWithDequantize: opened.settings?.dequantize, evaluations: solves[1].evaluations,
      seconds: (ContinuousClock.now - start) / .seconds(1))
    if let output { try write(estimate.byImage, of: images, opened, to: output) }
    print(json ? try jsonText(summary) : summary.text)
  }

  /// One of the two solves, of all draws of all images: [draws, images].
  private struct Solve {
    var bits: [Double] = []
    var evaluations: [Int] = []
  }

  /// At the tolerances given and at half of them, with the same noise and probes.
  private func solve(
    _ estimator: LikelihoodEstimator, _ opened: OpenedModel, _ images: ImageDataset, _ labels: [Int]?
  ) throws -> [Solve] {
    var progress = ProgressLine()
    var solves = [Solve(), Solve()]
    for draw in 0..<draws {
      let data = images.dequantized(numbers, seed: seed, draw: draw)
      for (index, factor) in [1, 0.5].enumerated() {
        let estimates: LikelihoodEstimator.Estimates
        do {
          estimates = try estimator.logDensities(
            of: data, numbers: numbers, labels: labels,
            probes: .init(probe, count: probes, seed: seed, draw: draw),
            solver: .adaptive(rtol: factor * rtol, atol: factor * atol)
          ) { share in
            let fraction = (Double(2 * draw + index) + share) / Double(2 * draws)
            progress.show(
              "draw \(draw + 1)/\(draws), solve \(index + 1)/2: \(Int(100 * share)) %", fraction: fraction)
          }
        } catch let error as SolverError {
          progress.finish()
          throw RunError(
            message: "no likelihood of '\(opened.path)', as a solve from image to noise failed (samples are "
              + "the images' numbers): \(error)", status: 70)
        }
        solves[index].bits += estimates.logDensities.map {
          Likelihood.bitsPerDimension(logDensity: $0, dimension: images.imageSize)
        }
        solves[index].evaluations += estimates.evaluations
      }
    }
    progress.finish()
    return solves
  }

  /// The data's own classes, for a model that was trained with classes.
  private func labels(_ images: ImageDataset, _ opened: OpenedModel) throws(ConfigurationError) -> [Int]? {
    guard let classes = opened.model.unet.configuration.classCount else { return nil }
    guard let all = images.labels else {
      throw ConfigurationError(
        "'\(opened.path)' was trained with classes, but '\(dataset)' has no labels; name data with labels")
    }
    let labels = numbers.map { Int(all[$0]) }
    guard let label = labels.first(where: { $0 >= classes }) else { return labels }
    throw ConfigurationError(
      "'\(dataset)' has images of class \(label), '\(opened.path)' knows classes 0 to \(classes - 1)")
  }

  private func write(
    _ bits: [Double], of images: ImageDataset, _ opened: OpenedModel, to path: String
  ) throws {
    let order = bits.indices.sorted { (bits[$0], $0) < (bits[$1], $1) }
    let size = images.imageSize
    let pixels = order.flatMap { images.pixels[(first + $0) * size..<(first + $0 + 1) * size] }
    try ContactSheet.image(pixels: pixels, of: opened.model.unet.configuration, columns: 20).write(
      to: path,
      text: [
        ("software", "inkflow"), ("checkpoint", opened.path),
        ("images", "\(dataset), \(split.rawValue) split"),
        ("numbers", order.map { "\(first + $0)" }.joined(separator: " ")),
        ("bits_per_dimension", order.map { Terminal.fixed(bits[$0], 3) }.joined(separator: " ")),
      ])
  }

  private func noteDequantization(_ opened: OpenedModel) {
    let consequence =
      "a model of undithered pixels tends to a singular density, on which the solve is stiff near t = 1 and "
      + "the bits mean little"
    switch opened.settings?.dequantize {
    case true: break
    case false: Terminal.note("note: the run was not trained with --dequantize; \(consequence)")
    case nil:
      Terminal.note(
        "note: '\(model.model)' doesn't say whether it was trained with --dequantize; \(consequence)")
    }
  }

  /// What was found, and how.
  private struct Summary: Encodable {
    let bitsPerDimension: Double
    /// [count]
    let bitsByImage: [Double]
    let standardError: Double?
    let standardErrorOfDraws: Double?
    /// Before the tolerances were halved.
    let coarseBitsPerDimension: Double
    let difference: Double
    let allowedDifference: Double
    let checkpoint: String
    let weights: String?
    let trainedWithDequantize: Bool?
    let dataset: String
    let split: String
    let first: Int
    let count: Int
    let draws: Int
    let probes: Int
    let probe: String
    let seed: UInt64
    /// Of the coarser solve.
    let rtol: Double
    let atol: Double
    /// Of the finer solve: [draws, images].
    let evaluations: [Int]
    let seconds: Double

    init(
      _ estimate: LikelihoodEstimate, _ command: LikelihoodCommand, checkpoint: String, weights: String?,
      trainedWithDequantize: Bool?, evaluations: [Int], seconds: Double
    ) {
      bitsPerDimension = estimate.mean
      bitsByImage = estimate.byImage
      standardError = estimate.standardError
      standardErrorOfDraws = estimate.standardErrorOfDraws
      coarseBitsPerDimension = estimate.coarseMean
      difference = estimate.difference
      allowedDifference = estimate.allowedDifference
      self.checkpoint = checkpoint
      self.weights = weights
      self.trainedWithDequantize = trainedWithDequantize
      dataset = command.dataset
      split = command.split.rawValue
      first = command.first
      count = command.count
      draws = command.draws
      probes = command.probes
      probe = command.probe.rawValue
      seed = command.seed
      rtol = command.rtol
      atol = command.atol
      self.evaluations = evaluations
      self.seconds = seconds
    }

    var text: String {
      let error = standardError.map { " ± \(Terminal.fixed($0, 4))" } ?? ""
      let mean = Double(evaluations.reduce(0, +)) / Double(evaluations.count)
      let images = count == 1 ? "image \(first)" : "images \(first) to \(first + count - 1)"
      let explanation =
        standardError == nil
        ? "one image, so there is no standard error over images"
        : "±: standard error over \(count) images, of each one's mean over its draws"
      return """
        \(Terminal.fixed(bitsPerDimension, 4))\(error) bits/dim, \(dataset) (\(split)), \(images)
        \(explanation)\(standardErrorOfDraws.map { "; the draws' share of it \(Terminal.fixed($0, 4))" } ?? "")
        \(draws) draw\(draws == 1 ? "" : "s") of noise, \(probes) \(probe) probe\(probes == 1 ? "" : "s") each, \
        seed \(seed); \(checkpoint)\(weights.map { ", \($0) weights" } ?? "")
        rk45, rtol \(rtol / 2), atol \(atol / 2): \(evaluations.min() ?? 0) to \(evaluations.max() ?? 0) evaluations \
        (mean \(Terminal.fixed(mean, 1))); at twice the tolerances \(Terminal.fixed(coarseBitsPerDimension, 4)), \
        \(Terminal.fixed(difference, 4)) away an image (allowed: \(Terminal.fixed(allowedDifference, 4)))
        \(Terminal.fixed(seconds, 2)) s
        """
    }
  }
}

extension LikelihoodEstimator.Probes.Distribution: ExpressibleByArgument {}
