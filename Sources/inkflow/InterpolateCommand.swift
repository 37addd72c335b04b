import ArgumentParser
import Files
import Flow
import Foundation
import Imagery
import Network
import Sampling

struct InterpolateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "interpolate", abstract: "Draw the images between two samples, or between two real images.",
    discussion: """
      Goes from one noise to another along a great circle, and draws an image from each noise on the way: one \
      row a pair, from sample --from to sample --to, numbered as 'sample' does. With --dataset the two are \
      images of a split, by their number in it, which are first taken back to their noise, by rk45 with \
      rtol = atol = 1e-5.
      """)

  @OptionGroup var model: ModelOptions

  @Option(help: "Go between images of this data set: a name or directory as for 'invert'.")
  var dataset: String?

  @Option(help: "The data set's split: train or test. (default: test)")
  var split: ImageDataset.Split?

  @Option(help: "The number of the first row's first sample or image; each further row takes the next.")
  var from = 0

  @Option(help: "The number of the first row's last sample or image. (default: --from and --rows added)")
  var to: Int?

  @Option(help: "Images in a row, both ends included.")
  var frames = 10

  @Option(help: "How many pairs.")
  var rows = 1

  @Option(help: "The sheet's file. (default: interpolation.png, in the run if MODEL is one)")
  var output: String?

  @Option(help: "Draw all rows as an animation (APNG) too, there and back.")
  var animate: String?

  @OptionGroup var solver: SolverOptions

  @Option(help: "Seed of the noise. (default: 0)")
  var seed: UInt64?

  @OptionGroup var label: LabelOption

  @OptionGroup var threads: ThreadsOption

  @Flag(help: "Print what was done as one JSON object.")
  var json = false

  func validate() throws {
    try require((2...1000).contains(frames), "--frames must be from 2 to 1000.")
    try require((1...1000).contains(rows), "--rows must be from 1 to 1000.")
    for (name, value) in [("from", from), ("to", to ?? 0)] {
      try require((0...4_000_000_000).contains(value), "--\(name) must be from 0 to 4000000000.")
    }
    try require(
      frames * rows <= 20_000, "--frames times --rows must be at most 20000, not \(frames * rows).")
    try require(dataset != nil || split == nil, "--split goes with --dataset.")
    try require(
      dataset == nil || seed == nil, "--seed goes with samples; the noise of --dataset is that of its images."
    )
  }

  private var lastNumber: Int { to ?? from + rows }

  func run() throws {
    let opened = try model.open()
    let configuration = opened.model.unet.configuration
    let output = output ?? model.defaultOutput("interpolation.png")
    try requireWritable([output, animate])
    let labels = try label.labels(count: rows * frames, for: configuration)
    let sampler = Sampler(model: opened.model, threads: threads.count)
    let start = ContinuousClock.now
    var progress = ProgressLine()
    let ends = try ends(sampler, opened.path, configuration)
    let images = try solving(opened.path) {
      try sampler.transport(
        between(ends, dimension: configuration.dimension), from: 0, to: 1, solver: solver.resolved,
        labels: labels
      ) { done in
        let count = rows * frames
        if count > 64 { progress.show("\(done)/\(count) images", fraction: Double(done) / Double(count)) }
      }
    }
    progress.finish()
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    let source = dataset.map { "\($0), \((split ?? .test).rawValue) split" } ?? "seed \(seed ?? 0)"
    let text = [
      ("software", "inkflow"), ("checkpoint", opened.path), ("ends", source), ("from", "\(from)"),
      ("to", "\(lastNumber)"), ("solver", solver.text),
    ]
    let pixels = Pixels.bytes(images.values.span)
    try ContactSheet.image(pixels: pixels, of: configuration, columns: frames, scale: 2)
      .write(to: output, text: text)
    if let animate { try writeAnimation(pixels, configuration, to: animate, text: text) }
    let summary = Summary(
      output: output, animation: animate, checkpoint: opened.path, weights: opened.model.notes["weights"],
      ends: source, from: from, to: lastNumber, rows: rows, frames: frames, solver: solver.text,
      evaluations: images.evaluations, solverSeconds: seconds)
    print(json ? try jsonText(summary) : describe(summary, images))
  }

  /// The noise of all first samples and of all last ones, [2·rows, height, width, channels].
  private func ends(
    _ sampler: Sampler, _ path: String, _ configuration: UNetConfiguration
  ) throws -> [Float] {
    let numbers = Array(from..<from + rows) + Array(lastNumber..<lastNumber + rows)
    guard let dataset else { return numbers.flatMap { sampler.noise(number: $0, seed: seed ?? 0) } }
    let source = try SourceImages(
      ImageDataset.load(dataset, split: split ?? .test), named: dataset, numbers: numbers, for: configuration)
    let labels = try label.labels(count: numbers.count, for: configuration)
    return try solving(path) {
      try sampler.transport(
        source.values, from: 1, to: 0, solver: .adaptive(rtol: 1e-5, atol: 1e-5), labels: labels
      ).values
    }
  }

  /// [rows, frames, height, width, channels].
  private func between(_ ends: [Float], dimension: Int) -> [Float] {
    func end(_ index: Int) -> Range<Int> { index * dimension..<(index + 1) * dimension }
    var states: [Float] = []
    states.reserveCapacity(rows * frames * dimension)
    var state = [Float](repeating: 0, count: dimension)
    for row in 0..<rows {
      for frame in 0..<frames {
        var span = state.mutableSpan
        GreatCircle.interpolate(
          from: ends.span.extracting(end(row)), to: ends.span.extracting(end(rows + row)),
          fraction: Double(frame) / Double(frames - 1), into: &span)
        states += state
      }
    }
    return states
  }

  /// Every frame shows all rows at once.
  private func writeAnimation(
    _ pixels: [UInt8], _ configuration: UNetConfiguration, to path: String,
    text: [(key: String, value: String)]
  ) throws(FileError) {
    let size = configuration.dimension
    let columns = Int(Double(rows).squareRoot().rounded(.up))
    let there = (0..<frames).map { frame in
      var shown: [UInt8] = []
      for row in 0..<rows {
        let first = (row * frames + frame) * size
        shown += pixels[first..<first + size]
      }
      return ContactSheet.image(pixels: shown, of: configuration, columns: columns, scale: 2)
    }
    try AnimatedPNG(frames: there + there.dropFirst().dropLast().reversed(), secondsPerFrame: 0.1)
      .write(to: path, text: text)
  }

  private func describe(_ summary: Summary, _ images: Sampler.Samples) -> String {
    """
    \(rows) \(rows == 1 ? "row" : "rows") of \(frames) images from \(summary.checkpoint)\
    \(summary.weights.map { ", \($0) weights" } ?? ""), \(summary.ends), from \(from) to \(lastNumber)
    \(solver.text): \(images.workText)
    \(Terminal.fixed(summary.solverSeconds, 2)) s in the solver
    sheet in \(summary.output)\(animate.map { ", animation in \($0)" } ?? "")
    """
  }

  /// What was done.
  private struct Summary: Encodable {
    let output: String
    let animation: String?
    let checkpoint: String
    let weights: String?
    let ends: String
    let from: Int
    let to: Int
    let rows: Int
    let frames: Int
    let solver: String
    /// For each image, row by row; without those of taking images back to noise.
    let evaluations: [Int]
    let solverSeconds: Double
  }
}
