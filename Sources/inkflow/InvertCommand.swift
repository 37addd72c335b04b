import ArgumentParser
import Files
import Foundation
import Imagery
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

  @Argument(help: "mnist, fashion-mnist, kmnist, synthetic, a directory with IDX files, or a PNG file.")
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

  @Option(
    help: "The picture's file. (default: inversion.svg, in the run if MODEL is one; .png has no labels)")
  var output: String?

  @OptionGroup var threads: ThreadsOption

  @Flag(help: "Print what was done as one JSON object.")
  var json = false

  private static let defaultCount = 8

  /// Images side by side; more go below, three rows at a time.
  private static let columns = 16

  func validate() throws {
    try require("count", count, in: 1...10_000)
    try require("first", first, in: 0...1_000_000_000)
    try requireTolerances(rtol: rtol, atol: atol)
    try require(
      !isFile || count == nil && first == nil && split == nil,
      "--count, --first and --split go with a data set; '\(images)' is one image.")
  }

  /// Whether the images are one file; data sets are names or directories.
  private var isFile: Bool {
    var isDirectory: ObjCBool = false
    return FileManager.default.fileExists(atPath: images, isDirectory: &isDirectory) && !isDirectory.boolValue
  }

  func run() throws {
    let flow = try label.guide(model.open())
    let output = output ?? model.defaultOutput("inversion.svg")
    try requireWritable([], labelled: [output])
    let source = try source(for: flow)
    let count = source.pixels.count / flow.shape.count
    let labels = try label.labels(of: source.labels, count: count, for: flow)
    noteFineTolerance(rtol: rtol, atol: atol)
    var progress = ProgressLine()
    let watch = Stopwatch()
    let inversion = try flow.solving {
      try flow.invert(
        flow.values(ofPixels: source.pixels), rtol: rtol, atol: atol, labels: labels, on: threads.pool,
        progress: { try progress.show($0, of: 2 * count, "solves") })
    }
    var report = Report()
    report.add(flow)
    report.add("images", source.text)
    report.add("first", first ?? 0)
    report.add("count", count)
    report.add(labels: labels, label, otherwise: "the images' own")
    report.add("solver", "rk45, rtol \(rtol), atol \(atol)")
    report.add("rtol", rtol, as: "")
    report.add("atol", atol, as: "")
    report.add("residual", inversion.residual, as: String(format: "%.2e", inversion.residual))
    report.add(
      "residuals", inversion.residuals, as: String(format: "%.2e at most", inversion.residuals.max() ?? 0))
    report.add("tightenings", inversion.tightenings, as: tightened(inversion))
    report.add("noise_scale", inversion.noiseScale, digits: 3)
    report.add("noise_evaluations", inversion.noise.evaluations)
    report.add("reconstruction_evaluations", inversion.reconstruction.evaluations)
    report.add("solver_seconds", watch.seconds, digits: 2)
    report.add("output", output)
    report.notes = [
      "residual: root mean square of reconstruction - image, pixels from -1 to 1, over all images; residuals: of each",
      "noise scale: root mean square of the noise; 1 is expected",
    ]
    let text = report.pictureText(
      "checkpoint", "images", "first", "labels", "guidance", "solver", "tightenings", "residual")
    try sheet(source, inversion).write(
      to: output,
      text: text + [("rows", "images, their noise (-3...3 is 0...255), reconstructions")])
    try Terminal.print(report, json: json)
  }

  private func source(for flow: TrainedFlow) throws -> SourceImages {
    if isFile { return try SourceImages(png: images, for: flow) }
    let names = ImageDataset.names
    guard names.contains(images) || FileManager.default.fileExists(atPath: images) else {
      throw FileError(
        .missing, images, "doesn't exist",
        remedy: "name a PNG picture, a directory with IDX files, or one of \(names.joined(separator: ", "))")
    }
    let data = try ImageDataset.load(images, split: split ?? .test, onNote: Terminal.noteOnData)
    let first = first ?? 0
    let count = count ?? max(1, min(Self.defaultCount, data.count - first))
    return try SourceImages(data, named: images, numbers: Array(first..<first + count), for: flow)
  }

  /// Three rows: images, noise, reconstructions; and again, where there are many.
  private func sheet(_ source: SourceImages, _ inversion: Inversion) -> LabelledSheet {
    let size = inversion.noise.shape.count
    // By a fixed scale, so that too large or small a noise shows.
    let noise = inversion.noise.values.map { Pixels.byte($0 / 3) }
    let rows = [source.pixels, noise, inversion.reconstruction.pixels]
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
      ContactSheet.image(pixels: pixels, of: inversion.noise.shape, columns: columns), columns: [],
      rows: stride(from: 0, to: count, by: columns).flatMap { _ in ["image", "noise", "reconstruction"] })
  }

  private func tightened(_ inversion: Inversion) -> String {
    let parts = (1...TrainedFlow.maximumTightening).compactMap { tightening in
      let count = inversion.tightenings.count { $0 == tightening }
      return count == 0 ? nil : "\(count) of the images with 1e-\(tightening) times the tolerances"
    }
    return parts.isEmpty ? "none" : parts.joined(separator: ", ") + ", to come back to 10 tolerances"
  }
}
