import ArgumentParser

/// A usage error unless `holds`.
func require(_ holds: Bool, _ message: @autoclosure () -> String) throws {
  if !holds { throw ValidationError(message()) }
}

/// A usage error unless a number, if it is given, is within a range.
func require<Number: Comparable>(_ option: String, _ value: Number?, in range: ClosedRange<Number>) throws {
  guard let value, !range.contains(value) else { return }
  throw ValidationError("--\(option) must be from \(range.lowerBound) to \(range.upperBound), not \(value).")
}

/// The same for a number that must also be more than 0.
func require(_ option: String, _ value: Double?, positiveUpTo limit: Double) throws {
  guard let value, !(value > 0 && value <= limit) else { return }
  throw ValidationError("--\(option) must be more than 0, at most \(limit.text), not \(value).")
}

func requireTolerances(rtol: Double?, atol: Double?) throws {
  try require("rtol", rtol, in: 0...1)
  try require("atol", atol, positiveUpTo: 1)
}

/// Says so where a tolerance is finer than a network can be followed.
func noteFineTolerance(rtol: Double, atol: Double) {
  guard max(rtol, atol) < 1e-6 else { return }
  Terminal.note(
    "note: the network computes in Float32; below rtol and atol of about 1e-6 the solver follows its rounding, with more "
      + "evaluations for the same images")
}

/// Options that say how long something is trained.
func requireOneLength(epochs: Int?, steps: Int?, minutes: Double?) throws {
  try require(
    [epochs != nil, steps != nil, minutes != nil].count { $0 } <= 1,
    "give only one of --epochs, --steps and --minutes.")
  try require("epochs", epochs, in: 1...1_000_000_000)
  try require("steps", steps, in: 1...1_000_000_000)
  try require("minutes", minutes, positiveUpTo: 100_000)
}
