import Files
import Flow
import Foundation
import Imagery
import Kernels
import Network
import Sampling

/// A training run in its directory: begins or resumes it, and takes it to its last step.
public final class Trainer {
  public let run: RunDirectory
  public private(set) var record: RunRecord
  /// Newer checkpoints that a resume passed over, and why.
  public private(set) var passedOver: [FileError] = []
  /// Of the checkpoint that a resume goes on from.
  private var settingsBefore: TrainingSettings?
  package let unet: UNet
  package let pool: WorkerPool
  private let lock: RunDirectory.Lock
  private let engine: LossEngine
  private let loop: TrainingLoop
  private let heldOut: Batch

  /// Test images that the held-out loss is of, at most: 2048 of up to 32×32, of larger ones as many as have as
  /// many pixels, so that it takes no longer.
  package static func heldOutLimit(height: Int, width: Int) -> Int {
    min(2048, max(32, 2048 * 32 * 32 / (height * width)))
  }

  public enum Event: Sendable {
    case step(StepMetrics)
    case checkpoint(path: String)
    /// At the end of an epoch, or of the run within one; `sheet` is the file of its samples, or why there is none.
    case epoch(StepMetrics, sheet: Result<String, any Error>)
  }

  public enum Outcome: Sendable { case finished, interrupted }

  // MARK: Beginning

  /// Begins a run of `quick`'s settings.
  ///
  /// - Throws: as the initialiser with options.
  public convenience init(
    output: String, train: ImageDataset, test: ImageDataset, preset: UNetConfiguration.Preset = .small,
    steps: Int
  ) throws {
    try self.init(
      output: output, train: train, test: test,
      options: TrainingOptions(preset: preset, length: .steps(steps)))
  }

  /// Begins a run on images.
  ///
  /// - Parameters:
  ///   - output: the run's directory, in which there must be no run yet.
  ///   - train, test: images of one size.
  ///   - initial: the weights to begin with; nil for random ones.
  /// - Throws: `FileError` if there is a run already, or the directory can't be written;
  ///   `ConfigurationError` if options, data and network don't go together.
  public convenience init(
    output: String, train: ImageDataset, test: ImageDataset, options: TrainingOptions,
    initial: TrainedFlow? = nil
  ) throws {
    let run = RunDirectory(output)
    // Before a large data set is measured.
    try run.requireNoRun()
    let record = try RunRecord(options, train: train, test: test, initial: initial)
    try self.init(
      beginning: run, record: record,
      examples: ImageExamples(train, dequantize: record.settings.dequantize),
      heldOut: ImageExamples(test, dequantize: record.settings.dequantize), initial: initial,
      minutes: options.minutes)
  }

  /// Begins a run on examples of any source, which the record's data describe.
  package convenience init(
    beginning run: RunDirectory, record: RunRecord, examples: any ExampleSource,
    heldOut: any ExampleSource, initial: TrainedFlow? = nil, minutes: Double? = nil
  ) throws {
    let unet = try record.makeNetwork()
    try run.create()
    let lock = try RunDirectory.Lock(run)
    try run.requireNoRun()
    unlink(run.checkpointPath(step: 0))
    let weights =
      initial?.weights ?? Weights(reading: unet.initialParameters(seed: record.settings.seed))
    try self.init(
      run, lock, record, unet, examples, heldOut, TrainingState(from: weights, settings: record.settings))
    if let minutes { setSteps(minutes: minutes) }
  }

  // MARK: Resuming

  /// Goes on with a run on images from its newest sound checkpoint.
  ///
  /// - Parameter options: may change the length, threads, `keep` and `checkpointEvery`.
  /// - Throws: `FileError` if there is no run, or no sound checkpoint; `ConfigurationError` if the options or
  ///   the data differ from the run's.
  public convenience init(
    resuming output: String, train: ImageDataset, test: ImageDataset,
    options: TrainingOptions = TrainingOptions()
  ) throws {
    let run = RunDirectory(output)
    guard run.exists else {
      throw FileError(
        .missing, output, "holds no run to resume",
        remedy: "leave out --resume, or name the run's directory by --output")
    }
    var record = try run.readRecord()
    try record.resume(options, train: train, test: test)
    try self.init(
      resuming: run, record: record,
      examples: ImageExamples(train, dequantize: record.settings.dequantize),
      heldOut: ImageExamples(test, dequantize: record.settings.dequantize), minutes: options.minutes)
  }

