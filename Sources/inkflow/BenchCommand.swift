import ArgumentParser
import Foundation
import Imagery
import Kernels
import Network
import Sampling
import Training

struct BenchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure kernels, training steps and sampling against this machine's peak.",
    discussion: """
      Each figure is the median of several runs. Machines that others use too drift by half: compare figures of
      one call only, as in the shares of the peak.
      """)

  @Flag(help: "Print one JSON object.")
  var json = false

  @Option(help: "Threads. (default: the number of cores)")
  var threads: Int?

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
    guard batch > 0 && batch <= 60000 else { throw ValidationError("--batch must be from 1 to 60000.") }
    guard runs.map({ $0 > 0 }) ?? true else { throw ValidationError("--runs must be positive.") }
    guard seconds > 0 && seconds <= 600 else { throw ValidationError("--seconds must be up to 600.") }
    guard threads.map({ (1...256).contains($0) }) ?? true else {
      throw ValidationError("--threads must be from 1 to 256.")
    }
  }

  func run() throws {
    let pool = WorkerPool(threadCount: threads ?? ProcessInfo.processInfo.activeProcessorCount)
    if let only {
      let bench = try NetworkBench(preset, pool, maximumBatchSize: batch)
      let time =
        runs.map { bench.seconds(only, batch: batch, runs: $0, atLeast: 0) }
        ?? bench.seconds(only, batch: batch, atLeast: seconds)
      let rate = Rate(only, batch: batch, seconds: time)
      return print(json ? try jsonText(rate) : "\(Terminal.fixed(rate.imagesPerSecond, 1)) images/s")
    }
    let machine = Machine(pool)
    let layers = Self.layers.map { Layer($0.side, $0.input, $0.output, peak: machine.peakOfOneCore) }
    let bench = try NetworkBench(.small, pool, maximumBatchSize: 128)
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
        "a training step of \(step.batch) in ms: loss and gradient \(number(step.gradient)), optimiser "
          + "\(number(step.optimizer)), prepared weights \(number(step.preparation))",
      ]
      return lines.joined(separator: "\n")
    }

    private func number(_ value: Double) -> String { Terminal.fixed(value, value < 10 ? 1 : 0) }
  }
}

/// The median time of a call, in seconds, over at least `runs` calls and `total` seconds, after one
/// warm-up.
private func medianSeconds(runs: Int = 5, atLeast total: Double = 0.2, _ body: () -> Void) -> Double {
  func measure() -> Double {
    let start = ContinuousClock.now
    body()
    return (ContinuousClock.now - start) / .seconds(1)
  }
  _ = measure()
  var times: [Double] = []
  var measured = 0.0
  while times.count < runs || measured < total {
    times.append(measure())
    measured += times[times.count - 1]
  }
  return times.sorted()[times.count / 2]
}

/// What this machine can do at best.
private struct Machine: Encodable {
  /// GFLOP/s.
  let peakOfOneCore: Double
  /// GFLOP/s on all threads.
  let peak: Double
  /// GB/s, read and write, on all threads.
  let copyBandwidth: Double

  init(_ pool: WorkerPool) {
    let iterations = 2_000_000
    let work = Double(iterations * multiplyAddsPerIteration) * 1e-9
    let sink = Arena(count: 16 * pool.threadCount)
    @Sendable func spin(_ task: Int) {
      fill(
        sink.mutable(sink.all.part(task, length: 16)), with: spinMultiplyAdds(iterations: iterations))
    }
    peakOfOneCore = work / medianSeconds { spin(0) }
    peak =
      work * Double(pool.threadCount) / medianSeconds { pool.run(pool.threadCount) { task, _ in spin(task) } }
    let length = 16 << 20
    let (source, destination) = (Arena(count: length), Arena(count: length))
    let part = length / pool.threadCount
    copyBandwidth =
      Double(2 * 4 * part * pool.threadCount) * 1e-9
      / medianSeconds {
        pool.run(pool.threadCount) { task, _ in
          copy(
            source[source.all.part(task, length: part)],
            into: destination.mutable(destination.all.part(task, length: part)))
        }
      }
  }
}

/// One convolution's three passes over four images on one core, GFLOP/s in terms of the direct sum.
private struct Layer: Encodable {
  let shape: String
  let forward: Double
  let inputGradient: Double
  let weightGradient: Double

