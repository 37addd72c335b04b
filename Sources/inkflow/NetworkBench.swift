import Imagery
import Kernels
import Network
import Sampling
import Training

/// A network for images of its preset's own size, ready to be measured.
struct NetworkBench {
  private let pool: WorkerPool
  private let data: any ExampleSource
  private let imageCount: Int
  private let settings = TrainingSettings(recipe: .quick, steps: 1000)
  private let state: TrainingState
  private let tasks: UpdateTasks
  private let engine: LossEngine
  private let field: FlowField

  init(
    _ preset: UNetConfiguration.Preset, _ precision: Precision, _ pool: WorkerPool, maximumBatchSize: Int
  ) throws {
    self.pool = pool
    let images = Self.images(of: preset)
    data = ImageExamples(images, dequantize: false)
    imageCount = images.count
    let unet = try UNet(
      UNetConfiguration(preset, height: images.height, width: images.width, channels: images.channels),
      precision: precision)
    state = TrainingState(from: Weights(reading: unet.initialParameters(seed: 0)), settings: settings)
    engine = LossEngine(network: unet, pool: pool, maximumBatchSize: maximumBatchSize)
    tasks = UpdateTasks(
      engine.plan.parameters, count: engine.plan.count, settings: settings, pool: pool)
    engine.parametersChanged(state.parameters)
    // An evaluation has no gradients.
    field = try TrainedFlow(unet, Weights(copying: state.parameters))
      .evaluated(in: precision == .bfloat16 ? .bfloat16 : .float32)
      .field(capacity: maximumBatchSize, on: pool)
  }

  /// Strokes, magnified to the preset's side and repeated in each of its channels.
  private static func images(of preset: UNetConfiguration.Preset) -> ImageDataset {
    let strokes = SyntheticStrokes.make(count: 512, split: .train)
    let (side, channels) = preset.standardImage
    if side == strokes.height && channels == 1 { return strokes }
    let count = 64
    let pixels = [UInt8](capacity: count * side * side * channels) { output in
      for image in 0..<count {
        for y in 0..<side {
          for x in 0..<side {
            let row = image * strokes.height + y * strokes.height / side
            let byte = strokes.pixels[row * strokes.width + x * strokes.width / side]
            for _ in 0..<channels { output.append(byte) }
          }
        }
      }
    }
    return ImageDataset(
      name: strokes.name, split: .train, pixels: pixels, height: side, width: side, channels: channels,
      labels: nil)
  }

  /// How many images of this side a layer takes together.
  func portionSize(ofSide side: Int) -> Int {
    engine.network.plan.portionSize(of: ImageShape(height: side, width: side, channels: 1))
  }

  private func examples(_ count: Int) -> Batch {
    Batch(
      source: data, rows: ArraySlice((0..<count).map { UInt32($0 % imageCount) }), seed: 0,
      draws: .training(step: 0), times: .stratified)
  }

  private func gradient(_ batch: Int) -> Double {
    engine.lossAndGradient(examples(batch), parameters: state.parameters).gradientNorm
  }

  private func update(norm: Double) {
    state.update(settings, gradient: engine.gradient, norm: norm, tasks: tasks, pool: pool)
  }

  private func prepare() { engine.parametersChanged(state.parameters) }

  /// The median seconds of one step or evaluation.
  func seconds(
    _ task: BenchCommand.Task, batch: Int, runs: Int = 5, atLeast total: Double = 0.2
  ) -> Double {
    switch task {
    case .training:
      medianSeconds(runs: runs, atLeast: total) {
        update(norm: gradient(batch))
        prepare()
      }
    case .evaluation: medianSeconds(runs: runs, atLeast: total) { evaluate(batch) }
    }
  }

  /// One evaluation: what a solver does many times.
  private func evaluate(_ batch: Int) {
    let states = [Double](repeating: 0.5, count: batch * field.dimension)
    var velocities = states
    var span = velocities.mutableSpan
    do {
      try field.evaluate(
        states.span, times: Array(repeating: 0.5, count: batch).span, samples: Array(0..<batch).span,
        into: &span)
    } catch {
      preconditionFailure("nobody cancels an evaluation: \(error)")
    }
  }

  /// Where a training step's time goes, in milliseconds. (The backward pass's is that of both passes without the forward
  /// pass's.)
  func parts(batch: Int) -> Report {
    func milliseconds(_ body: () -> Void) -> Double { 1000 * medianSeconds(body) }
    let forward = milliseconds { _ = engine.loss(examples(batch), parameters: state.parameters) }
    var report = Report()
    report.add("batch", batch)
    report.add("forward", forward, digits: 1)
    report.add("backward", milliseconds { _ = gradient(batch) } - forward, digits: 1)
    report.add("optimizer", milliseconds { update(norm: 1) }, digits: 1)
    report.add("preparation", milliseconds { prepare() }, digits: 1)
    return report
  }
}