  /// Goes on with a run on examples of any source, which the record's data describe.
  ///
  /// - Parameter record: `run.json`, with what may change changed.
  package convenience init(
    resuming run: RunDirectory, record: RunRecord, examples: any ExampleSource, heldOut: any ExampleSource,
    minutes: Double? = nil
  ) throws {
    let lock = try RunDirectory.Lock(run)
    run.removeTemporaryFiles()
    let ((checkpoint, state), passedOver) = try run.newestCheckpoint { (checkpoint) throws(FileError) in
      (checkpoint, try checkpoint.state())
    }
    var record = record
    record.settings.changeLength(from: checkpoint.header.settings, atStep: checkpoint.header.step)
    if checkpoint.header.step == 0 && record.settings.steps != checkpoint.header.settings.steps {
      record.setFreshLength()
    }
    try checkpoint.requireRecord(record)
    try self.init(run, lock, record, record.makeNetwork(), examples, heldOut, state)
    self.passedOver = passedOver
    settingsBefore = checkpoint.header.settings
    // Out of the way, so that they are never taken for newer than what is to come.
    for error in passedOver { rename(error.path, error.path + ".damaged") }
    if let minutes { setSteps(minutes: minutes) }
  }

  private init(
    _ run: RunDirectory, _ lock: RunDirectory.Lock, _ record: RunRecord, _ unet: UNet,
    _ examples: any ExampleSource, _ heldOut: any ExampleSource, _ state: TrainingState
  ) throws(ConfigurationError) {
    let (data, settings) = (record.dataset, record.settings)
    precondition(
      examples.count == data.trainCount && heldOut.count == data.testCount, "the record is of other data")
    guard settings.batchSize <= data.trainCount else {
      throw ConfigurationError(
        "a batch of \(settings.batchSize) is more than the \(data.trainCount) examples of '\(data.name)'")
    }
    self.run = run
    self.lock = lock
    self.record = record
    self.unet = unet
    let heldOutCount = min(data.testCount, Self.heldOutLimit(height: data.height, width: data.width))
    // The first ones, with the same noise and times in every run.
    self.heldOut = Batch(
      source: heldOut, rows: ArraySlice((0..<heldOutCount).map { UInt32($0) }), seed: 0, draws: .heldOut,
      times: .stratified)
    pool = WorkerPool(threadCount: record.execution.threads)
    engine = LossEngine(
      network: unet, pool: pool, maximumBatchSize: max(settings.batchSize, heldOutCount),
      loss: settings.loss ?? .square)
    loop = TrainingLoop(
      engine, examples: examples, state: state, settings: settings, pool: pool)
  }

  /// Why the run's directory can't be locked, where its file system has no locks: nothing then keeps a second process off
  /// the run.
  public var lockProblem: String? { lock.problem }

  /// The learning rates of the next step, of the length that the run had and of the one that a resume gave it, where
  /// these differ.
  public var changedLearningRate: (before: Double, now: Double)? {
    guard let settingsBefore, step > 0 else { return nil }
    let rates = (
      settingsBefore.learningRate(afterSteps: step), record.settings.learningRate(afterSteps: step)
    )
    return rates.0 == rates.1 ? nil : rates
  }

  // MARK: What was learnt

  /// Steps done.
  public var step: Int { loop.state.step }

  /// A snapshot of what was learnt so far: of the averaged weights, where the settings average.
  public var flow: TrainedFlow {
    loop.flow(
      of: unet,
      notes: Checkpoint.notes(
        step: step, averaged: loop.state.average != nil, record.dataset))
  }

  /// Writes `model/`.
  public func writeModel() throws(FileError) { try flow.write(to: run.modelPath) }

  // MARK: Training

