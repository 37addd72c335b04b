extension PNGImage {
  /// Small discs on white, for the frames of an animation: points of the square [−extent, extent]² with y upwards.
  ///
  /// A pixel whose centre lies at distance d from a disc's edge, negative inside, is covered to ½ − d, cut to [0, 1].
  ///
  /// - Parameters: points: [count, 2]; colors: [count]; radius: in pixels.
  public static func discs(
    _ points: [Double], colors: [PlotColor], extent: Double, side: Int, radius: Float, opacity: Float
  ) -> PNGImage {
    precondition(points.count == 2 * colors.count, "one colour a point")
    var pixels = [PlotColor](repeating: PlotColor(repeating: 1), count: side * side)
    for (index, color) in colors.enumerated() {
      let place = SIMD2(points[2 * index] / extent + 1, 1 - points[2 * index + 1] / extent)
      let center = SIMD2<Float>(place * (Double(side) / 2)) - 0.5
      guard abs(center.x) + abs(center.y) < Float(4 * side) else { continue }
      func range(_ middle: Float) -> Range<Int> {
        (Int(middle - radius)..<Int(middle + radius) + 2).clamped(to: 0..<side)
      }
      for y in range(center.y) {
        for x in range(center.x) {
          let offset = SIMD2(Float(x), Float(y)) - center
          let coverage = min(max(0.5 + radius - (offset * offset).sum().squareRoot(), 0), 1) * opacity
          pixels[y * side + x] += coverage * (color - pixels[y * side + x])
        }
      }
    }
    let bytes = pixels.flatMap { color in (0..<3).map { UInt8((color[$0] * 255).rounded()) } }
    return PNGImage(width: side, height: side, channels: 3, pixels: bytes)
  }
}
