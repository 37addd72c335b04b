import Files
import Foundation
import Kernels
import Network
import Sampling
import Training

/// One round of reflow: pairs from the flow before, and a run on them from its weights.
struct ReflowRun {
  let number: Int
  /// The flow before.
  let source: RunDirectory
  /// Of all rounds.
  let directory: String
  let plan: ReflowPlan
  /// The first flow's record, for the settings that all rounds share with it.
  let original: RunRecord

  var run: RunDirectory { RunDirectory(directory.appendingPath("round-\(number)")) }

  private var shape: ImageShape { original.network.shape }

  private func data(_ training: ReflowPairs, _ heldOut: ReflowPairs) -> RunRecord.DatasetRecord {
    .init(training: training, heldOut: heldOut, shape: shape, classNames: original.dataset.classes)
  }

  /// Takes the round to its end, from wherever it is.
  ///
  /// - Parameter report: is told of the training's result.
  func complete(on pool: WorkerPool, report: @escaping (String) throws -> Void) throws {
    let source = try openFlow(source.path)
    if run.exists {
      let record = try run.readRecord()
      guard record.initialWeights?.checksum == source.checksum else {
        throw ConfigurationError(
          "'\(run.path)' did not begin with the weights of '\(self.source.path)'; begin other rounds by --output"
        )
      }
      if try run.newestCheckpoint({ $0 }).result.header.step == record.settings.steps,
        TrainedFlow.isDiffusersDirectory(run.modelPath)
      {
        Terminal.note("round \(number): kept, as it is complete at step \(record.settings.steps)")
        return
      }
    }
    let (training, heldOut) = try pairs(of: source, on: pool).split
    let trainer =
      try run.exists
      ? resumed(training, heldOut, threads: pool.threadCount)
      : begun(training, heldOut, source, threads: pool.threadCount)
    try TrainingSession(trainer: trainer, report: report).run()
  }

  private func pairs(of source: TrainedFlow, on pool: WorkerPool) throws -> ReflowPairs {
    let (count, watch) = (plan.pairs, Stopwatch())
    let origin = plan.origin(round: number, model: source.checksum)
    let source = try origin.classes == nil ? source : source.guided(by: origin.guidance)
    var progress = ProgressLine(
      whenInterrupted: "whole files of pairs are kept in \(run.path); go on with --resume")
    var (kept, made, evaluations) = (0, 0, 0)
    let pairs = try ReflowPairs.complete(
      in: run.path.appendingPath("pairs"), origin: origin, count: count, shape: shape
    ) { numbers in
      let samples = try source.solving {
        try source.sample(
          numbers, seed: plan.seed, solver: plan.solver, labels: origin.labels(numbers), on: pool
        ) { share in
          let pairs = numbers.lowerBound - origin.first + Int(share * Double(numbers.count))
          try progress.show(
            "round \(number): \(pairs)/\(count) pairs", fraction: Double(pairs) / Double(count))
        }
      }
      evaluations += samples.evaluations.reduce(0, +)
      made += numbers.count
      return samples.values
    } onPart: { event, pairs in
      switch event {
      case .kept: kept = pairs - made
      case .made: break
      case .remade(let error): Terminal.note("made again: \(error)")
      }
    }
    Terminal.note(
      "round \(number): \(count) pairs, \(kept) of them from before"
        + (made == 0
          ? ""
          : ", \(made) made in \(Terminal.duration(watch.seconds)) with "
            + "\(Terminal.fixed(Double(evaluations) / Double(made), 1)) evaluations each"))
    return pairs
  }

  private func begun(
    _ training: ReflowPairs, _ heldOut: ReflowPairs, _ source: TrainedFlow, threads: Int
  ) throws -> Trainer {
    var settings = original.settings
    settings.steps = plan.steps
    settings.earlierLengths = nil
    settings.warmupSteps = TrainingSettings(recipe: original.recipe, steps: plan.steps).warmupSteps
    settings.batchSize = plan.batchSize
    settings.learningRate = plan.learningRate
    settings.seed = plan.seed
    // For one step from the noise (Lee et al. 2024; `docs/recipes.md`).
    (settings.times, settings.loss) = (.mostlyNoiseEnd, .pseudoHuber)
    // What a round's defaults were measured in, whatever the run was trained in.
    settings.precision = .float32
    // The pairs' images are no bytes that noise could hide the steps of.
    settings.dequantize = false
    try settings.validate()
    let record = RunRecord(
      recipe: original.recipe, preset: original.preset,
      dataset: data(training, heldOut), network: original.network,
      settings: settings, initialWeights: .init(path: self.source.path, checksum: source.checksum),
      execution: .init(
        threads: threads, checkpointEvery: original.execution.checkpointEvery, keep: original.execution.keep),
      lossScale: .init(training))
    return try Trainer(
      beginning: run, record: record, examples: training, heldOut: heldOut, initial: source,
      minutes: plan.minutes)
  }

  private func resumed(_ training: ReflowPairs, _ heldOut: ReflowPairs, threads: Int) throws -> Trainer {
    var record = try run.readRecord()
    guard record.dataset == data(training, heldOut) else {
      throw ConfigurationError(
        "'\(run.path)' was begun on other pairs than those in its directory; begin other rounds by --output")
    }
    record.execution.threads = threads
    let trainer = try Trainer(resuming: run, record: record, examples: training, heldOut: heldOut)
    for reason in trainer.passedOver { Terminal.note("passed over: \(reason)") }
    return trainer
  }
}
