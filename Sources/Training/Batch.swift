import Kernels

/// The training examples of one step, or of a held-out evaluation: which they are, and which random numbers go with
/// them. Every number is named by (seed, purpose, step, index), so a batch can be drawn by any number of threads, and
/// drawn again.
package struct Batch: Sendable {
  let source: any ExampleSource
  /// Rows of the source.
  let rows: ArraySlice<UInt32>
  let seed: UInt64
  let draws: ExampleRandom.Draws
  let times: TrainingSettings.TimeDraws
  /// The share of labels that are dropped.
  let labelDropout: Double

  package init(
    source: any ExampleSource, rows: ArraySlice<UInt32>, seed: UInt64, draws: ExampleRandom.Draws,
    times: TrainingSettings.TimeDraws, labelDropout: Double = 0
  ) {
    self.source = source
    self.rows = rows
    self.seed = seed
    self.draws = draws
    self.times = times
    self.labelDropout = labelDropout
  }

  package var count: Int { rows.count }

  /// Its first examples, at most `count`. (Their times are those of a batch of that size.)
  func first(_ count: Int) -> Batch {
    Batch(
      source: source, rows: rows.prefix(count), seed: seed, draws: draws, times: times,
      labelDropout: labelDropout)
  }

  /// The class that a conditional network is told of example `index`: its own, or the one that stands for none. Which labels
  /// are dropped is drawn for each example by itself (Ho & Salimans 2022, Algorithm 1).
  package func label(_ index: Int, unconditionalClass: Int? = nil) -> Int? {
    let random = ExampleRandom(seed: seed, draws: draws, index: index)
    if let unconditionalClass, random.labelDropout.uniform(0) < labelDropout { return unconditionalClass }
    return source.label(Int(rows[rows.startIndex + index]), random)
  }

  /// Draws x₀ and x₁ of example `index` and returns its time t.
  package func draw(
    _ index: Int, noise: consuming MutableSpan<Float>, data: consuming MutableSpan<Float>
  ) -> Float {
    let random = ExampleRandom(seed: seed, draws: draws, index: index)
    source.draw(Int(rows[rows.startIndex + index]), random, noise: noise, data: data)
    let u = random.time.uniform(0)
    let stratified = (Double(index) + u) / Double(count)
    return switch times {
    case .independent: Float(u)
    case .stratified: Float(stratified)
    case .noiseEnd: Float(max(0, 2 * stratified - 1))
    case .mostlyNoiseEnd: Float(max(0, 4 * stratified - 3))
    }
  }
}
