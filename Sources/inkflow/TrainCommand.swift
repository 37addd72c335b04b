import ArgumentParser
import Files
import Foundation
import Imagery
import Network
import Sampling
import Training

struct TrainCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "train", abstract: "Train a model on a data set, or go on with a run.",
    discussion: """
      The run's directory gets run.json (every setting), metrics.jsonl (a line a step), loss.svg, samples/ \
      (a sheet an epoch), checkpoints/ and, at the end, model/, which diffusers opens as well. Ctrl-C finishes the step, \
      saves and leaves; --resume goes on from the newest checkpoint and ends with the same bits as a run that \
      was never interrupted.
      """)

  @Argument(help: "mnist, fashion-mnist, synthetic, or a directory with IDX files.")
  var dataset: String

  @Option(help: "The run's directory. (default: outputs/ and the data set's name)")
  var output: String?

  @Option(help: "quick (short CPU runs) or rectified-flow (the article's settings). (default: quick)")
  var recipe: Recipe?

  @Option(
    help:
      "The network's size: tiny, small or base; for colour pictures color-32, color-64, color-128. (default: small)"
  )
  var preset: UNetConfiguration.Preset?

  @Option(help: "Take all settings from another run's run.json; options given here go before it.")
  var config: String?

  @Option(help: "How long, in passes over the data. (default: 5; rectified-flow: 10)")
  var epochs: Int?

  @Option(help: "How long, in steps.")
  var steps: Int?

  @Option(help: "How long, in minutes from now: measured once, and recorded as steps.")
  var minutes: Double?

  @Option(help: "Images a step. (default: 32; rectified-flow: 128)")
  var batchSize: Int?

  @Option(help: "AdamW's learning rate. (default: 1e-3; rectified-flow: 1e-4)")
  var learningRate: Double?

  @Option(help: "Seed of all random numbers. (default: 0)")
  var seed: UInt64?

  @OptionGroup var threads: ThreadsOption

  @Flag(help: "Add uniform noise of one grey level to the pixels, as likelihoods need it.")
  var dequantize = false

  @Option(help: "Start from this model's weights instead of random ones.")
  var `init`: String?

  @Option(help: "Steps between checkpoints. (default: 250)")
  var checkpointEvery: Int?

  @Option(help: "How many checkpoints to keep. (default: 3)")
  var keep: Int?

  @Flag(help: "Go on with the run in --output.")
  var resume = false

  func validate() throws {
    try require(
      [epochs != nil, steps != nil, minutes != nil].count { $0 } <= 1,
      "give only one of --epochs, --steps and --minutes.")
    for (name, value) in [
      ("epochs", epochs), ("steps", steps), ("batch-size", batchSize),
      ("checkpoint-every", checkpointEvery), ("keep", keep),
    ] {
      try require(value.map { (1...1_000_000_000).contains($0) } ?? true, "--\(name) must be 1 or more.")
    }
    try require(
      minutes.map { $0 > 0 && $0 <= 100_000 } ?? true, "--minutes must be more than 0, at most 100000.")
    try require(
      learningRate.map { $0 > 0 && $0 <= 1 } ?? true, "--learning-rate must be more than 0, at most 1.")
  }

  func run() throws {
    Interruption.catchSignals()
    let (train, test) = try ImageDataset.loadBoth(dataset)
    let run = RunDirectory(output ?? "outputs/\(train.name)")
    let data = RunRecord.DatasetRecord(train: train, test: test)
    let trainer =
      try resume ? resumed(run, data, train, test) : begun(run, data, train, test)
    if let minutes {
      trainer.setSteps(
        minutes: minutes, evaluationsPerEpoch: TrainingSession.evaluationsPerEpoch(record: trainer.record))
    }
    try TrainingSession(trainer: trainer).run()
  }

  // MARK: A new run

  private func begun(
    _ run: RunDirectory, _ data: RunRecord.DatasetRecord, _ train: ImageDataset, _ test: ImageDataset
  ) throws -> Trainer {
    guard !run.exists else {
      throw FileError(
        .cannotCreate, run.path, "holds a run already",
        remedy: "go on with it by --resume, or pass --output with another directory")
    }
    let model = try self.`init`.map { try OpenedModel($0, averaged: nil).model }
    let record = try newRecord(data, train, model)
    return try Trainer(beginning: run, record: record, train: train, test: test, initialModel: model)
  }

  private func newRecord(
    _ data: RunRecord.DatasetRecord, _ train: ImageDataset, _ model: Model?
  ) throws -> RunRecord {
    let base = try config.map { try RunRecord(path: $0) }
    if let base, let recipe, recipe != base.recipe {
      throw ConfigurationError(
        "--recipe is \(recipe.rawValue), but --config was made with \(base.recipe.rawValue); leave out one of them"
      )
    }
    let recipe = recipe ?? base?.recipe ?? .quick
    var network =
      base?.network
      ?? UNetConfiguration(
        preset ?? .small, height: train.height, width: train.width, channels: train.channels)
    if let preset {
      network = UNetConfiguration(
        preset, height: train.height, width: train.width, channels: train.channels)
    }
    network.sampleHeight = train.height
    network.sampleWidth = train.width
    network.inputChannels = train.channels
    network.outputChannels = train.channels
    try network.validate()
    guard network.classCount == nil else {
      throw ConfigurationError("--config is of a network with classes, which can't be trained yet")
    }
    if let model, model.unet.configuration != network {
      let ours = network.blockOutputChannels
      let theirs = model.unet.configuration
      throw ConfigurationError(
        "--init '\(self.`init` ?? "")' is a network of \(theirs.blockOutputChannels) channels for images of "
          + "\(theirs.sampleHeight)×\(theirs.sampleWidth)×\(theirs.inputChannels), this run's has \(ours) for "
          + "\(train.height)×\(train.width)×\(train.channels); pass the --preset and data that it was trained with"
      )
    }
    let batch =
      batchSize ?? base?.settings.batchSize ?? TrainingSettings(recipe: recipe, steps: 1).batchSize
    guard batch <= train.count else {
      throw ConfigurationError(
        "--batch-size \(batch) is more than the \(train.count) images of '\(data.name)'; pass a smaller one")
    }
    let count =
      steps ?? epochs.map { $0 * (train.count / batch) }
      ?? base?.settings.steps ?? recipe.defaultEpochs * (train.count / batch)
    var settings = TrainingSettings(recipe: recipe, steps: count)
    if let base {
      let warmupSteps = count == base.settings.steps ? base.settings.warmupSteps : settings.warmupSteps
      settings = base.settings
      settings.steps = count
      settings.warmupSteps = warmupSteps
    }
    settings.batchSize = batch
    if let learningRate { settings.learningRate = learningRate }
    if let seed { settings.seed = seed }
    if dequantize { settings.dequantize = true }
    try settings.validate()
    return RunRecord(
      recipe: recipe, preset: preset ?? (base == nil ? .small : base?.preset), dataset: data,
      network: network, settings: settings,
      initialWeights: model.map { .init(path: self.`init` ?? "", checksum: $0.checksum) },
      execution: .init(
        threads: threads.count,
        checkpointEvery: checkpointEvery ?? base?.execution.checkpointEvery ?? 250,
        keep: keep ?? base?.execution.keep ?? 3),
      lossScale: RunRecord.LossScale(train, dequantize: settings.dequantize))
  }

  // MARK: An old run

  private func resumed(
    _ run: RunDirectory, _ data: RunRecord.DatasetRecord, _ train: ImageDataset, _ test: ImageDataset
  ) throws -> Trainer {
    guard run.exists else {
      throw FileError(
        .missing, run.path, "holds no run to resume",
        remedy: "leave out --resume, or name the run's directory by --output")
    }
    var record = try run.readRecord()
    try refuseDifferences(from: record, data)
    if let steps { record.settings.steps = steps }
    if let epochs { record.settings.steps = epochs * record.stepsPerEpoch }
    if let threads = threads.threads { record.execution.threads = threads }
    if let keep { record.execution.keep = keep }
    if let checkpointEvery { record.execution.checkpointEvery = checkpointEvery }
    try record.settings.validate()
    let (old, new) = (
      "\(record.version), \(record.build)", "\(RunRecord.currentVersion), \(RunRecord.currentBuild)"
    )
    if old != new {
      Terminal.note(
        "note: the run was begun by Inkflow \(old), this one is \(new); from here on its bits may differ from "
          + "those of a run that stayed there")
    }
    let trainer = try Trainer(resuming: run, record: record, train: train, test: test)
    for reason in trainer.passedOver { Terminal.note("passed over: \(reason)") }
    return trainer
  }

  private func describe(_ data: RunRecord.DatasetRecord) -> String {
    "'\(data.name)', \(data.height)×\(data.width)×\(data.channels), \(data.trainCount) + \(data.testCount) images "
      + "with CRC-32 \(data.trainChecksum) and \(data.testChecksum)"
  }

  /// What a resumed run may not change, if it is given, must be what it was.
  private func refuseDifferences(
    from record: RunRecord, _ data: RunRecord.DatasetRecord
  ) throws {
    func check<Value: Equatable>(_ name: String, _ given: Value?, _ recorded: Value) throws {
      try requireUnchanged(name, given, recorded, in: "the run was")
    }
    try check("recipe", recipe?.rawValue, record.recipe.rawValue)
    try check("preset", preset?.rawValue, record.preset?.rawValue ?? "a configuration of its own")
    try check("batch-size", batchSize, record.settings.batchSize)
    try check("learning-rate", learningRate, record.settings.learningRate)
    try check("seed", seed, record.settings.seed)
    try check("dequantize", dequantize ? true : nil, record.settings.dequantize)
    try check("init", self.`init`, record.initialWeights?.path ?? "random weights")
    try check("config", config, "settings of its own")
    guard data == record.dataset else {
      throw ConfigurationError(
        "'\(dataset)' is not the data that the run was begun with: \(describe(data)), the run's "
          + "\(describe(record.dataset)); name the same data")
    }
  }
}

extension Recipe: ExpressibleByArgument {}
extension UNetConfiguration.Preset: ExpressibleByArgument {}
