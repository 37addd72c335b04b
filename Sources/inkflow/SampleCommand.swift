import ArgumentParser
import Files
import Foundation
import Imagery
import Network
import Sampling

struct SampleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sample", abstract: "Draw images from a trained model.",
    discussion: """
      Image number i depends on the weights, the seed, i and the solver alone: it is the same in a sheet of one \
      or a thousand, on any number of threads. (--control batch, SciPy's way of one step size for all, gives \
      that up.)
      """)

  @OptionGroup var model: ModelOptions

  @Option(help: "How many images.")
  var count = 64

  @Option(help: "The number of the first image.")
  var first = 0

  @Option(help: "Images in a row of the sheet. (default: about the square root of --count)")
  var columns: Int?

  @Option(help: "The sheet's file. (default: grid.png, in the run if MODEL is one)")
  var output: String?

  @Option(help: "Write the images as an IDX file too, one byte a pixel, as the training data is.")
  var idx: String?

  @Option(
    help: "Draw a strip of the first samples (8 at most) from noise to image, and what is expected of them.")
  var trajectory: String?

  @Option(help: "Draw the sheet as an animation (APNG) from noise to images.")
  var animate: String?

  @OptionGroup var solver: SolverOptions

  @Option(help: "Seed of the noise.")
  var seed: UInt64 = 0

  @OptionGroup var label: LabelOption

  @OptionGroup var threads: ThreadsOption

  @Flag(help: "Print what was done as one JSON object.")
  var json = false

  func validate() throws {
    try require((1...1_000_000).contains(count), "--count must be from 1 to 1000000.")
    try require((0...4_000_000_000).contains(first), "--first must be from 0 to 4000000000.")
    try require(columns.map { (1...10_000).contains($0) } ?? true, "--columns must be from 1 to 10000.")
    try require(
      solver.solver == .rk45 || trajectory == nil && animate == nil,
      "--trajectory and --animate go with rk45, whose steps can be interpolated.")
    try require(
      animate == nil || count <= SampleJourney.maximumAnimatedCount,
      "--animate takes at most \(SampleJourney.maximumAnimatedCount) images; pass a smaller --count.")
  }

  func run() throws {
    let start = ContinuousClock.now
    let opened = try model.open()
    let configuration = opened.model.unet.configuration
    let labels = try label.labels(count: count, for: configuration)
    let output = output ?? model.defaultOutput("grid.png")
    try requireWritable([output, idx, trajectory, animate])
    let sampler = Sampler(model: opened.model, threads: threads.count)
    var journey = SampleJourney(
      count: count, configuration: configuration, hasStrip: trajectory != nil, isAnimated: animate != nil)
    var progress = ProgressLine()
    let solverStart = ContinuousClock.now
    let samples = try solving(opened.path) {
      try sampler.sample(
        first..<first + count, seed: seed, solver: solver.resolved, labels: labels,
        progress: { done in
          if count > 64 { progress.show("\(done)/\(count) images", fraction: Double(done) / Double(count)) }
        }, at: journey.times, observe: { journey.keep(sample: $0, at: $1, $2) })
    }
    progress.finish()
    let solverSeconds = (ContinuousClock.now - solverStart) / .seconds(1)
    let pixels = Pixels.bytes(samples.values.span)
    let columns = min(columns ?? Int(Double(count).squareRoot().rounded(.up)), count)
    let text = [
      ("software", "inkflow"), ("checkpoint", opened.path), ("seed", "\(seed)"), ("solver", solver.text),
      ("first", "\(first)"),
    ]
    if let idx { try writeIDX(pixels, configuration, to: idx) }
    try ContactSheet.image(pixels: pixels, of: configuration, columns: columns).write(to: output, text: text)
    if let trajectory {
      try solving(opened.path) { try journey.writeStrip(to: trajectory, sampler, labels: labels, text: text) }
    }
    if let animate { try journey.writeAnimation(to: animate, columns: columns, text: text) }
    let summary = Summary(
      output: output, idx: idx, trajectory: trajectory, animation: animate, checkpoint: opened.path,
      weights: opened.model.notes["weights"], count: count, first: first, seed: seed, solver: solver.text,
      evaluations: samples.evaluations, accepted: samples.accepted, rejected: samples.rejected,
      solverSeconds: solverSeconds, seconds: (ContinuousClock.now - start) / .seconds(1))
    print(json ? try jsonText(summary) : describe(summary, samples))
  }

  private func writeIDX(
    _ pixels: [UInt8], _ configuration: UNetConfiguration, to path: String
  ) throws(FileError) {
    let size = [count, configuration.sampleHeight, configuration.sampleWidth]
    let channels = configuration.outputChannels
    try IDXFile.write(
      IDXArray(dimensions: channels == 1 ? size : size + [channels], bytes: pixels), to: path)
  }

  private func describe(_ summary: Summary, _ samples: Sampler.Samples) -> String {
    let files = [("images", idx), ("strip", trajectory), ("animation", animate)]
      .compactMap { kind, path in path.map { ", \(kind) in \($0)" } }
    return """
      \(count) images from \(summary.checkpoint)\(summary.weights.map { ", \($0) weights" } ?? ""), seed \(seed)
      \(solver.text): \(samples.workText)
      \(Terminal.fixed(summary.solverSeconds, 2)) s in the solver, \(Terminal.fixed(summary.seconds, 2)) s in all
      sheet in \(summary.output)\(files.joined())
      """
  }

  /// What was done.
  private struct Summary: Encodable {
    let output: String
    let idx: String?
    let trajectory: String?
    let animation: String?
    let checkpoint: String
    let weights: String?
    let count: Int
    let first: Int
    let seed: UInt64
    let solver: String
    /// For each image.
    let evaluations: [Int]
    let accepted: [Int]
    let rejected: [Int]
    let solverSeconds: Double
    let seconds: Double
  }
}
