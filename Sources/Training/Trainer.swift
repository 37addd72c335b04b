import Files
import Foundation
import Imagery
import Kernels
import Network

/// A training run in its directory: begins or resumes it, and takes it to its last step.
public final class Trainer {
  public let run: RunDirectory
  public private(set) var record: RunRecord
  public let unet: UNet
  /// Newer checkpoints that a resume passed over, and why.
  public private(set) var passedOver: [FileError] = []
  private let examples: any ExampleSource
  private let heldOut: any ExampleSource
  private let lock: RunDirectory.Lock
  private let engine: LossEngine
  private let state: TrainingState
  private var order: (epoch: Int, rows: [UInt32])?

  /// Held-out images looked at after each epoch, at most: 2048 of up to 32×32, of larger ones as many as have as
  /// many pixels, so that it takes no longer.
  package static func heldOutLimit(height: Int, width: Int) -> Int {
    min(2048, max(32, 2048 * 32 * 32 / (height * width)))
  }

  private let heldOutCount: Int

  public enum Event {
    case step(StepMetrics)
    /// At the end of an epoch, or of the run within one: the moment for a sheet of samples.
    case epoch(StepMetrics)
    case checkpoint(path: String)
  }

  public enum Outcome: Sendable { case finished, interrupted }

  /// Steps done.
  public var step: Int { state.step }

  /// Begins a run on images.
  ///
  /// - Parameters:
  ///   - record: its data are `train`'s and `test`'s, whose images have one size.
  ///   - initialModel: the weights to start from, else chance; of the record's network.
  /// - Throws: `FileError` if there is a run already, or the directory can't be written;
  ///   `ConfigurationError` if the network can't be.
  public convenience init(
    beginning run: RunDirectory, record: RunRecord, train: ImageDataset, test: ImageDataset,
    initialModel: Model? = nil
  ) throws {
    try self.init(
      beginning: run, record: record,
      examples: ImageExamples(train, dequantize: record.settings.dequantize),
      heldOut: ImageExamples(test, dequantize: record.settings.dequantize), initialModel: initialModel)
  }

  /// The same on examples of any source, which the record's data describe.
  package convenience init(
    beginning run: RunDirectory, record: RunRecord, examples: any ExampleSource,
    heldOut: any ExampleSource, initialModel: Model? = nil
  ) throws {
    try run.create()
    let lock = try RunDirectory.Lock(run)
    // A kill between a run's first checkpoint and its run.json leaves one that belongs to no run.
    if !run.exists && run.checkpointSteps() == [0] { unlink(run.checkpointPath(step: 0)) }
    guard !run.exists && run.checkpointSteps().isEmpty else {
      throw FileError(
        .cannotCreate, run.path, "holds a run already",
        remedy: "go on with it by --resume, or pass --output with another directory")
    }
    try self.init(run, lock, record, examples, heldOut)
    if let initialModel {
      state.initialize(from: initialModel.parameters)
    } else {
      let initial = Arena(count: unet.plan.parameters.count)
      unet.initialize(initial, seed: record.settings.seed)
      state.initialize(from: initial)
    }
  }

  /// Goes on with a run on images from its newest sound checkpoint.
  ///
  /// - Parameter record: `run.json`, with what may change changed.
  /// - Throws: `FileError` if there is no sound checkpoint, or it doesn't belong to the record.
  public convenience init(
    resuming run: RunDirectory, record: RunRecord, train: ImageDataset, test: ImageDataset
  ) throws {
    try self.init(
      resuming: run, record: record,
      examples: ImageExamples(train, dequantize: record.settings.dequantize),
      heldOut: ImageExamples(test, dequantize: record.settings.dequantize))
  }

  /// The same on examples of any source, which the record's data describe.
  package convenience init(
    resuming run: RunDirectory, record: RunRecord, examples: any ExampleSource, heldOut: any ExampleSource
  ) throws {
    let lock = try RunDirectory.Lock(run)
    run.removeTemporaryFiles()
    let (checkpoint, passedOver) = try run.newestCheckpoint()
    try checkpoint.requireRecord(record)
    try self.init(run, lock, record, examples, heldOut)
    try checkpoint.restore(state, of: unet)
    self.passedOver = passedOver
    // Out of the way, so that they are never taken for newer than what is to come.
    for error in passedOver { rename(error.path, error.path + ".damaged") }
  }

