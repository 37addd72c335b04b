import ArgumentParser
import Flow
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

  @Argument(help: "mnist, fashion-mnist, kmnist, synthetic, or a directory with IDX files.")
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
  var probe = DivergenceProbes.Distribution.rademacher

  @Option(help: "Relative tolerance of the solver (rk45), of the first of the two solves.")
  var rtol = 1e-3

  @Option(help: "Absolute tolerance, the same.")
  var atol = 1e-3

  @OptionGroup var label: LabelOption

  @Option(help: "Seed of noise and probes.")
  var seed: UInt64 = 0

  @Option(help: "Draw the images as PNG, the most likely first, in rows of 20.")
  var output: String?

  @OptionGroup var threads: ThreadsOption

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws {
    try require("count", count, in: 1...1_000_000)
    try require("first", first, in: 0...1_000_000_000)
    try require("probes", probes, in: 1...1000)
    try require("draws", draws, in: 1...1000)
    try requireTolerances(rtol: rtol, atol: atol)
  }

  private var numbers: Range<Int> { first..<first + count }

  func run() throws {
    let watch = Stopwatch()
    let flow = try label.guide(model.open())
    try requireWritable([output])
    let images = try ImageDataset.load(dataset, split: split, onNote: Terminal.noteOnData)
    let source = try SourceImages(images, named: dataset, numbers: Array(numbers), for: flow)
    let labels = try label.labels(of: source.labels, count: count, for: flow)
    noteDequantization(flow)
    let solves = try solve(flow, images, labels)
    let estimate = LikelihoodEstimate(coarse: solves[0].bits, fine: solves[1].bits, drawCount: draws)
    guard estimate.isReliable else {
      throw RunError(
        message: """
          no likelihood of '\(flow.origin)': the solves at rtol \(rtol), atol \(atol) and at half of both differ by \
          \(Terminal.fixed(estimate.difference, 4)) bits/dim an image, more than the \
          \(Terminal.fixed(estimate.allowedDifference, 4)) allowed; pass smaller --rtol and --atol
          """, status: 65)
    }
    var report = Report()
    report.add("bits_per_dimension", estimate.mean, digits: 4)
    report.add("standard_error", estimate.standardError, digits: 4)
    report.add("standard_error_of_draws", estimate.standardErrorOfDraws, digits: 4)
    report.add("bits_by_image", estimate.byImage)
    report.add("coarse_bits_per_dimension", estimate.coarseMean, digits: 4)
    report.add("difference", estimate.difference, digits: 4)
    report.add("allowed_difference", estimate.allowedDifference, digits: 4)
    report.add(flow)
    report.add("trained_with_dequantize", flow.isDequantized)
    report.add("dataset", dataset)
    report.add("split", split.rawValue)
    report.add("first", first)
    report.add("count", count)
    report.add(labels: labels, label, otherwise: "the images' own")
    report.add("draws", draws)
    report.add("probes", probes)
    report.add("probe", probe.rawValue)
    report.add("seed", seed)
    report.add("rtol", rtol)
    report.add("atol", atol)
    report.add("evaluations", solves[1].evaluations)
    if let output { try write(estimate.byImage, source, flow, to: output, report) }
    report.add("output", output)
    report.add("seconds", watch.seconds, digits: 2)
    report.notes = [
      estimate.standardError == nil
        ? "one image, so there is no standard error over images"
        : "standard error: over \(count) images, of each one's mean over its draws",
      "coarse: at the tolerances given; the other figures are of the solves at half of them, with the same noise",
      "difference: between the two solves, an image; where it is more than is allowed, no number is printed",
    ]
    try Terminal.print(report, json: json)
  }

  /// One of the two solves, of all draws of all images: [draws, images].
  private struct Solve {
    var bits: [Double] = []
    var evaluations: [Int] = []
  }

  /// At the tolerances given and at half of them, with the same noise and probes.
  private func solve(_ flow: TrainedFlow, _ images: ImageDataset, _ labels: [Int]?) throws -> [Solve] {
    noteFineTolerance(rtol: rtol, atol: atol)
    var progress = ProgressLine()
    let pool = threads.pool
    var solves = [Solve(), Solve()]
    for draw in 0..<draws {
      let data = images.dequantized(numbers, seed: seed, draw: draw)
      for (index, factor) in [1, 0.5].enumerated() {
        let densities = try flow.solving {
          try flow.logDensities(
            of: data, numbers: numbers, labels: labels,
            probes: .random(probe, count: probes, seed: seed, draw: draw),
            solver: .adaptive(rtol: factor * rtol, atol: factor * atol), on: pool
          ) { share in
            let fraction = (Double(2 * draw + index) + share) / Double(2 * draws)
            try progress.show(
              "draw \(draw + 1)/\(draws), solve \(index + 1)/2: \(Int(100 * share)) %", fraction: fraction)
          }
        }
        solves[index].bits += densities.values.map {
          Likelihood.bitsPerDimension(logDensity: $0, dimension: images.imageSize)
        }
        solves[index].evaluations += densities.evaluations
      }
    }
    return solves
  }

  private func write(
    _ bits: [Double], _ source: SourceImages, _ flow: TrainedFlow, to path: String, _ report: Report
  ) throws {
    let order = bits.indices.sorted { (bits[$0], $0) < (bits[$1], $1) }
    let size = flow.shape.count
    let pixels = order.flatMap { source.pixels[$0 * size..<($0 + 1) * size] }
    try ContactSheet.image(pixels: pixels, of: flow.shape, columns: 20).write(
      to: path,
      text: report.pictureText("checkpoint", "dataset", "split", "labels", "guidance") + [
        ("numbers", order.map { "\(first + $0)" }.joined(separator: " ")),
        ("bits_per_dimension", order.map { Terminal.fixed(bits[$0], 3) }.joined(separator: " ")),
      ])
  }

  private func noteDequantization(_ flow: TrainedFlow) {
    let found =
      switch flow.isDequantized {
      case true?: nil as String?
      case false?: "the run was not trained with --dequantize"
      case nil: "'\(model.model)' doesn't say whether it was trained with --dequantize"
      }
    if let found {
      Terminal.note(
        "note: \(found); a model of undithered pixels tends to a singular density, on which the solve is stiff near "
          + "t = 1 and the bits mean little")
    }
  }
}

extension DivergenceProbes.Distribution: ExpressibleByArgument {}
