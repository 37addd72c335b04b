/// A colour as red, green and blue in [0, 1].
public typealias PlotColor = SIMD3<Float>

extension SIMD3<Float> {
  public static let plotBlue = SIMD3(0.12, 0.38, 0.72)
  public static let plotOrange = SIMD3(0.90, 0.42, 0.08)
  public static let plotGrey = SIMD3(0.62, 0.64, 0.67)
  public static let plotInk = SIMD3(0.15, 0.16, 0.19)
  public static let plotWhite = SIMD3<Float>(repeating: 1)
}

/// An RGB picture to draw on. Pixel centres lie at integer coordinates, x to the right and y downwards.
///
/// Shapes are smoothed by their signed distance, as in `StrokeCanvas`: a pixel at distance d from a shape's edge is
/// covered to ½ − d, clamped to 0...1, and takes that share of the colour.
struct PlotCanvas {
  let width: Int
  let height: Int
  private var pixels: [PlotColor]

  init(width: Int, height: Int) {
    self.width = width
    self.height = height
    pixels = Array(repeating: .plotWhite, count: width * height)
  }

  var image: PNGImage {
    let bytes = pixels.flatMap { color in
      (0..<3).map { UInt8((min(max(color[$0], 0), 1) * 255).rounded()) }
    }
    return PNGImage(width: width, height: height, channels: 3, pixels: bytes)
  }

  /// Where drawing is allowed, in pixels.
  struct Area {
    var x: Range<Int>
    var y: Range<Int>
  }

  var whole: Area { Area(x: 0..<width, y: 0..<height) }

  mutating func fill(_ area: Area, _ color: PlotColor) {
    for y in area.y.clamped(to: 0..<height) {
      for x in area.x.clamped(to: 0..<width) { pixels[y * width + x] = color }
    }
  }

  mutating func disc(
    _ center: SIMD2<Float>, radius: Float, _ color: PlotColor, opacity: Float = 1, within area: Area
  ) {
    cover(center - radius, center + radius, color, opacity, area) { point in
      let offset = point - center
      return (offset * offset).sum().squareRoot() - radius
    }
  }

  mutating func line(
    from start: SIMD2<Float>, to end: SIMD2<Float>, thickness: Float, _ color: PlotColor,
    opacity: Float = 1, within area: Area
  ) {
    let radius = thickness / 2
    let along = end - start
    let lengthSquared = max((along * along).sum(), .leastNormalMagnitude)
    cover(
      pointwiseMin(start, end) - radius, pointwiseMax(start, end) + radius, color, opacity, area
    ) { point in
      let offset = point - start
      let t = min(max((offset * along).sum() / lengthSquared, 0), 1)
      let nearest = offset - t * along
      return (nearest * nearest).sum().squareRoot() - radius
    }
  }

  /// A line with a head at its end, or a dot if it is too short for one.
  mutating func arrow(
    from start: SIMD2<Float>, to end: SIMD2<Float>, thickness: Float, _ color: PlotColor, within area: Area
  ) {
    let along = end - start
    let length = (along * along).sum().squareRoot()
    guard length > 2 else { return disc(start, radius: thickness / 2, color, within: area) }
    line(from: start, to: end, thickness: thickness, color, within: area)
    let unit = along / length
    let side = SIMD2(-unit.y, unit.x)
    let head = min(0.4 * length, 6)
    for turn in [-0.55, 0.55] as [Float] {
      line(
        from: end, to: end - head * (unit + turn * side), thickness: thickness, color, within: area)
    }
  }

  /// Blends `color` where `distance` (of a pixel to the shape's edge, negative inside) says so.
  private mutating func cover(
    _ low: SIMD2<Float>, _ high: SIMD2<Float>, _ color: PlotColor, _ opacity: Float, _ area: Area,
    distance: (SIMD2<Float>) -> Float
  ) {
    func range(_ low: Float, _ high: Float, _ limits: Range<Int>) -> Range<Int> {
      // A shape may lie far outside, or at no number at all.
      guard low.isFinite && high.isFinite else { return limits.lowerBound..<limits.lowerBound }
      let first = max(low - 1, Float(limits.lowerBound))
      let last = min(high + 2, Float(limits.upperBound))
      return first < last ? Int(first)..<Int(last) : limits.lowerBound..<limits.lowerBound
    }
    for y in range(low.y, high.y, area.y.clamped(to: 0..<height)) {
      for x in range(low.x, high.x, area.x.clamped(to: 0..<width)) {
        let coverage = min(max(0.5 - distance(SIMD2(Float(x), Float(y))), 0), 1) * opacity
        guard coverage > 0 else { continue }
        pixels[y * width + x] += coverage * (color - pixels[y * width + x])
      }
    }
  }

  enum Alignment {
    case left, center, right
  }

  /// One line of text, each dot of the font a square of `scale` pixels.
  ///
  /// - Parameters: x: of the text's end or middle that `alignment` names; top: of its capital letters.
  mutating func text(
    _ text: String, x: Int, top: Int, scale: Int = 2, _ color: PlotColor = .plotInk,
    _ alignment: Alignment = .left
  ) {
    let length = Self.width(of: text, scale: scale)
    var left =
      switch alignment {
      case .left: x
      case .center: x - length / 2
      case .right: x - length
      }
    for character in text {
      for (row, bits) in PlotFont.rows(of: character).enumerated() {
        for column in 0..<PlotFont.width where bits >> (PlotFont.width - 1 - column) & 1 == 1 {
          let (x, y) = (left + column * scale, top + row * scale)
          fill(Area(x: x..<x + scale, y: y..<y + scale), color)
        }
      }
      left += PlotFont.advance * scale
    }
  }

  static func width(of text: String, scale: Int) -> Int {
    max(0, text.count * PlotFont.advance - 1) * scale
  }
}