  private init(
    _ run: RunDirectory, _ lock: RunDirectory.Lock, _ record: RunRecord, _ examples: any ExampleSource,
    _ heldOut: any ExampleSource
  ) throws {
    precondition(
      examples.count == record.dataset.trainCount && heldOut.count == record.dataset.testCount,
      "the record is of other data")
    self.run = run
    self.lock = lock
    self.record = record
    self.examples = examples
    self.heldOut = heldOut
    heldOutCount = min(
      heldOut.count, Self.heldOutLimit(height: record.dataset.height, width: record.dataset.width))
    unet = try UNet(record.network)
    state = TrainingState(count: unet.plan.parameters.count, settings: record.settings)
    engine = LossEngine(
      // More threads than lanes would have nothing to do.
      network: unet, pool: WorkerPool(threadCount: min(record.execution.threads, GradientLanes.count)),
      maximumBatchSize: max(record.settings.batchSize, heldOutCount))
  }

  /// The model as it is now: averaged weights where the settings average.
  public var model: Model {
    Model(
      unet: unet, parameters: state.bestParameters,
      notes: Checkpoint.notes(
        step: state.step, averaged: state.average != nil, dataset: record.dataset.name))
  }

  /// Measures a few steps, without taking them, and sets the number of steps so that the run lasts about
  /// `minutes` from here on.
  ///
  /// - Parameter evaluationsPerEpoch: those that the run's user makes at the end of an epoch, beside the held-out loss.
  public func setSteps(minutes: Double, evaluationsPerEpoch: Int) {
    engine.parametersChanged(state.parameters)
    func measure() -> Double {
      let start = ContinuousClock.now
      _ = engine.lossAndGradient(batch(afterSteps: state.step), parameters: state.parameters)
      return seconds(since: start)
    }
    _ = measure()
    var times: [Double] = []
    repeat { times.append(measure()) } while times.count < 3 || times.reduce(0, +) < 3
    let step = 1.03 * times.sorted()[times.count / 2]  // with the optimiser and checkpoints
    let epochStart = ContinuousClock.now
    _ = engine.loss(heldOutBatch, parameters: state.parameters)
    let epoch = seconds(since: epochStart) * Double(heldOutCount + evaluationsPerEpoch) / Double(heldOutCount)
    let steps = Int((minutes * 60 - epoch) / (step + epoch / Double(record.stepsPerEpoch)))
    record.settings.steps = min(state.step + max(1, steps), 1_000_000_000)
    if state.step == 0 {
      record.settings.warmupSteps =
        TrainingSettings(recipe: record.recipe, steps: record.settings.steps).warmupSteps
    }
  }

  /// The threads, for sampling between epochs.
  package var pool: WorkerPool { engine.pool }

  /// Lends the trainer's memory for sampling between epochs: the weights of `model`, prepared, and a workspace for
  /// each thread.
  package func lendMemory<Result>(
    _ body: (_ prepared: Arena, _ workspaces: [Workspace]) throws -> Result
  ) rethrows -> Result {
    defer { engine.parametersChanged(state.parameters) }
    return try engine.lend(state.bestParameters, body)
  }

