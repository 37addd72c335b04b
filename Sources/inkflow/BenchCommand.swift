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

  enum Task: String, ExpressibleByArgument, CaseIterable, Encodable { case training, evaluation }

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

  func validate() throws {
    try require((1...60_000).contains(batch), "--batch must be from 1 to 60000.")
    try require(runs.map { $0 > 0 } ?? true, "--runs must be positive.")
    try require(seconds > 0 && seconds <= 600, "--seconds must be more than 0, at most 600.")
  }

  func run() throws {
    let pool = WorkerPool(threadCount: threads.count)
    if let only {
      let bench = try NetworkBench(preset, pool, maximumBatchSize: batch)
      let time =
        runs.map { bench.seconds(only, batch: batch, runs: $0, atLeast: 0) }
        ?? bench.seconds(only, batch: batch, atLeast: seconds)
      let rate = Rate(only, batch: batch, seconds: time)
      return print(json ? try jsonText(rate) : "\(Terminal.fixed(rate.imagesPerSecond, 1)) images/s")
    }
    let machine = Machine(pool)
    let bench = try NetworkBench(.small, pool, maximumBatchSize: 128)
    let layers = Self.layers.map { Layer($0.side, $0.input, $0.output, count: bench.imagesTogether($0.side)) }
    let tasks: [(Task, [Int])] = [(.training, [64, 128]), (.evaluation, [1, 16, 64, 128])]
    let rates = tasks.flatMap { task, batches in
      batches.map { Rate(task, batch: $0, seconds: bench.seconds(task, batch: $0)) }
    }
    let report = Report(
      build: RunRecord.currentBuild, threads: pool.threadCount, machine: machine, convolutions: layers,
      rates: rates, step: bench.parts(batch: 64))
    print(json ? try jsonText(report) : report.text)
  }

  /// The stride-1 convolutions of preset small on 28×28 images.
  private static let layers: [(side: Int, input: Int, output: Int)] = [
    (28, 32, 32), (28, 64, 32), (28, 96, 32), (14, 64, 64), (14, 128, 64), (7, 64, 64), (7, 128, 64),
  ]

  private struct Report: Encodable {
    let build: String
    let threads: Int
    let machine: Machine
    let convolutions: [Layer]
    let rates: [Rate]
    let step: TrainingParts

    var text: String {
      func row(_ cells: [String]) -> String {
        cells.map { String(repeating: " ", count: max(0, 12 - $0.count)) + $0 }.joined()
      }
      var lines = [
        "\(build), \(threads) threads",
        "peak: \(number(machine.peakOfOneCore)) GFLOP/s on one core, \(number(machine.peak)) on \(threads); "
          + "copying, read and write: \(number(machine.copyBandwidth)) GB/s",
        "",
        "3×3 convolutions, one core, GFLOP/s counted as if computed directly (share of the peak):",
        row(["shape", "forward", "d input", "d weights"]),
      ]
      for layer in convolutions {
        let rates = [layer.forward, layer.inputGradient, layer.weightGradient]
        lines.append(
          row([layer.shape] + rates.map { "\(number($0)) (\(number(100 * $0 / machine.peakOfOneCore)) %)" }))
      }
      lines += [
        "", "preset small, 28×28, \(threads) threads:", row(["", "batch", "images/s"]),
      ]
      lines += rates.map { row([$0.task.rawValue, "\($0.batch)", number($0.imagesPerSecond)]) }
      lines += [
        "",
        "a training step of \(step.batch) in ms: forward pass \(number(step.forward)), backward pass "
          + "\(number(step.backward)), optimiser \(number(step.optimizer)), prepared weights "
          + "\(number(step.preparation))",
      ]
      return lines.joined(separator: "\n")
    }

    private func number(_ value: Double) -> String { Terminal.fixed(value, value < 10 ? 1 : 0) }
  }
}
