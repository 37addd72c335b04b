import ArgumentParser
import Files
import Imagery
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

  @Option(
    help:
      "How many images. (default: 64; of a model with classes 8 of each, or 1 where they are more than 64)")
  var count: Int?

  @Option(help: "The number of the first image.")
  var first = 0

  @Option(
    help:
      "Images in a row of the sheet. (default: about the square root of --count; of several classes, a row each)"
  )
  var columns: Int?

  @Option(help: "Side of the square that a pixel becomes. (default: images of about 64 pixels)")
  var scale: Int?

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

  @OptionGroup var precision: PrecisionOption

  @OptionGroup var threads: ThreadsOption

  @Flag(help: "Print what was done as one JSON object.")
  var json = false

  func validate() throws {
    try require("count", count, in: 1...1_000_000)
    try require("first", first, in: 0...4_000_000_000)
    try require("columns", columns, in: 1...10_000)
    try require("scale", scale, in: 1...64)
    try require(
      solver.solver == .rk45 || trajectory == nil && animate == nil,
      "--trajectory and --animate go with rk45, whose steps can be interpolated.")
  }

  func run() throws {
    let watch = Stopwatch()
    let flow = try precision.apply(to: label.guide(model.open()))
    let classes = try label.classes(for: flow)
    let count = count ?? classes.map { $0.count == 1 ? 64 : $0.count * ($0.count > 64 ? 1 : 8) } ?? 64
    try require(
      animate == nil || count <= SampleJourney.maximumAnimatedCount,
      "--animate takes at most \(SampleJourney.maximumAnimatedCount) images; pass a smaller --count.")
    let labels = try label.labels(drawing: first..<first + count, for: flow)
    let output = output ?? model.defaultOutput("grid.png")
    try requireWritable([output, animate], labelled: [trajectory], images: idx)
    solver.noteFineTolerance()
    var journey = SampleJourney(
      count: count, of: flow, hasStrip: trajectory != nil, isAnimated: animate != nil)
    var progress = ProgressLine()
    let (pool, solverWatch) = (threads.pool, Stopwatch())
    let samples = try flow.solving {
      try flow.sample(
        first..<first + count, seed: seed, solver: solver.resolved, labels: labels, on: pool,
        progress: { try progress.show($0, of: count, "images") }, at: journey.times,
        observe: { journey.keep(sample: $0, at: $1, $2) })
    }
    var report = Report()
    report.add(flow)
    report.add("count", count)
    report.add("first", first)
    report.add("seed", seed)
    report.add("solver", "\(solver.resolved)")
    report.add(labels: labels, label, otherwise: "all")
    report.add(samples)
    report.add("solver_seconds", solverWatch.seconds, digits: 2)
    let text = report.pictureText("checkpoint", "seed", "solver", "first", "labels", "guidance")
    let rows = label.rows(labels)
    let columns = min(
      columns ?? rows?.map(\.count).max() ?? Int(Double(count).squareRoot().rounded(.up)), count)
    // Each class begins a row of the default width.
    let order = rows.map { rows in
      rows.flatMap { row -> [Int?] in
        row + Array(repeating: nil, count: self.columns == nil ? columns - row.count : 0)
      }
    }
    if let idx { try IDXFile.write(samples.idx, to: idx) }
    try samples.sheet(order: order, columns: columns, scale: scale).write(to: output, text: text)
    if let trajectory {
      try flow.solving {
        try journey.writeStrip(to: trajectory, flow, labels: labels, on: pool, text: text)
      }
    }
    if let animate { try journey.writeAnimation(to: animate, order: order, columns: columns, text: text) }
    report.add("seconds", watch.seconds, digits: 2)
    report.add("output", output)
    report.add("idx", idx)
    report.add("trajectory", trajectory)
    report.add("animation", animate)
    try Terminal.print(report, json: json)
  }
}
