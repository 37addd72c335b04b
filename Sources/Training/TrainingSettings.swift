import Kernels
import Network

/// Everything that decides which numbers training finds, beside the data and the network. Recorded in
/// `run.json` and in each checkpoint; two runs with equal settings, data and build end with the same bits.
public struct TrainingSettings: Codable, Equatable, Sendable {
  /// Steps of the optimiser, in all.
  public var steps: Int
  /// Of a run whose length was changed on the way: the lengths that it had before, in order; nil for others.
  public var earlierLengths: [EarlierLength]?
  /// Images a step.
  public var batchSize: Int
  public var seed: UInt64
  /// Adds uniform noise to the pixels, (k + u)/128 − 1, so that the model has a density.
  public var dequantize: Bool
  public var times: TimeDraws
  /// What the gradient is of; nil is the mean square. What is reported is the mean square in any case.
  public var loss: Loss?
  /// Of a conditional network: the share of samples that are told no class, so that the flow can be guided; nil for an
  /// unconditional one.
  public var labelDropout: Double?
  /// Of the numbers that the network's convolutions and attention multiply; nil, in records from before it could be chosen, is Float32.
  public var precision: Precision?

  /// nil, in records from before it could be chosen, is AdamW.
  public var optimizer: Optimizer?
  /// AdamW's (Loshchilov & Hutter 2019). Muon shares the rate and the weight decay.
  public var learningRate: Double
  public var betas: [Double]
  public var eps: Double
  public var weightDecay: Double
  /// Gradients longer than this are scaled down to it.
  public var gradientClip: Double
  /// Steps over which the learning rate rises to its value.
  public var warmupSteps: Int
  public var schedule: Schedule
  /// Decay of the weights' moving average; nil for none.
  public var averageDecay: Double?

  /// A length that a run had until it was resumed with another one. The learning rate of these steps was that of a run
  /// of this length.
  public struct EarlierLength: Codable, Equatable, Sendable {
    /// Steps that were done when it changed.
    public var until: Int
    public var steps: Int
  }

  /// What makes a step of a gradient.
  public enum Optimizer: String, Codable, Sendable, CaseIterable {
    /// Loshchilov & Hutter 2019.
    case adamW = "adamw"
    /// Muon (Jordan et al. 2024) for the 3×3 convolutions between hidden layers, AdamW for all else.
    case muon
  }

  /// How the times of a batch are drawn.
  public enum TimeDraws: String, Codable, Sendable {
    /// Uniform in [0, 1).
    case independent
    /// The same, one in each of batchSize equal parts: the same expectation with less variance.
    case stratified
    /// The first half of the batch at t = 0, where a single step begins; the others stratified in [0, 1). Rounds of reflow
    /// had it before `mostlyNoiseEnd`.
    case noiseEnd = "noise-end"
    /// The same of the first three quarters.
    case mostlyNoiseEnd = "mostly-noise-end"
  }

  /// Of one image's prediction, with its mean square m over the components.
  public enum Loss: String, Codable, Sendable {
    /// m.
    case square
    /// The pseudo-Huber loss √(m + c²) − c with c = 0.001 (Lee et al. 2024, arXiv 2405.20320): images that are far off count
    /// less than by their squares.
    case pseudoHuber = "pseudo-huber"
  }

  /// The learning rate after the warm-up.
  public enum Schedule: String, Codable, Sendable {
    case constant
    /// Falls to zero at the last step as half a cosine (Loshchilov & Hutter 2017).
    case cosine
    /// Falls to zero at the last step as a line.
    case linear
  }

  /// - Parameter steps: in all; the warm-up takes at most a tenth of them.
  public init(recipe: Recipe, steps: Int, seed: UInt64 = 0) {
    self.steps = steps
    self.seed = seed
    dequantize = false
    precision = recipe == .quick ? .fastest : .float32
    betas = [0.9, 0.999]
    eps = 1e-8
    weightDecay = 0.01
    gradientClip = 1
    switch recipe {
    case .quick, .quick1:
      optimizer = recipe == .quick ? .muon : .adamW
      batchSize = 32
      times = .stratified
      learningRate = 1e-3
      warmupSteps = min(200, steps / 10)
      schedule = recipe == .quick ? .linear : .cosine
      averageDecay = 0.999
    case .rectifiedFlow:
      optimizer = .adamW
      batchSize = 128
      times = .independent
      learningRate = 1e-4
      warmupSteps = 0
      schedule = .constant
      averageDecay = nil
    }
  }