  /// Trains up to the last step.
  ///
  /// - Parameters:
  ///   - shouldStop: is asked after each step; true ends the run there, with a checkpoint.
  ///   - onEvent: is told of each step. What it throws ends the run.
  /// - Throws: `TrainingError.diverged`; `FileError` where a file can't be written.
  public func train(
    shouldStop: () -> Bool = { false }, onEvent handle: (Event) throws -> Void
  ) throws -> Outcome {
    let settings = record.settings
    let start = ContinuousClock.now
    engine.parametersChanged(state.parameters)
    // A run can be resumed from the moment it exists.
    if run.checkpointSteps().isEmpty { _ = try saveCheckpoint() }
    try run.write(record)
    let log = try MetricsLog(path: run.metricsPath, afterStep: state.step)
    while state.step < settings.steps {
      let stepStart = ContinuousClock.now
      let (loss, norm) = engine.lossAndGradient(
        batch(afterSteps: state.step), parameters: state.parameters)
      guard loss.isFinite && norm.isFinite else {
        throw TrainingError.diverged(step: state.step + 1, loss: loss, gradientNorm: norm)
      }
      let rate = settings.learningRate(afterSteps: state.step)
      state.update(settings, gradient: engine.gradient, norm: norm, pool: engine.pool)
      engine.parametersChanged(state.parameters)

      let endsEpoch = state.step % record.stepsPerEpoch == 0 || state.step == settings.steps
      var metrics = StepMetrics(
        step: state.step, epoch: (state.step - 1) / record.stepsPerEpoch,
        samplesSeen: state.step * settings.batchSize, loss: loss, gradientNorm: norm, learningRate: rate,
        imagesPerSecond: Double(settings.batchSize) / seconds(since: stepStart),
        seconds: log.secondsBefore + seconds(since: start))
      if endsEpoch {
        let heldOut = heldOutLoss()
        guard heldOut.isFinite else {
          throw TrainingError.diverged(step: state.step, loss: heldOut, gradientNorm: norm)
        }
        metrics.heldOutLoss = heldOut
      }
      try log.append(metrics)
      try handle(.step(metrics))
      let stops = state.step < settings.steps && shouldStop()
      if state.step % record.execution.checkpointEvery == 0 || state.step == settings.steps || stops {
        try log.synchronize()
        try handle(.checkpoint(path: try saveCheckpoint()))
      }
      if endsEpoch { try handle(.epoch(metrics)) }
      if stops { return .interrupted }
    }
    try writeModel()
    return .finished
  }

  /// Writes `model/`.
  public func writeModel() throws(FileError) { try model.write(to: run.modelPath) }

  /// - Throws: `TrainingError.diverged` for weights that can't go on: the last checkpoint should be a good one.
  private func saveCheckpoint() throws -> String {
    let path = run.checkpointPath(step: state.step)
    if state.step < record.settings.steps {
      let loss = engine.loss(
        batch(afterSteps: state.step).first(unet.microBatchSize), parameters: state.parameters)
      guard loss.isFinite else {
        throw TrainingError.diverged(step: state.step, loss: loss, gradientNorm: .nan)
      }
    }
    try Checkpoint.write(state, of: unet, record, to: path)
    try run.rotateCheckpoints(keep: record.execution.keep, upTo: state.step)
    return path
  }

  /// The examples of the step after `step` steps: an epoch is ⌊N / batch⌋ steps in a fresh permutation.
  private func batch(afterSteps step: Int) -> Batch {
    let settings = record.settings
    let (epoch, position) = step.quotientAndRemainder(dividingBy: record.stepsPerEpoch)
    if order?.epoch != epoch {
      let random = Philox(seed: settings.seed, purpose: .shuffle, step: UInt32(epoch))
      order = (epoch, random.permutation(examples.count))
    }
    let rows = order?.rows ?? []
    return Batch(
      source: examples, rows: rows[position * settings.batchSize..<(position + 1) * settings.batchSize],
      seed: settings.seed, draws: .training(step: step), times: settings.times)
  }

  /// The first test images, with fixed noise and times.
  private var heldOutBatch: Batch {
    Batch(
      source: heldOut, rows: ArraySlice((0..<heldOutCount).map { UInt32($0) }), seed: 0, draws: .heldOut,
      times: .stratified)
  }

  /// The loss of the weights to sample from.
  private func heldOutLoss() -> Double {
    engine.parametersChanged(state.bestParameters)
    defer { engine.parametersChanged(state.parameters) }
    return engine.loss(heldOutBatch, parameters: state.bestParameters)
  }
}

public enum TrainingError: Error, CustomStringConvertible {
  case diverged(step: Int, loss: Double, gradientNorm: Double)

  public var description: String {
    switch self {
    case .diverged(let step, let loss, let gradientNorm):
      "training diverged at step \(step) (loss \(loss), gradient norm \(gradientNorm)); the run's last checkpoint "
        + "is kept: begin a new run with a smaller --learning-rate, or one from that checkpoint with --init"
    }
  }
}

private func seconds(since start: ContinuousClock.Instant) -> Double {
  (ContinuousClock.now - start) / .seconds(1)
}
