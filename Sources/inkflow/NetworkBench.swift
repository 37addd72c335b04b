import Imagery
import Kernels
import Network
import Sampling
import Training

/// A network for images of its preset's own size, ready to be measured.
struct NetworkBench {
  private let pool: WorkerPool
  private let data: any ExampleSource
  private let settings = TrainingSettings(recipe: .quick, steps: 1000)
  private let state: TrainingState
  private let engine: LossEngine
  private let sampler: Sampler

  init(_ preset: UNetConfiguration.Preset, _ pool: WorkerPool, maximumBatchSize: Int) throws {
    self.pool = pool
    let images = Self.images(of: preset)
    data = ImageExamples(images, dequantize: false)
    let unet = try UNet(
      UNetConfiguration(preset, height: images.height, width: images.width, channels: images.channels))
    state = TrainingState(count: unet.plan.parameters.count, settings: settings)
    let initial = Arena(count: unet.plan.parameters.count)
    unet.initialize(initial, seed: 0)
    state.initialize(from: initial)
    engine = LossEngine(network: unet, pool: pool, maximumBatchSize: maximumBatchSize)
    engine.parametersChanged(state.parameters)
    sampler = Sampler(model: Model(unet: unet, parameters: state.parameters), pool: pool)
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
  func imagesTogether(_ side: Int) -> Int {
    engine.network.plan.chunkSize(of: ImageShape(height: side, width: side, channels: 1))
  }

  private func examples(_ count: Int) -> Batch {
    Batch(
      source: data, rows: ArraySlice((0..<count).map { UInt32($0 % data.count) }), seed: 0,
      draws: .training(step: 0), times: .stratified)
  }

  private func gradient(_ batch: Int) -> Double {
    engine.lossAndGradient(examples(batch), parameters: state.parameters).gradientNorm
  }

  private func update(norm: Double) {
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
        update(norm: gradient(batch))
        prepare()
      }
    case .evaluation: medianSeconds(runs: runs, atLeast: total) { sampler.evaluate(count: batch, time: 0.5) }
    }
  }

  /// Where a training step's time goes.
  func parts(batch: Int) -> TrainingParts {
    func milliseconds(_ body: () -> Void) -> Double { 1000 * medianSeconds(body) }
    let forward = milliseconds { _ = engine.loss(examples(batch), parameters: state.parameters) }
    return TrainingParts(
      batch: batch, forward: forward, backward: milliseconds { _ = gradient(batch) } - forward,
      optimizer: milliseconds { update(norm: 1) }, preparation: milliseconds { prepare() })
  }
}

/// Milliseconds. (The backward pass's are those of both passes without the forward pass's.)
struct TrainingParts: Encodable {
  let batch: Int
  let forward: Double
  let backward: Double
  let optimizer: Double
  let preparation: Double
}

struct Rate: Encodable {
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
