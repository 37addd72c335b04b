import Imagery
import Kernels
import Network
import Sampling

/// What a run is asked to be. What is left out is the recipe's or, where there is one, the other run's.
public struct TrainingOptions: Sendable {
  public enum Length: Sendable {
    /// Passes over the data.
    case epochs(Int)
    case steps(Int)
    /// From now on: measured once, and recorded as steps.
    case minutes(Double)
  }

  public var recipe: Recipe?
  public var preset: UNetConfiguration.Preset?
  /// Another run, whose settings are taken.
  public var base: RunRecord?
  public var length: Length?
  public var batchSize: Int?
  public var optimizer: TrainingSettings.Optimizer?
  public var learningRate: Double?
  public var seed: UInt64?
  /// Whether to add noise of one grey level to the pixels; a `base` that does it decides otherwise.
  public var dequantize = false
  /// Whether to learn the classes that the data's labels name; a `base` that does it decides otherwise.
  public var classConditional = false
  /// The share of samples that are told no class. (default: 0.1)
  public var labelDropout: Double?
  /// Of the numbers that the network's convolutions multiply. (default: Float32)
  public var precision: Precision?
  /// The default is as many as this machine has cores. No bit depends on it.
  public var threads: Int?
  /// Steps between checkpoints. (default: 250)
  public var checkpointEvery: Int?
  /// Checkpoints to keep. (default: 3)
  public var keep: Int?

  public init(
    preset: UNetConfiguration.Preset? = nil, length: Length? = nil, batchSize: Int? = nil,
    threads: Int? = nil
  ) {
    self.preset = preset
    self.length = length
    self.batchSize = batchSize
    self.threads = threads
  }

  var minutes: Double? { if case .minutes(let minutes) = length { minutes } else { nil } }

  /// The steps asked for, if they are.
  func steps(perEpoch: Int) throws(ConfigurationError) -> Int? {
    switch length {
    case .steps(let steps): return steps
    case .epochs(let epochs):
      let (steps, overflow) = epochs.multipliedReportingOverflow(by: perEpoch)
      guard !overflow else { throw ConfigurationError("\(epochs) epochs are more than 10⁹ steps") }
      return steps
    case .minutes(let minutes):
      guard minutes > 0 && minutes <= 100_000 else {
        throw ConfigurationError("minutes must be more than 0, at most 100000, not \(minutes)")
      }
      return nil
    case nil: return nil
    }
  }
}

extension RunRecord {
  /// A new run, with every setting resolved.
  ///
  /// - Parameter initial: the weights to begin with; nil for random ones.
  /// - Throws: `ConfigurationError` naming what can't be.
  public init(
    _ options: TrainingOptions, train: ImageDataset, test: ImageDataset, initial: TrainedFlow? = nil
  ) throws(ConfigurationError) {
    let base = options.base
    let isConditional = options.classConditional || base?.network.classCount != nil
    let dataset = try DatasetRecord(train: train, test: test, isConditional: isConditional)
    if let base, let recipe = options.recipe, recipe != base.recipe {
      throw ConfigurationError(
        "--recipe is \(recipe.rawValue), but --config was made with \(base.recipe.rawValue); leave out one of "
          + "them")
    }
    let recipe = options.recipe ?? base?.recipe ?? .quick
    let settings = try Self.settings(options, recipe, dataset)
    self.init(
      recipe: recipe, preset: options.preset ?? (base == nil ? .small : base?.preset), dataset: dataset,
      network: try Self.network(options, dataset, dropout: settings.labelDropout ?? 0, initial),
      settings: settings,
      initialWeights: initial.map { .init(path: $0.path ?? "", checksum: $0.checksum) },
      execution: .init(
        threads: options.threads ?? WorkerPool.coreCount,
        checkpointEvery: options.checkpointEvery ?? base?.execution.checkpointEvery ?? 250,
        keep: options.keep ?? base?.execution.keep ?? 3),
      lossScale: LossScale(train, dequantize: settings.dequantize))
    try execution.validate()
  }

  private static func network(
    _ options: TrainingOptions, _ data: DatasetRecord, dropout: Double, _ initial: TrainedFlow?
  ) throws(ConfigurationError) -> UNetConfiguration {
    var network = UNetConfiguration(
      options.preset ?? .small, height: data.height, width: data.width, channels: data.channels)
    if let base = options.base, options.preset == nil {
      network = base.network
      (network.sampleHeight, network.sampleWidth) = (data.height, data.width)
      (network.inputChannels, network.outputChannels) = (data.channels, data.channels)
    }
    // A class that stands for none is learnt only if labels are dropped.
    network.unconditionalClass = dropout > 0 ? data.classes?.count : nil
    network.classCount = data.classes.map { $0.count + (dropout > 0 ? 1 : 0) }
    try network.validate()
    if let initial, initial.configuration != network {
      let differences = initial.configuration.map { Self.differences($0, from: network) } ?? []
      throw ConfigurationError(
        "--init '\(initial.path ?? "")' is another network than this run's: "
          + "\(differences.joined(separator: "; ")); pass the data and --preset that it was trained with, or --config "
          + "with the run.json of such a network")
    }
    return network
  }

