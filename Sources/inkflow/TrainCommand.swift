import ArgumentParser
import Imagery
import Kernels
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

  @Argument(help: "mnist, fashion-mnist, kmnist, synthetic, or a directory with IDX files.")
  var dataset: String

  @Option(help: "The run's directory. (default: outputs/ and the data set's name)")
  var output: String?

  @Option(
    help:
      "quick (short CPU runs), quick-1 (what it was before Muon) or rectified-flow (the article's settings). (default: quick)"
  )
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

  @Option(
    help:
      "How long, in steps. Another length than before, with --resume, changes what is left of quick's learning rate; --init begins a new run from the old one's weights instead."
  )
  var steps: Int?

  @Option(help: "How long, in minutes from now: measured once, and recorded as steps.")
  var minutes: Double?

  @Option(help: "Images a step. (default: 32; rectified-flow: 128; at most all images)")
  var batchSize: Int?

  @Option(
    help: "muon (3×3 convolutions by Muon, the rest by AdamW) or adamw. (default: muon; other recipes: adamw)"
  )
  var optimizer: TrainingSettings.Optimizer?

  @Option(help: "The learning rate. (default: 1e-3; rectified-flow: 1e-4)")
  var learningRate: Double?

  @Option(help: "Seed of all random numbers. (default: 0)")
  var seed: UInt64?

  @OptionGroup var threads: ThreadsOption

  @Flag(help: "Add uniform noise of one grey level to the pixels, as likelihoods need it.")
  var dequantize = false

  @Flag(help: "Learn the classes that the data's labels name, so that 'sample --label' can ask for one.")
  var classConditional = false

  @Option(
    help: "The share of samples that are told no class, as 'sample --guidance' needs it. (default: 0.1)")
  var labelDropout: Double?

  @Option(
    help:
      "What the network's convolutions and attention multiply: float32, bfloat16, or bfloat16-gradients, where the forward pass stays float32. Sums and weights are float32 in each. (default: bfloat16 with recipe quick on CPUs where that is faster, else float32)"
  )
  var precision: Precision?

  @Option(help: "Start from this model's weights instead of random ones.")
  var `init`: String?

  @Option(help: "Steps between checkpoints. (default: 250)")
  var checkpointEvery: Int?

  @Option(help: "How many checkpoints to keep. (default: 3)")
  var keep: Int?

  @Flag(help: "Go on with the run in --output.")
  var resume = false

  func validate() throws {
    try requireOneLength(epochs: epochs, steps: steps, minutes: minutes)
    try require("batch-size", batchSize, in: 1...1_000_000_000)
    try require("checkpoint-every", checkpointEvery, in: 1...1_000_000_000)
    try require("keep", keep, in: 1...1_000_000_000)
    try require("label-dropout", labelDropout, in: 0...0.99)
    try require("learning-rate", learningRate, positiveUpTo: 1)
  }

  func run() throws {
    Interruption.catchSignals()
    let (train, test) = try ImageDataset.loadBoth(dataset, onNote: Terminal.noteOnData)
    let output = output ?? "outputs/\(train.name)"
    let trainer =
      try resume
      ? resumed(output, train, test)
      : Trainer(
        output: output, train: train, test: test, options: options(),
        initial: self.`init`.map { try openFlow($0, side: train.height == train.width ? train.height : nil) })
    if let problem = trainer.lockProblem {
      Terminal.note(
        "note: '\(output)' can't be locked (\(problem)): let no other process write into it while this one runs"
      )
    }
    try TrainingSession(trainer: trainer).run()
  }

  private func options() throws -> TrainingOptions {
    var options = TrainingOptions(
      preset: preset,
      length: steps.map { .steps($0) } ?? epochs.map { .epochs($0) } ?? minutes.map { .minutes($0) },
      batchSize: batchSize, threads: threads.threads)
    options.recipe = recipe
    options.base = try config.map { try RunRecord(path: $0) }
    options.optimizer = optimizer
    options.learningRate = learningRate
    options.seed = seed
    options.dequantize = dequantize
    options.classConditional = classConditional
    options.labelDropout = labelDropout
    options.precision = precision
    options.checkpointEvery = checkpointEvery
    options.keep = keep
    return options
  }

  private func resumed(_ output: String, _ train: ImageDataset, _ test: ImageDataset) throws -> Trainer {
    let trainer = try Trainer(resuming: output, train: train, test: test, options: options())
    let record = trainer.record
    try requireUnchanged(
      "init", self.`init`, record.initialWeights?.path ?? "random weights", in: "the run was")
    let (old, new) = (
      "\(record.version), \(record.build)", "\(RunRecord.currentVersion), \(RunRecord.currentBuild)"
    )
    if old != new {
      Terminal.note(
        "note: the run was begun by Inkflow \(old), this one is \(new); from here on its bits may differ from "
          + "those of a run that stayed there")
    }
    for reason in trainer.passedOver { Terminal.note("passed over: \(reason)") }
    if let rate = trainer.changedLearningRate {
      Terminal.note(
        "note: with the new length the learning rate goes from \(rate.before.text) to \(rate.now.text) at step "
          + "\(trainer.step + 1); run.json records both lengths. To train a finished run further at a rate that "
          + "falls to zero once, begin a new run with --init")
    }
    return trainer
  }
}

extension Recipe: ExpressibleByArgument {}
extension TrainingSettings.Optimizer: ExpressibleByArgument {}
extension UNetConfiguration.Preset: ExpressibleByArgument {}
