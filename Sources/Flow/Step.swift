/// One step in time, in either direction.
struct Step {
  var start: Double
  var end: Double

  /// h, signed.
  var size: Double { end - start }

  /// The time of a stage. The end is met exactly, and no stage is beyond it: start + size may round past it.
  func time(atNode node: Double) -> Double {
    node == 1 ? end : start + node * size
  }
}