  private static func settings(
    _ options: TrainingOptions, _ recipe: Recipe, _ data: DatasetRecord
  ) throws(ConfigurationError) -> TrainingSettings {
    let base = options.base?.settings
    // What nobody asked for follows the data.
    let standard = min(TrainingSettings(recipe: recipe, steps: 1).batchSize, data.trainCount)
    let batchSize = options.batchSize ?? base?.batchSize ?? standard
    guard (1...data.trainCount).contains(batchSize) else {
      throw ConfigurationError(
        "--batch-size must be from 1 to \(data.trainCount), the images of '\(data.name)', not \(batchSize)")
    }
    let stepsPerEpoch = data.trainCount / batchSize
    let steps =
      try options.steps(perEpoch: stepsPerEpoch) ?? base?.steps ?? recipe.defaultEpochs * stepsPerEpoch
    let fresh = TrainingSettings(recipe: recipe, steps: steps)
    var settings = base ?? fresh
    if steps != base?.steps {
      settings.warmupSteps = fresh.warmupSteps
      // A run of another length has not had the other run's interruptions.
      settings.earlierLengths = nil
    }
    settings.steps = steps
    settings.batchSize = batchSize
    settings.optimizer = options.optimizer ?? settings.optimizer
    settings.learningRate = options.learningRate ?? settings.learningRate
    settings.seed = options.seed ?? settings.seed
    settings.dequantize = options.dequantize || settings.dequantize
    settings.labelDropout = options.labelDropout ?? settings.labelDropout
    settings.precision = options.precision ?? settings.precision
    if data.classes == nil {
      guard settings.labelDropout == nil else {
        throw ConfigurationError("--label-dropout goes with --class-conditional")
      }
    } else if settings.labelDropout == nil {
      settings.labelDropout = 0.1
    }
    try settings.validate()
    return settings
  }

  /// Changes what a resume may change.
  ///
  /// - Throws: `ConfigurationError` for any other difference.
  mutating func resume(
    _ options: TrainingOptions, train: ImageDataset, test: ImageDataset
  ) throws(ConfigurationError) {
    let isConditional = network.classCount != nil
    var data = try DatasetRecord(train: train, test: test, isConditional: isConditional)
    // Nothing that is learnt depends on names.
    if data.classes?.count == dataset.classes?.count { data.classes = dataset.classes }
    func require<Value: Equatable>(
      _ option: String, _ given: Value?, _ recorded: Value
    ) throws(ConfigurationError) {
      try requireUnchanged(option, given, recorded, in: "the run was")
    }
    try require("recipe", options.recipe?.rawValue, recipe.rawValue)
    try require("preset", options.preset?.rawValue, preset?.rawValue ?? "a configuration of its own")
    try require("batch-size", options.batchSize, settings.batchSize)
    try require("optimizer", options.optimizer?.rawValue, (settings.optimizer ?? .adamW).rawValue)
    try require("learning-rate", options.learningRate, settings.learningRate)
    try require("seed", options.seed, settings.seed)
    try require("dequantize", options.dequantize ? true : nil, settings.dequantize)
    try require("class-conditional", options.classConditional ? true : nil, isConditional)
    try require("label-dropout", options.labelDropout, settings.labelDropout ?? 0)
    try require("precision", options.precision?.rawValue, (settings.precision ?? .float32).rawValue)
    try require("config", options.base.map { _ in "another run's" }, "settings of its own")
    guard data == dataset else {
      throw ConfigurationError(
        "these are not the data that the run was begun with: \(data.text), the run's \(dataset.text); name the "
          + "same data")
    }
    settings.steps = try options.steps(perEpoch: stepsPerEpoch) ?? settings.steps
    execution.threads = options.threads ?? execution.threads
    execution.keep = options.keep ?? execution.keep
    execution.checkpointEvery = options.checkpointEvery ?? execution.checkpointEvery
    try settings.validate()
    try execution.validate()
  }
}

/// What resumed work may not change must, if it is given, be what it was.
///
/// - Parameter beginning: "the run was" and the like.
package func requireUnchanged<Value: Equatable>(
  _ option: String, _ given: Value?, _ recorded: Value, in beginning: String
) throws(ConfigurationError) {
  if let given, given != recorded {
    throw ConfigurationError(
      "--\(option) is \(given), but \(beginning) begun with \(recorded); leave it out to resume, or begin anew with "
        + "another --output")
  }
}