  /// - Throws: `ConfigurationError` naming a setting that can't be.
  public func validate() throws(ConfigurationError) {
    func require(_ holds: Bool, _ message: @autoclosure () -> String) throws(ConfigurationError) {
      if !holds { throw ConfigurationError(message()) }
    }
    try require((1...1_000_000_000).contains(steps), "steps must be from 1 to 10⁹, not \(steps)")
    try require((1...1_000_000_000).contains(batchSize), "batch_size must be 1 or more, not \(batchSize)")
    try require(
      learningRate > 0 && learningRate.isFinite, "learning_rate must be positive, not \(learningRate)")
    try require(
      betas.count == 2 && betas.allSatisfy { $0 >= 0 && $0 < 1 },
      "betas must be two numbers from 0 to less than 1, not \(betas)")
    try require(eps > 0 && eps.isFinite, "eps must be positive, not \(eps)")
    try require(weightDecay >= 0 && weightDecay.isFinite, "weight_decay must not be negative: \(weightDecay)")
    try require(gradientClip > 0, "gradient_clip must be positive, not \(gradientClip)")
    try require(warmupSteps >= 0, "warmup_steps must not be negative: \(warmupSteps)")
    try require(
      (earlierLengths ?? []).allSatisfy { $0.until > 0 && (1...1_000_000_000).contains($0.steps) },
      "earlier_lengths must be positive")
    try require(
      labelDropout.map { $0 >= 0 && $0 < 1 } ?? true, "label_dropout must be from 0 to less than 1")
    try require(
      averageDecay.map { $0 >= 0 && $0 < 1 } ?? true, "average_decay must be from 0 to less than 1")
  }

  /// Notes that steps up to `step` had the rates of a run of another length.
  mutating func changeLength(from before: TrainingSettings, atStep step: Int) {
    earlierLengths = before.earlierLengths
    guard step > 0, steps != before.steps else { return }
    earlierLengths = (earlierLengths ?? []) + [EarlierLength(until: step, steps: before.steps)]
  }

  /// The rate of the step after `step` steps: a linear warm-up, then the schedule.
  public func learningRate(afterSteps step: Int) -> Double {
    let steps = earlierLengths?.first { step < $0.until }?.steps ?? steps
    if step < warmupSteps { return learningRate * Double(step + 1) / Double(warmupSteps) }
    let progress = min(Double(step - warmupSteps) / Double(max(steps - warmupSteps, 1)), 1)
    switch schedule {
    case .constant: return learningRate
    case .cosine: return learningRate * 0.5 * (1 + cosine(.pi * progress))
    case .linear: return learningRate * (1 - progress)
    }
  }
}

/// Settings known by name.
public enum Recipe: String, Codable, Sendable, CaseIterable {
  /// The best short run on a CPU that we know (`docs/recipes.md`): Muon, a high rate that falls to zero, and averaged
  /// weights.
  case quick
  /// What `quick` was before Muon: AdamW throughout, and a rate that falls as half a cosine. (Older runs' records call it
  /// "quick" too, without an optimiser.)
  case quick1 = "quick-1"
  /// The rectified-flow article's: AdamW 1e-4, clip 1.0, 10 epochs; batch 128 and decay 0.01 are ours, as it
  /// gives neither.
  case rectifiedFlow = "rectified-flow"

  public var defaultEpochs: Int { self == .rectifiedFlow ? 10 : 5 }
}

/// cos x for 0 ≤ x ≤ π by its Taylor series around the nearer of 0 and π: our own, as libm's may differ in the
/// last bit from one version to the next, and the learning rate is part of a run's bits.
private func cosine(_ x: Double) -> Double {
  let nearPi = x > .pi / 2
  let r = nearPi ? .pi - x : x
  var (term, sum) = (1.0, 1.0)
  for n in 1...12 {
    term *= -r * r / Double((2 * n - 1) * 2 * n)
    sum += term
  }
  return nearPi ? -sum : sum
}
