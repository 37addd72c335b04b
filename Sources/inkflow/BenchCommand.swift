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

  func validate() throws {
    guard threads.map({ (1...256).contains($0) }) ?? true else {
      throw ValidationError("--threads must be from 1 to 256.")
    }
  }

  func run() throws {
    let pool = WorkerPool(threadCount: threads ?? ProcessInfo.processInfo.activeProcessorCount)
    let machine = Machine(pool)
    let layers = Self.layers.map { Layer($0.side, $0.input, $0.output, peak: machine.peakOfOneCore) }
    let network = try NetworkSpeed(pool)
    let report = Report(
      build: RunRecord.currentBuild, threads: pool.threadCount, machine: machine, convolutions: layers,
      network: network)
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
    let network: NetworkSpeed

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
        "", "preset small, 28×28, \(threads) threads:", row(["batch", "training/s", "evaluations/s"]),
      ]
      for rate in network.rates {
        lines.append(row(["\(rate.batch)", rate.training.map(number) ?? "–", number(rate.evaluations)]))
      }
      lines += [
        "",
        "a training step of 64 in ms: loss and gradient \(number(network.gradientMilliseconds)), optimiser "
          + "\(number(network.optimizerMilliseconds)), prepared weights \(number(network.preparationMilliseconds))",
      ]
      return lines.joined(separator: "\n")
    }

    private func number(_ value: Double) -> String { Terminal.fixed(value, value < 10 ? 1 : 0) }
  }
}

/// The median time of a call, in seconds, over at least `runs` calls and a fifth of a second, after one warm-up.
private func medianSeconds(runs: Int = 5, _ body: () -> Void) -> Double {
  func measure() -> Double {
    let start = ContinuousClock.now
    body()
    return (ContinuousClock.now - start) / .seconds(1)
  }
  _ = measure()
  var times: [Double] = []
  var total = 0.0
  while times.count < runs || total < 0.2 {
    times.append(measure())
    total += times[times.count - 1]
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

/// Training and evaluation of preset small by batch size.
private struct NetworkSpeed: Encodable {
  struct Rate: Encodable {
    let batch: Int
    /// Images/s, whole steps; nil where it was not measured.
    let training: Double?
    /// Images/s without a gradient.
    let evaluations: Double
  }

  let rates: [Rate]
  let gradientMilliseconds: Double
  let optimizerMilliseconds: Double
  let preparationMilliseconds: Double

  init(_ pool: WorkerPool) throws {
    let unet = try UNet(UNetConfiguration(.small, height: 28, width: 28, channels: 1))
    let data = SyntheticStrokes.make(count: 512, split: .train)
    var settings = TrainingSettings(recipe: .quick, steps: 1000)
    let state = TrainingState(count: unet.plan.parameters.count, settings: settings)
    let initial = Arena(count: unet.plan.parameters.count)
    unet.initialize(initial, seed: 0)
    state.initialize(from: initial)
    let engine = LossEngine(unet: unet, pool: pool, maximumBatchSize: 128)
    engine.parametersChanged(state.parameters)
    var parts = (0.0, 0.0, 0.0)
    let sampler = Sampler(model: Model(unet: unet, parameters: state.parameters), pool: pool)
    rates = [1, 16, 64, 128].map { batch in
      settings.batchSize = batch
      var training: Double?
      if batch >= 64 {
        let examples = Batch(
          dataset: data, images: ArraySlice((0..<batch).map { UInt32($0) }), seed: 0,
          draws: .training(step: 0), times: .stratified, dequantize: false)
        let gradient = medianSeconds { _ = engine.lossAndGradient(examples, parameters: state.parameters) }
        let update = medianSeconds {
          state.update(settings, gradient: engine.gradient, norm: 1, pool: pool)
        }
        let preparation = medianSeconds { engine.parametersChanged(state.parameters) }
        training = Double(batch) / (gradient + update + preparation)
        if batch == 64 { parts = (gradient, update, preparation) }
      }
      let evaluation = medianSeconds { sampler.evaluate(count: batch, time: 0.5) }
      return Rate(batch: batch, training: training, evaluations: Double(batch) / evaluation)
    }
    gradientMilliseconds = 1000 * parts.0
    optimizerMilliseconds = 1000 * parts.1
    preparationMilliseconds = 1000 * parts.2
  }
}
