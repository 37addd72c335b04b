import Foundation

/// The way between two vectors along a great circle, "slerp" (Shoemake 1985, "Animating rotation with
/// quaternion curves", section 3.3). Noise of many dimensions lies near a sphere of radius √dimension; the
/// straight line between two draws leaves it, and a model sees states that it has hardly met.
public enum GreatCircle {
  /// sin((1 − s)·Ω)/sin Ω · a + sin(s·Ω)/sin Ω · b, where Ω is the angle between a and b: exactly a at s = 0
  /// and b at s = 1, and on their sphere in between if both have one length. Where the two are parallel or
  /// opposite, or one of them is zero, no circle is singled out: then (1 − s)·a + s·b.
  ///
  /// - Parameters:
  ///   - start: a. All spans are of one vector and have the same count.
  ///   - end: b.
  ///   - fraction: s, from 0 to 1.
  public static func interpolate(
    from start: Span<Float>, to end: Span<Float>, fraction: Double, into result: inout MutableSpan<Float>
  ) {
    precondition(start.count == end.count && result.count == start.count)
    precondition((0...1).contains(fraction), "a fraction of \(fraction)")
    let (a, b) = weights(start, end, fraction)
    for i in result.indices { result[i] = Float(a * Double(start[i]) + b * Double(end[i])) }
  }

  private static func weights(
    _ start: Span<Float>, _ end: Span<Float>, _ s: Double
  ) -> (start: Double, end: Double) {
    var (dot, startSquare, endSquare) = (0.0, 0.0, 0.0)
    for i in start.indices {
      let (a, b) = (Double(start[i]), Double(end[i]))
      dot += a * b
      startSquare += a * a
      endSquare += b * b
    }
    let lengths = (startSquare * endSquare).squareRoot()
    let angle = lengths > 0 ? acos(min(max(dot / lengths, -1), 1)) : 0
    let sine = sin(angle)
    // Below, the straight line differs from the circle by less than Ω²/8 ≈ 1e-9, and the quotients lose digits.
    guard sine > 1e-4 else { return (1 - s, s) }
    return (sin((1 - s) * angle) / sine, sin(s * angle) / sine)
  }
}
