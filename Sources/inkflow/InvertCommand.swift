import ArgumentParser
import Files
import Foundation
import Imagery
import Network
import Sampling

struct InvertCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "invert", abstract: "Take images back to the noise that they come from, and forth again.",
    discussion: """
      The flow's equation is solved from t = 1 to 0 and from there to 1 again. The picture shows the images, \
      their noise (-3 to 3 as black to white) and the reconstructions. The residual is the root mean square of \
      the difference between reconstruction and image, whose pixels go from -1 to 1: it measures the solver \
      alone, not the model. A tolerance bounds the error of one step, and errors add up: an image whose \
      residual exceeds ten times the tolerance is taken again with a tenth of it, three times if need be.
      """)

  @OptionGroup var model: ModelOptions

  @Argument(help: "mnist, fashion-mnist, synthetic, a directory with IDX files, or a PNG file.")
  var images: String

  @Option(help: "How many images of the data set. (default: 8, or all that there are)")
  var count: Int?

  @Option(help: "The first image's number in its split. (default: 0)")
  var first: Int?

  @Option(help: "The data set's split: train or test. (default: test)")
  var split: ImageDataset.Split?

  @Option(help: "Relative tolerance of rk45 to begin with, both ways.")
  var rtol = 1e-5

  @Option(help: "Absolute tolerance of rk45 to begin with, both ways.")
  var atol = 1e-5

  @OptionGroup var label: LabelOption

  @Option(help: "The picture's file. (default: inversion.png, in the run if MODEL is one)")
  var output: String?

  @OptionGroup var threads: ThreadsOption

  @Flag(help: "Print what was done as one JSON object.")
  var json = false

  private static let defaultCount = 8

  /// Images side by side; more go below, three rows at a time.
  private static let columns = 16

  func validate() throws {
    try require(count.map { (1...10_000).contains($0) } ?? true, "--count must be from 1 to 10000.")
    try require(
      first.map { (0...1_000_000_000).contains($0) } ?? true, "--first must be from 0 to 1000000000.")
    try requireTolerances(rtol: rtol, atol: atol)
    try require(
      !isPNG || count == nil && first == nil && split == nil,
      "--count, --first and --split go with a data set; '\(images)' is one image.")
  }

  /// Whether the images are one file; data sets are names or directories.
  private var isPNG: Bool {
    var isDirectory: ObjCBool = false
    return FileManager.default.fileExists(atPath: images, isDirectory: &isDirectory) && !isDirectory.boolValue
  }

  func run() throws {
    let opened = try model.open()
    let configuration = opened.model.unet.configuration
    let output = output ?? model.defaultOutput("inversion.png")
    try requireDirectory(of: output)
    let first = first ?? 0
    let source = try source(from: first, for: configuration)
    let labels = try source.classes(label, for: configuration)
    let sampler = Sampler(model: opened.model, threads: threads.count)
    var progress = ProgressLine()
    let start = ContinuousClock.now
    let count = source.pixels.count / configuration.dimension
    let inversion = try solving(opened.path) {
      try sampler.invert(
        source.values, rtol: rtol, atol: atol, labels: labels
      ) { done, total in
        progress.show("\(done)/\(total) solves", fraction: Double(done) / Double(total))
      }
    }
    progress.finish()
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    try sheet(source, inversion, configuration).write(
      to: output,
      text: [
        ("software", "inkflow"), ("checkpoint", opened.path), ("images", source.text),
        ("rows", "images, their noise (-3...3 is 0...255), reconstructions"), ("first", "\(first)"),
        ("solver", "rk45, rtol \(rtol), atol \(atol)\(tightened(inversion))"),
        ("residual", "\(inversion.residual)"),
      ])
    let summary = Summary(
      output: output, checkpoint: opened.path, weights: opened.model.notes["weights"], images: source.text,
      first: first, count: count, rtol: rtol, atol: atol, residual: inversion.residual,
      residuals: inversion.residuals, tightenings: inversion.tightenings, noiseScale: inversion.noiseScale,
      noiseEvaluations: inversion.noise.evaluations,
      reconstructionEvaluations: inversion.reconstruction.evaluations, solverSeconds: seconds)
    print(json ? try jsonText(summary) : describe(summary, inversion))
  }

  private func source(from first: Int, for configuration: UNetConfiguration) throws -> SourceImages {
    if isPNG { return try SourceImages(png: images, for: configuration) }
    let names = ImageDataset.downloadable + [SyntheticStrokes.name]
    guard names.contains(images) || FileManager.default.fileExists(atPath: images) else {
      throw FileError(
        .missing, images, "doesn't exist",
        remedy: "name a PNG picture, a directory with IDX files, or one of \(names.joined(separator: ", "))")
    }
    let data = try ImageDataset.load(images, split: split ?? .test)
    let count = count ?? max(1, min(Self.defaultCount, data.count - first))
    return try SourceImages(data, named: images, numbers: Array(first..<first + count), for: configuration)
  }

  /// Three rows: images, noise, reconstructions; and again, where there are many.
  private func sheet(
    _ source: SourceImages, _ inversion: Inversion, _ configuration: UNetConfiguration
  ) -> LabelledSheet {
    let size = configuration.dimension
    // By a fixed scale, so that too large or small a noise shows.
    let noise = inversion.noise.values.map { Pixels.byte($0 / 3) }
    let rows = [source.pixels, noise, Pixels.bytes(inversion.reconstruction.values.span)]
    let count = source.pixels.count / size
    let columns = min(Self.columns, count)
    var pixels: [UInt8] = []
    for block in stride(from: 0, to: count, by: columns) {
      let images = block..<min(block + columns, count)
      for row in rows {
        pixels += row[images.lowerBound * size..<images.upperBound * size]
        pixels += Array(repeating: ContactSheet.background, count: (columns - images.count) * size)
      }
    }
    return LabelledSheet(
      title: "Images, their noise, and images again",
      ContactSheet.image(pixels: pixels, of: configuration, columns: columns), columns: [],
      rows: stride(from: 0, to: count, by: columns).flatMap { _ in ["image", "noise", "reconstruction"] })
  }

  private func describe(_ summary: Summary, _ inversion: Inversion) -> String {
    """
    \(summary.count) \(summary.count == 1 ? "image" : "images") of \(summary.images) through \
    \(summary.checkpoint)\(summary.weights.map { ", \($0) weights" } ?? "")
    RMS residual \(scientific(summary.residual)) (pixels from -1 to 1), \
    \(scientific(summary.residuals.max() ?? 0)) in the worst image
    RMS of the noise \(Terminal.fixed(summary.noiseScale, 3)); 1 is expected
    rk45, rtol \(rtol), atol \(atol)\(tightened(inversion))
    to noise: \(inversion.noise.workText)
    and back: \(inversion.reconstruction.workText)
    \(Terminal.fixed(summary.solverSeconds, 2)) s in the solver
    picture in \(summary.output)
    """
  }

  private func tightened(_ inversion: Inversion) -> String {
    let parts = (1...Sampler.maximumTightening).compactMap { tightening in
      let count = inversion.tightenings.count { $0 == tightening }
      return count == 0 ? nil : "\(count) with 1e-\(tightening) times that"
    }
    return parts.isEmpty ? "" : "; to come back to 10 tolerances, " + parts.joined(separator: ", ")
  }

  private func scientific(_ value: Double) -> String { String(format: "%.2e", value) }

  /// What was done.
  private struct Summary: Encodable {
    let output: String
    let checkpoint: String
    let weights: String?
    let images: String
    let first: Int
    let count: Int
    let rtol: Double
    let atol: Double
    /// Root mean squares, of all images and of each.
    let residual: Double
    let residuals: [Double]
    /// How often each image's tolerance was divided by ten.
    let tightenings: [Int]
    let noiseScale: Double
    let noiseEvaluations: [Int]
    let reconstructionEvaluations: [Int]
    let solverSeconds: Double
  }
}
