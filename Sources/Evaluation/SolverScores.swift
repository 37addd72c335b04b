/// The scores of one solver's samples, of each seed; or of images of a file, as those of one seed.
public struct SolverScores: Sendable {
  public let name: String
  /// Of the network, a mean for each image; nil for a file.
  public let evaluations: Double?
  public let seeds: [QualityScores]
  /// [seeds] Samples that are nearer to one training image than test images are.
  public let nearer: [Int]
  /// Samples of each seed.
  public let count: Int

  public init(name: String, evaluations: Double?, seeds: [QualityScores], nearer: [Int], count: Int) {
    precondition(!seeds.isEmpty && seeds.count == nearer.count && count > 0, "no scores, or not of each seed")
    self.name = name
    self.evaluations = evaluations
    self.seeds = seeds
    self.nearer = nearer
    self.count = count
  }

  public func mean(_ value: (QualityScores) -> Double) -> Double {
    seeds.reduce(0) { $0 + value($1) } / Double(seeds.count)
  }

  /// The standard error over seeds; of one seed, what it says of itself.
  public func error(_ value: (QualityScores) -> Double, ofOne: (QualityScores) -> Double) -> Double {
    seeds.count > 1
      ? standardDeviation(seeds.map(value)) / Double(seeds.count).squareRoot() : ofOne(seeds[0])
  }

  public var frechet: Double { mean(\.frechet) }
  public var frechetError: Double { error(\.frechet, ofOne: \.frechetError) }
  /// Nil where no classes were asked for.
  public var labelAgreement: Double? {
    seeds[0].labelAgreement == nil ? nil : mean { $0.labelAgreement ?? 0 }
  }
  public var sampleCount: Int { count * seeds.count }
  public var nearerThanHeldOut: Double { Double(nearer.reduce(0, +)) / Double(sampleCount) }
}

/// Some room around values on a logarithmic axis. Of those that are 0, or less by rounding, a millionth is shown.
public func logarithmicRange(around values: [Double], by factor: Double) -> ClosedRange<Double> {
  let shown = values.map { max($0, 1e-6) }
  return (shown.min() ?? 1) / factor...(shown.max() ?? 1) * factor
}
