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

  package init(
    source: any ExampleSource, rows: ArraySlice<UInt32>, seed: UInt64, draws: ExampleRandom.Draws,
    times: TrainingSettings.TimeDraws
  ) {
    self.source = source
    self.rows = rows
    self.seed = seed
    self.draws = draws
    self.times = times
  }

  package var count: Int { rows.count }

  /// Its first examples, at most `count`. (Their times are those of a batch of that size.)
  func first(_ count: Int) -> Batch {
    Batch(source: source, rows: rows.prefix(count), seed: seed, draws: draws, times: times)
  }

  /// The class that a conditional network is told of example `index`.
  package func label(_ index: Int) -> Int? {
    source.label(
      Int(rows[rows.startIndex + index]), ExampleRandom(seed: seed, draws: draws, index: index))
  }

  /// Draws x₀ and x₁ of example `index` and returns its time t.
  package func draw(
    _ index: Int, noise: consuming MutableSpan<Float>, data: consuming MutableSpan<Float>
  ) -> Float {
    let random = ExampleRandom(seed: seed, draws: draws, index: index)
    source.draw(Int(rows[rows.startIndex + index]), random, noise: noise, data: data)
    let u = random.time.uniform(0)
    return Float(times == .stratified ? (Double(index) + u) / Double(count) : u)
  }
}
