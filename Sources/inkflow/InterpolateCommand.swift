import ArgumentParser
import Files
import Flow
import Imagery
import Kernels
import Sampling

struct InterpolateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "interpolate", abstract: "Draw the images between two samples, or between two real images.",
    discussion: """
      Goes from one noise to another along a great circle, and draws an image from each noise on the way: one \
      row a pair, from sample --from to sample --to, numbered as 'sample' does. With --dataset the two are \
      images of a split, by their number in it, which are first taken back to their noise, as 'invert' does. A \
      model with classes draws a row in one class, by default that of its first sample.
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
    try require("frames", frames, in: 2...1000)
    try require("rows", rows, in: 1...1000)
    try require("from", from, in: 0...4_000_000_000)
    try require("to", to, in: 0...4_000_000_000)
    try require(
      frames * rows <= 20_000, "--frames times --rows must be at most 20000, not \(frames * rows).")
    try require(dataset != nil || split == nil, "--split goes with --dataset.")
    try require(
      solver.solver != .sde,
      "sde adds noise of its own to each image, so that neighbours differ; pass another --solver.")
    try require(
      dataset == nil || seed == nil, "--seed goes with samples; the noise of --dataset is that of its images."
    )
  }

  private var lastNumber: Int { to ?? from + rows }

  func run() throws {
    let flow = try label.guide(model.open())
    let output = output ?? model.defaultOutput("interpolation.png")
    try requireWritable([output, animate])
    try require(
      dataset == nil || flow.classCount == nil || label.label != nil,
      "pass --label: images between two real ones have no class of their own.")
    let classes = try label.labels(drawing: from..<from + rows, for: flow)
    let labels = classes?.flatMap { Array(repeating: $0, count: frames) }
    let (pool, watch) = (threads.pool, Stopwatch())
    solver.noteFineTolerance()
    var progress = ProgressLine()
    let (samples, residuals) = try flow.solving {
      let (ends, residuals) = try ends(flow, pool)
      let samples = try flow.transport(
        between(ends, dimension: flow.shape.count), solver: solver.resolved, labels: labels,
        on: pool, progress: { try progress.show($0, of: rows * frames, "images") })
      return (samples, residuals)
    }
    var report = Report()
    report.add(flow)
    report.add("ends", dataset.map { "\($0), \((split ?? .test).rawValue) split" } ?? "seed \(seed ?? 0)")
    report.add(
      "end_residuals", residuals,
      as: residuals.map { String(format: "%.2e at most", $0.max() ?? 0) })
    report.add("from", from)
    report.add("to", lastNumber)
    report.add("rows", rows)
    report.add("frames", frames)
    report.add(labels: classes, label, otherwise: "all")
    report.add("solver", "\(solver.resolved)")
    // Of the way from noise to images alone.
    report.add("evaluations", samples.evaluations)
    report.add("solver_seconds", watch.seconds, digits: 2)
    let text = report.pictureText("checkpoint", "ends", "from", "to", "labels", "guidance", "solver")
    try samples.sheet(columns: frames).write(to: output, text: text)
    if let animate { try writeAnimation(samples, to: animate, text: text) }
    report.add("output", output)
    report.add("animation", animate)
    try Terminal.print(report, json: json)
  }

  /// The noise of all first samples and of all last ones, [2·rows, height, width, channels]; of real images also by how
  /// much each came back different from it.
  private func ends(
    _ flow: TrainedFlow, _ pool: WorkerPool
  ) throws -> (noise: [Float], residuals: [Double]?) {
    let (first, last) = (from..<from + rows, lastNumber..<lastNumber + rows)
    guard let dataset else {
      return (flow.noise(first, seed: seed ?? 0) + flow.noise(last, seed: seed ?? 0), nil)
    }
    let source = try SourceImages(
      ImageDataset.load(dataset, split: split ?? .test, onNote: Terminal.noteOnData), named: dataset,
      numbers: Array(first) + Array(last),
      for: flow)
    let labels = try label.labels(of: source.labels, count: 2 * rows, for: flow)
    let inversion = try flow.invert(
      flow.values(ofPixels: source.pixels), rtol: 1e-5, atol: 1e-5, labels: labels, on: pool,
      progress: { _ in try Interruption.check() })
    return (inversion.noise.values, inversion.residuals)
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
    _ samples: Samples, to path: String, text: [(key: String, value: String)]
  ) throws(FileError) {
    let (pixels, size) = (samples.pixels, samples.shape.count)
    let columns = Int(Double(rows).squareRoot().rounded(.up))
    let there = (0..<frames).map { frame in
      let shown = (0..<rows).flatMap { row -> ArraySlice<UInt8> in
        let first = (row * frames + frame) * size
        return pixels[first..<first + size]
      }
      return ContactSheet.image(pixels: shown, of: samples.shape, columns: columns)
    }
    try AnimatedPNG(frames: there + there.dropFirst().dropLast().reversed(), secondsPerFrame: 0.1)
      .write(to: path, text: text)
  }
}