  init(_ side: Int, _ input: Int, _ output: Int, peak: Double) {
    let count = 4
    let convolution = Convolution3x3(
      input: ImageShape(height: side, width: side, channels: input), outputChannels: output)
    func arena(_ count: Int, seed: UInt64) -> Arena {
      let arena = Arena(count: count)
      Philox(seed: seed, purpose: .initialization).fillNormals(arena.mutable(arena.all))
      return arena
    }
    let x = arena(count * convolution.input.padded.count, seed: 1)
    let dy = arena(count * convolution.output.padded.count, seed: 2)
    let weights = arena(convolution.weightCount, seed: 3)
    let bias = arena(output, seed: 4)
    let forwardWeights = Arena(count: convolution.forwardWeightCount ?? convolution.weightCount)
    if convolution.forwardWeightCount == nil {
      copy(weights[weights.all], into: forwardWeights.mutable(forwardWeights.all))
    } else {
      convolution.prepareForward(weights[weights.all], into: forwardWeights.mutable(forwardWeights.all))
    }
    let backwardWeights = Arena(count: convolution.backwardWeightCount)
    convolution.prepareBackward(weights[weights.all], into: backwardWeights.mutable(backwardWeights.all))
    let y = Arena(count: count * convolution.output.count)
    let dx = Arena(count: count * convolution.input.count)
    let dw = Arena(count: convolution.weightCount)
    let scratch = Arena(count: convolution.scratchCount)
    let work = 2e-9 * Double(count * convolution.output.pixels * convolution.weightCount)
    shape = "\(side)² \(input)→\(output)"
    forward =
      work
      / medianSeconds {
        convolution.forward(
          x[x.all], count: count, weights: forwardWeights[forwardWeights.all], bias: bias[bias.all],
          into: y.mutable(y.all), scratch: scratch.mutable(scratch.all))
      }
    inputGradient =
      work
      / medianSeconds {
        convolution.inputGradient(
          dy[dy.all], count: count, weights: backwardWeights[backwardWeights.all], into: dx.mutable(dx.all),
          scratch: scratch.mutable(scratch.all))
      }
    weightGradient =
      work
      / medianSeconds {
        convolution.addWeightGradient(
          x[x.all], dy[dy.all], count: count, into: dw.mutable(dw.all), scratch: scratch.mutable(scratch.all))
      }
  }
}

/// A network for 28×28 images, ready to be measured.
private struct NetworkBench {
  private let pool: WorkerPool
  private let data = SyntheticStrokes.make(count: 512, split: .train)
  private let settings = TrainingSettings(recipe: .quick, steps: 1000)
  private let state: TrainingState
  private let engine: LossEngine
  private let sampler: Sampler

  init(_ preset: UNetConfiguration.Preset, _ pool: WorkerPool, maximumBatchSize: Int) throws {
    self.pool = pool
    let unet = try UNet(UNetConfiguration(preset, height: 28, width: 28, channels: 1))
    state = TrainingState(count: unet.plan.parameters.count, settings: settings)
    let initial = Arena(count: unet.plan.parameters.count)
    unet.initialize(initial, seed: 0)
    state.initialize(from: initial)
    engine = LossEngine(unet: unet, pool: pool, maximumBatchSize: maximumBatchSize)
    engine.parametersChanged(state.parameters)
    sampler = Sampler(model: Model(unet: unet, parameters: state.parameters), pool: pool)
  }

  private func gradient(_ batch: Int) {
    let examples = Batch(
      dataset: data, images: ArraySlice((0..<batch).map { UInt32($0 % data.count) }), seed: 0,
      draws: .training(step: 0), times: .stratified, dequantize: false)
    _ = engine.lossAndGradient(examples, parameters: state.parameters)
  }

  private func update() {
    let norm = sumOfSquares(engine.gradient[engine.gradient.all]).squareRoot()
    state.update(settings, gradient: engine.gradient, norm: norm, pool: pool)
  }

  private func prepare() { engine.parametersChanged(state.parameters) }

  /// The median seconds of one step or evaluation.
  func seconds(
    _ task: BenchCommand.Task, batch: Int, runs: Int = 5, atLeast total: Double = 0.2
  ) -> Double {
    switch task {
    case .training:
      medianSeconds(runs: runs, atLeast: total) {
        gradient(batch)
        update()
        prepare()
      }
    case .evaluation: medianSeconds(runs: runs, atLeast: total) { sampler.evaluate(count: batch, time: 0.5) }
    }
  }

  /// Where a training step's time goes.
  func parts(batch: Int) -> TrainingParts {
    TrainingParts(
      batch: batch, gradient: 1000 * medianSeconds { gradient(batch) },
      optimizer: 1000 * medianSeconds { update() }, preparation: 1000 * medianSeconds { prepare() })
  }
}

/// Milliseconds.
private struct TrainingParts: Encodable {
  let batch: Int
  let gradient: Double
  let optimizer: Double
  let preparation: Double
}

private struct Rate: Encodable {
  let task: BenchCommand.Task
  let batch: Int
  /// Of one step or evaluation.
  let seconds: Double
  let imagesPerSecond: Double

  init(_ task: BenchCommand.Task, batch: Int, seconds: Double) {
    self.task = task
    self.batch = batch
    self.seconds = seconds
    imagesPerSecond = Double(batch) / seconds
  }
}
