/// A square image with white strokes on black.
///
/// A line of varying radius r is drawn from its signed distance: a pixel whose centre lies at distance d from
/// the centre line has brightness ½ + (r − d) / softness, clamped to 0...1, and where lines meet the brighter
/// one counts. Pixel centres lie at integer coordinates.
struct StrokeCanvas {
  private let side: Int
  private var brightness: [Float]
  /// Width of the soft edge in pixels.
  private let softness: Float = 1.4

  init(side: Int) {
    self.side = side
    self.brightness = [Float](repeating: 0, count: side * side)
  }

  /// [side, side], row-major.
  var bytes: [UInt8] { brightness.map { UInt8(($0 * 255).rounded()) } }

  /// Draws a polyline whose radius goes evenly, point by point, from `startRadius` to `endRadius`.
  mutating func draw(_ line: [SIMD2<Float>], startRadius: Float, endRadius: Float) {
    let change = (endRadius - startRadius) / Float(line.count - 1)
    for index in 0..<line.count - 1 {
      drawSegment(
        from: line[index], to: line[index + 1], radius: startRadius + change * Float(index), change: change)
    }
  }

  private mutating func drawSegment(
    from start: SIMD2<Float>, to end: SIMD2<Float>, radius: Float, change: Float
  ) {
    let reach = max(radius, radius + change) + softness / 2
    let low = pointwiseMin(start, end) - reach
    let high = pointwiseMax(start, end) + reach
    let along = end - start
    let lengthSquared = max((along * along).sum(), .leastNormalMagnitude)
    for y in pixels(low.y, high.y) {
      for x in pixels(low.x, high.x) {
        let offset = SIMD2(Float(x), Float(y)) - start
        let t = min(max((offset * along).sum() / lengthSquared, 0), 1)
        let nearest = offset - t * along
        let distance = (nearest * nearest).sum().squareRoot()
        let value = min(max(0.5 + (radius + t * change - distance) / softness, 0), 1)
        brightness[y * side + x] = max(brightness[y * side + x], value)
      }
    }
  }

  /// The pixels with centres between two coordinates, cut off at the edges of the image.
  private func pixels(_ low: Float, _ high: Float) -> Range<Int> {
    let first = min(max(Int(low.rounded(.up)), 0), side)
    let end = min(max(Int(high.rounded(.down)) + 1, first), side)
    return first..<end
  }
}
