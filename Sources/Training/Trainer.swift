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
  private let dataset: ImageDataset
  private let heldOut: ImageDataset
  private let lock: RunDirectory.Lock
  private let engine: LossEngine
  private let state: TrainingState
  private var order: (epoch: Int, images: [UInt32])?

  /// Held-out images looked at after each epoch: enough for a standard error of about half a per cent.
  private static let heldOutCount = 2048

  public enum Event {
    case step(StepMetrics)
    /// At the end of an epoch, or of the run within one: the moment for a sheet of samples.
    case epoch(StepMetrics)
    case checkpoint(path: String)
  }

  public enum Outcome: Sendable { case finished, interrupted }

  /// Steps done.
  public var step: Int { state.step }

  /// Begins a run.
  ///
  /// - Parameters:
  ///   - steps: how many, given a measurement of seconds per step (`calibrate`); sets `settings.steps`.
  ///   - initialModel: the weights to start from, else chance.
  /// - Throws: `FileError` if there is a run already, or the directory can't be written.
  public convenience init(
    beginning run: RunDirectory, record: RunRecord, train: ImageDataset, test: ImageDataset,
    initialModel: Model? = nil
  ) throws {
    try run.create()
    let lock = try RunDirectory.Lock(run)
    guard !run.exists else {
      throw FileError(
        .cannotCreate, run.path, "holds a run already",
        remedy: "go on with it by --resume, or pass --output with another directory")
    }
    try self.init(run, lock, record, train, test)
    if let initialModel {
      state.initialize(from: initialModel.parameters)
    } else {
      let initial = Arena(count: unet.plan.parameters.count)
      unet.initialize(initial, seed: record.settings.seed)
      state.initialize(from: initial)
    }
  }

  /// Goes on with a run from its newest sound checkpoint.
  ///
  /// - Parameter record: `run.json`, with what may change changed.
  public convenience init(
    resuming run: RunDirectory, record: RunRecord, train: ImageDataset, test: ImageDataset
  ) throws {
    let lock = try RunDirectory.Lock(run)
    run.removeTemporaryFiles()
    let (checkpoint, passedOver) = try run.newestCheckpoint()
    var settings = checkpoint.header.settings
    settings.steps = record.settings.steps
    guard checkpoint.header.network == record.network, settings == record.settings,
      checkpoint.header.dataset == record.dataset
    else {
      throw FileError(
        .malformed, checkpoint.path, "was written by a run with other settings than its run.json",
        remedy: "restore the run.json that belongs to it")
    }
    try self.init(run, lock, record, train, test)
    try checkpoint.restore(state, of: unet)
    self.passedOver = passedOver
  }

  private init(
    _ run: RunDirectory, _ lock: RunDirectory.Lock, _ record: RunRecord, _ train: ImageDataset,
    _ test: ImageDataset
  ) throws {
    self.run = run
    self.lock = lock
    self.record = record
    dataset = train
    heldOut = test
    unet = try UNet(record.network)
    state = TrainingState(count: unet.plan.parameters.count, settings: record.settings)
    engine = LossEngine(
      unet: unet, pool: WorkerPool(threadCount: record.execution.threads),
      maximumBatchSize: max(record.settings.batchSize, Self.heldOutCount))
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
  public func setSteps(minutes: Double) {
    engine.parametersChanged(state.parameters)
    func measure() -> Double {
      let start = ContinuousClock.now
      _ = engine.lossAndGradient(batch(afterSteps: state.step), parameters: state.parameters)
      return seconds(since: start)
    }
    _ = measure()
    var times: [Double] = []
    repeat { times.append(measure()) } while times.count < 3 || times.reduce(0, +) < 3
    let median = times.sorted()[times.count / 2]
    // What comes on top of the steps' gradients: the optimiser, checkpoints, held-out images and sheets.
    let steps = Int(minutes * 60 / (median * 1.05))
    record.settings.steps = state.step + max(1, steps)
    if state.step == 0 { record.settings.warmupSteps = min(record.settings.warmupSteps, steps / 10) }
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
    try run.write(record)
    let log = try MetricsLog(path: run.metricsPath, afterStep: state.step)
    let start = ContinuousClock.now
    engine.parametersChanged(state.parameters)
    while state.step < settings.steps {
      let stepStart = ContinuousClock.now
      let loss = engine.lossAndGradient(batch(afterSteps: state.step), parameters: state.parameters)
      let gradient = engine.gradient
      let norm = sumOfSquares(gradient[gradient.all]).squareRoot()
      guard loss.isFinite && norm.isFinite else {
        throw TrainingError.diverged(step: state.step + 1, loss: loss, gradientNorm: norm)
      }
      let rate = settings.learningRate(afterSteps: state.step)
      state.update(settings, gradient: gradient, norm: norm, pool: engine.pool)
      engine.parametersChanged(state.parameters)

      let endsEpoch = state.step % record.stepsPerEpoch == 0 || state.step == settings.steps
      var metrics = StepMetrics(
        step: state.step, epoch: (state.step - 1) / record.stepsPerEpoch,
        samplesSeen: state.step * settings.batchSize, loss: loss, gradientNorm: norm, learningRate: rate,
        imagesPerSecond: Double(settings.batchSize) / seconds(since: stepStart),
        seconds: log.secondsBefore + seconds(since: start))
      if endsEpoch { metrics.heldOutLoss = heldOutLoss() }
      try log.append(metrics)
      try handle(.step(metrics))
      let stops = shouldStop()
      if state.step % record.execution.checkpointEvery == 0 || state.step == settings.steps || stops {
        try handle(.checkpoint(path: try saveCheckpoint()))
      }
      if endsEpoch { try handle(.epoch(metrics)) }
      if stops { return .interrupted }
    }
    try model.write(to: run.modelPath)
    return .finished
  }

  private func saveCheckpoint() throws(FileError) -> String {
    let path = run.checkpointPath(step: state.step)
    try Checkpoint.write(state, of: unet, record, to: path)
    try run.rotateCheckpoints(keep: record.execution.keep)
    return path
  }

  /// The examples of the step after `step` steps: an epoch is ⌊N / batch⌋ steps in a fresh permutation.
  private func batch(afterSteps step: Int) -> Batch {
    let settings = record.settings
    let (epoch, position) = step.quotientAndRemainder(dividingBy: record.stepsPerEpoch)
    if order?.epoch != epoch {
      let random = Philox(seed: settings.seed, purpose: .shuffle, step: UInt32(epoch))
      order = (epoch, random.permutation(dataset.count))
    }
    let images = order?.images ?? []
    return Batch(
      dataset: dataset, images: images[position * settings.batchSize..<(position + 1) * settings.batchSize],
      seed: settings.seed, draws: .training(step: step), times: settings.times,
      dequantize: settings.dequantize)
  }

  /// The loss of the weights to sample from, on the first test images, with fixed noise and times.
  private func heldOutLoss() -> Double {
    let count = min(heldOut.count, Self.heldOutCount)
    let batch = Batch(
      dataset: heldOut, images: ArraySlice((0..<count).map { UInt32($0) }), seed: 0, draws: .heldOut,
      times: .stratified, dequantize: false)
    engine.parametersChanged(state.bestParameters)
    defer { engine.parametersChanged(state.parameters) }
    return engine.loss(batch, parameters: state.bestParameters)
  }
}

public enum TrainingError: Error, CustomStringConvertible {
  case diverged(step: Int, loss: Double, gradientNorm: Double)

  public var description: String {
    switch self {
    case .diverged(let step, let loss, let gradientNorm):
      "training diverged at step \(step) (loss \(loss), gradient norm \(gradientNorm)); the last checkpoint is "
        + "kept: begin a new run with a smaller --learning-rate, or one from that checkpoint with --init"
    }
  }
}

private func seconds(since start: ContinuousClock.Instant) -> Double {
  (ContinuousClock.now - start) / .seconds(1)
}
