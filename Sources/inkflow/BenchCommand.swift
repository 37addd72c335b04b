import ArgumentParser
import Kernels
import Network
import Training

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure kernels, training steps and sampling against this machine's peak.",
    discussion: """
      Each figure is the median of several runs. Machines that others use too drift by half: compare figures of \
      one call only, as in the shares of the peak.
      """)

  @Flag(help: "Print one JSON object.")
  var json = false

  @OptionGroup var threads: ThreadsOption

  enum Task: String, ExpressibleByArgument, CaseIterable { case training, evaluation }

  @Option(help: "Measure nothing but whole training steps, or evaluations without a gradient.")
  var only: Task?

  @Option(help: "Images in a batch, with --only.")
  var batch = 64

  @Option(help: "How long to measure, with --only.")
  var seconds = 2.0

  @Option(help: "Measure exactly so many runs, however long they take, with --only.")
  var runs: Int?

  @Option(
    help:
      "The network, with --only: \(UNetConfiguration.Preset.allCases.map(\.rawValue).joined(separator: ", "))."
  )
  var preset = UNetConfiguration.Preset.small

  @Option(help: "What convolutions and attention multiply: float32, bfloat16-gradients or bfloat16.")
  var precision = Precision.float32

  func validate() throws {
    try require("batch", batch, in: 1...60_000)
    try require("runs", runs, in: 1...1_000_000_000)
    try require("seconds", seconds, positiveUpTo: 600)
  }

  func run() throws {
    let pool = threads.pool
    if let only {
      let bench = try NetworkBench(preset, precision, pool, maximumBatchSize: batch)
      let time =
        runs.map { bench.seconds(only, batch: batch, runs: $0, atLeast: 0) }
        ?? bench.seconds(only, batch: batch, atLeast: seconds)
      return try Terminal.print(Self.rate(only, batch, seconds: time), json: json)
    }
    let machine = Machine(pool)
    let bench = try NetworkBench(.small, precision, pool, maximumBatchSize: 128)
    var report = Report()
    report.add("build", RunRecord.currentBuild)
    report.add("threads", pool.threadCount)
    report.add("precision", precision.rawValue)
    report.add("machine", machine.report)
    report.add(
      "convolutions",
      Self.layers.map { side, input, output in
        Layer(side, input, output, count: bench.portionSize(ofSide: side), precision: precision)
          .report(peak: machine.peakOfOneCore)
      })
    let tasks: [(Task, [Int])] = [(.training, [64, 128]), (.evaluation, [1, 16, 64, 128])]
    report.add(
      "rates",
      tasks.flatMap { task, batches in
        batches.map { Self.rate(task, $0, seconds: bench.seconds(task, batch: $0)) }
      })
    report.add("step", bench.parts(batch: 64))
    report.notes = [
      "machine: GFLOP/s, and GB/s copied, read and write, on all threads",
      "convolutions: 3×3, one core, GFLOP/s counted as if computed directly, and their share of the peak",
      "rates: preset small, 28×28, \(pool.threadCount) threads",
      "step: milliseconds of a training step",
    ]
    try Terminal.print(report, json: json)
  }

  private static func rate(_ task: Task, _ batch: Int, seconds: Double) -> Report {
    var row = Report()
    row.add("task", task.rawValue)
    row.add("batch", batch)
    row.add("seconds", seconds, as: "")
    row.add("images_per_second", Double(batch) / seconds, digits: 1)
    return row
  }

  /// The stride-1 convolutions of preset small on 28×28 images.
  private static let layers: [(side: Int, input: Int, output: Int)] = [
    (28, 32, 32), (28, 64, 32), (28, 96, 32), (14, 64, 64), (14, 128, 64), (7, 64, 64), (7, 128, 64),
  ]
}