  /// Measures a few steps, without taking them, and sets the number of steps so that the run lasts about
  /// `minutes` from here on.
  private func setSteps(minutes: Double) {
    func seconds(_ body: () -> Void) -> Double {
      let start = ContinuousClock.now
      body()
      return (ContinuousClock.now - start) / .seconds(1)
    }
    let batch = loop.batch(afterSteps: step)
    func measure() -> Double {
      seconds { _ = engine.lossAndGradient(batch, parameters: loop.state.parameters) }
    }
    _ = measure()
    var times: [Double] = []
    repeat { times.append(measure()) } while times.count < 3 || times.reduce(0, +) < 3
    let step = 1.03 * times.sorted()[times.count / 2]  // with the optimiser and checkpoints
    let evaluations = Double(heldOut.count + evaluationsPerSheet)
    let epoch =
      seconds { _ = engine.loss(heldOut, parameters: loop.state.parameters) } * evaluations
      / Double(heldOut.count)
    let steps = Int((minutes * 60 - epoch) / (step + epoch / Double(record.stepsPerEpoch)))
    record.settings.steps = min(self.step + max(1, steps), 1_000_000_000)
    if self.step == 0 { record.setFreshLength() }
    if let settingsBefore { record.settings.changeLength(from: settingsBefore, atStep: self.step) }
    loop.settings = record.settings
  }

  /// Trains up to the last step. A cancelled task stops as `shouldStop` does.
  ///
  /// - Parameters:
  ///   - shouldStop: is asked after each step; true ends the run there, with a checkpoint.
  ///   - handle: is told of each step. What it throws ends the run.
  /// - Throws: `TrainingError.diverged`; `FileError` where a file can't be written.
  @discardableResult
  public func train(
    shouldStop: () -> Bool = { Task.isCancelled }, onEvent handle: (Event) throws -> Void
  ) throws -> Outcome {
    let (settings, start) = (record.settings, ContinuousClock.now)
    func seconds(since start: ContinuousClock.Instant) -> Double {
      (ContinuousClock.now - start) / .seconds(1)
    }
    // A run can be resumed from the moment it exists.
    if run.checkpointSteps().isEmpty { _ = try saveCheckpoint() }
    try run.write(record)
    let log = try MetricsLog(path: run.metricsPath, afterStep: step)
    while step < settings.steps {
      let stepStart = ContinuousClock.now
      let rate = settings.learningRate(afterSteps: step)
      let (loss, norm) = try loop.step()
      let endsEpoch = step % record.stepsPerEpoch == 0 || step == settings.steps
      var metrics = StepMetrics(
        step: step, epoch: (step - 1) / record.stepsPerEpoch, samplesSeen: step * settings.batchSize,
        loss: loss, gradientNorm: norm, learningRate: rate,
        imagesPerSecond: Double(settings.batchSize) / seconds(since: stepStart),
        seconds: log.secondsBefore + seconds(since: start))
      if endsEpoch {
        let losses = heldOutLosses()
        let heldOut = losses.reduce(0, +) / Double(losses.count)
        guard heldOut.isFinite else {
          throw TrainingError.diverged(step: step, loss: heldOut, gradientNorm: norm)
        }
        metrics.heldOutLoss = heldOut
        metrics.heldOutLossByTime = StepMetrics.byTime(losses)
      }
      try log.append(metrics)
      try handle(.step(metrics))
      let stops = step < settings.steps && shouldStop()
      if step % record.execution.checkpointEvery == 0 || step == settings.steps || stops {
        try log.synchronize()
        try handle(.checkpoint(path: try saveCheckpoint()))
      }
      // A picture that can't be drawn must not end what it is a picture of.
      if endsEpoch { try handle(.epoch(metrics, sheet: Result { try writeSheet() })) }
      if stops { return .interrupted }
    }
    try writeModel()
    return .finished
  }

  /// - Throws: `TrainingError.diverged` for weights that can't go on: the last checkpoint should be a good one.
  private func saveCheckpoint() throws -> String {
    let path = run.checkpointPath(step: step)
    if step < record.settings.steps {
      let next = loop.batch(afterSteps: step).first(unet.microBatchSize)
      let loss = engine.loss(next, parameters: loop.state.parameters)
      guard loss.isFinite else {
        throw TrainingError.diverged(step: step, loss: loss, gradientNorm: .nan)
      }
    }
    try Checkpoint.write(loop.state, of: unet, record, to: path)
    try run.rotateCheckpoints(keep: record.execution.keep, upTo: step)
    return path
  }

  /// [count] The losses of the weights to sample from, in the order of the times, which are stratified.
  private func heldOutLosses() -> [Double] {
    let best = loop.state.bestParameters
    engine.parametersChanged(best)
    defer { engine.parametersChanged(loop.state.parameters) }
    return engine.exampleLosses(heldOut, parameters: best)
  }
}
