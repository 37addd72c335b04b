import Files
import Foundation

/// A colour as red, green and blue in [0, 1].
public typealias PlotColor = SIMD3<Float>

/// Colours that stand out from a light ground and from a dark one.
extension SIMD3<Float> {
  public static let plotBlue = SIMD3(0.20, 0.49, 0.83)
  public static let plotOrange = SIMD3(0.91, 0.45, 0.10)
  public static let plotGrey = SIMD3(0.56, 0.58, 0.62)
}

/// A figure of square panels with the same axes, as SVG: what one can put on a page and into a paper. Data coordinates have y
/// upwards; both axes of a panel have one scale where their ranges are equally wide.
///
/// The viewer sets the text, in its own font, and chooses between light and dark. What is drawn later lies above.
public struct Plot: Sendable {
  private let title: String
  private let captions: [String]
  private let columns: Int
  /// Of a panel, in pixels.
  private let side: Double
  private let x: Axis
  private let y: Axis
  /// What each panel shows, as SVG in pixels from its upper left corner.
  private var contents: [String]
  private var legend: [(name: String, color: PlotColor)] = []

  /// - Parameters:
  ///   - title: above all panels.
  ///   - captions: one above each panel, in rows.
  ///   - columns: panels in a row.
  ///   - side: of a panel's square, in pixels.
  public init(title: String, captions: [String] = [""], columns: Int = 1, side: Int = 300, x: Axis, y: Axis) {
    precondition(columns > 0 && !captions.isEmpty && side > 0)
    self.title = title
    self.captions = captions
    self.columns = min(columns, captions.count)
    self.side = Double(side)
    (self.x, self.y) = (x, y)
    contents = Array(repeating: "", count: captions.count)
  }

  // MARK: Drawing

  /// Dots.
  ///
  /// - Parameter points: [count, 2].
  public mutating func points(
    _ points: [Double], in index: Int = 0, radius: Double = 1.6, _ color: PlotColor, opacity: Double = 0.7
  ) {
    var path = ""
    for point in stride(from: 0, to: points.count, by: 2) {
      guard let place = pixel(points[point], points[point + 1]),
        -radius <= place.min() && place.max() <= side + radius
      else { continue }
      // A line of no length with round ends.
      path += "M\(Self.text(place))h0"
    }
    stroke(path, in: index, thickness: 2 * radius, color, opacity: opacity)
  }

  /// Lines through points.
  ///
  /// - Parameters:
  ///   - lines: [count, 2] each.
  ///   - end: the colour that each line comes to in the end.
  public mutating func lines(
    _ lines: [[Double]], in index: Int = 0, thickness: Double = 1.2, from start: PlotColor,
    to end: PlotColor? = nil
  ) {
    // All pieces of one colour are one path.
    let shades = end == nil ? 1 : 16
    var paths = Array(repeating: "", count: shades)
    for line in lines {
      let pieces = max(0, line.count / 2 - 1)
      var latest: Int?
      for piece in 0..<pieces {
        guard let first = pixel(line[2 * piece], line[2 * piece + 1]),
          let second = pixel(line[2 * piece + 2], line[2 * piece + 3])
        else {
          latest = nil
          continue
        }
        let shade = piece * shades / pieces
        if shade != latest { paths[shade] += "M\(Self.text(first))" }
        paths[shade] += "L\(Self.text(second))"
        latest = shade
      }
    }
    for (shade, path) in paths.enumerated() {
      let share = Float(shade) / Float(max(shades - 1, 1))
      stroke(path, in: index, thickness: thickness, start + share * ((end ?? start) - start))
    }
  }

  /// A line through points [count, 2].
  public mutating func line(
    _ points: [Double], in index: Int = 0, thickness: Double = 1.2, from start: PlotColor,
    to end: PlotColor? = nil
  ) {
    lines([points], in: index, thickness: thickness, from: start, to: end)
  }

  /// An arrow from a point, `vector` long in data coordinates; a dot if it is too short for a head.
  public mutating func arrow(
    at point: SIMD2<Double>, _ vector: SIMD2<Double>, in index: Int = 0, thickness: Double = 1.3,
    _ color: PlotColor
  ) {
    guard let start = pixel(point.x, point.y), let end = pixel(point.x + vector.x, point.y + vector.y) else {
      return
    }
    let along = end - start
    let length = (along * along).sum().squareRoot()
    var path = "M\(Self.text(start))h0"
    if length > 2 {
      let back = min(0.4, 6 / length) * along
      let aside = 0.55 * SIMD2(-back.y, back.x)
      path = "M\(Self.text(start))L\(Self.text(end))"
      path += "M\(Self.text(end - back + aside))L\(Self.text(end))L\(Self.text(end - back - aside))"
    }
    stroke(path, in: index, thickness: thickness, color)
  }

  /// Colours the whole panel by cells of values from 0 to `maximum`.
  ///
  /// - Parameter values: [rows, columns], the first row at the bottom.
  public mutating func heatMap(_ values: [Double], columns: Int, maximum: Double, in index: Int = 0) {
    let rows = values.count / columns
    let pixels = (0..<rows).reversed().flatMap { row in
      values[row * columns..<(row + 1) * columns].flatMap { value in
        let color = heatColor(value / maximum)
        return (0..<3).map { UInt8((color[$0] * 255).rounded()) }
      }
    }
    let image = PNGImage(width: columns, height: rows, channels: 3, pixels: pixels)
    contents[index] += SVG.image(image, x: 0, y: 0, width: side, height: side)
  }

  /// Names of colours, in a row between the title and the panels.
  public mutating func legend(_ entries: [(String, PlotColor)]) { legend += entries.map { ($0, $1) } }

  /// Pixels from a panel's upper left corner; nil for what has no place on the axes. Far outside is near enough.
  private func pixel(_ x: Double, _ y: Double) -> SIMD2<Double>? {
    let place = SIMD2(self.x.place(x), 1 - self.y.place(y)) * side
    guard place.x.isFinite && place.y.isFinite else { return nil }
    return place.clamped(lowerBound: SIMD2(repeating: -1e5), upperBound: SIMD2(repeating: 1e5))
  }

  private static func text(_ place: SIMD2<Double>) -> String {
    SVG.number(place.x) + " " + SVG.number(place.y)
  }

  private mutating func stroke(
    _ path: String, in index: Int, thickness: Double, _ color: PlotColor, opacity: Double = 1
  ) {
    guard !path.isEmpty else { return }
    let fade = opacity == 1 ? "" : " stroke-opacity=\"\(SVG.number(opacity))\""
    contents[index] +=
      "<path stroke=\"\(SVG.hexadecimal(color))\" stroke-width=\"\(SVG.number(thickness))\"\(fade) d=\"\(path)\"/>\n"
  }

  // MARK: The file

  /// The figure as an SVG file's content.
  ///
  /// - Parameter text: what it was made of (keyword, value), for those who look into the file.
  public func svg(text: [(key: String, value: String)] = []) -> String {
    let (xTicks, yTicks) = (x.ticks, y.ticks)
    func widest(_ texts: [String]) -> Double { texts.map { SVG.width(of: $0) }.max() ?? 0 }
    // Around a panel: numbers and labels of the axes, and half of what a caption is wider than its panel.
    let overhang = max(0, widest(captions) - side) / 2 + 8
    let left = max(widest(yTicks.values.map(yTicks.text)) + 18 + (y.label == nil ? 0 : 22), overhang)
    let right = max(widest(xTicks.values.suffix(1).map(xTicks.text)) / 2 + 8, overhang)
    let above = captions.allSatisfy(\.isEmpty) ? 4.0 : 28
    let below = x.label == nil ? 36.0 : 58
    let rows = (captions.count + columns - 1) / columns
    let swatches = legend.map { SVG.width(of: $0.name) + 34 }
    let legendWidth = swatches.reduce(0, +)
    let panelsWidth = Double(columns) * (left + side + right)
    let width = max(
      panelsWidth, legendWidth + 16, SVG.width(of: title, size: SVG.titleSize) + 32)
    let top = legend.isEmpty ? 48.0 : 72
    let size = SVG.number(side)
    // The same name always means the same square: several plots may be on one page.
    let clip = "inkflow-clip-\(size)"
    var body = "<clipPath id=\"\(clip)\"><rect width=\"\(size)\" height=\"\(size)\"/></clipPath>\n"
    body += SVG.text(title, x: width / 2, y: 30, attributes: " class=\"title\"")
    var place = (width - legendWidth) / 2 + 8
    for (entry, swatch) in zip(legend, swatches) {
      body +=
        "<circle cx=\"\(SVG.number(place + 6))\" cy=\"52\" r=\"5\" fill=\"\(SVG.hexadecimal(entry.color))\"/>"
      body += SVG.text(entry.name, x: place + 18, y: 56.5, anchor: "start")
      place += swatch
    }
    for (index, caption) in captions.enumerated() {
      let (row, column) = index.quotientAndRemainder(dividingBy: columns)
      let panelLeft = (width - panelsWidth) / 2 + Double(column) * (left + side + right) + left
      let panelTop = top + Double(row) * (above + side + below) + above
      body += "<g transform=\"translate(\(SVG.number(panelLeft)) \(SVG.number(panelTop)))\">\n"
      if !caption.isEmpty { body += SVG.text(caption, x: side / 2, y: -10) }
      body +=
        "<g clip-path=\"url(#\(clip))\" fill=\"none\" stroke-linecap=\"round\" stroke-linejoin=\"round\">\n"
      body += contents[index] + "</g>\n" + frame(xTicks, yTicks, left: left) + "</g>\n"
    }
    return SVG.document(
      width: width, height: top + Double(rows) * (above + side + below), title: title, text: text, body)
  }

  /// A panel's frame, its ticks and their numbers, and what the axes measure.
  private func frame(_ xTicks: Ticks, _ yTicks: Ticks, left: Double) -> String {
    var path = "M0 0H\(SVG.number(side))V\(SVG.number(side))H0Z"
    var text = ""
    func down(_ value: Double) -> Double { (1 - y.place(value)) * side }
    for (length, ticks) in [(5, xTicks.values), (3, xTicks.minor)] {
      for value in ticks { path += "M\(SVG.number(x.place(value) * side)) \(SVG.number(side))v\(length)" }
    }
    for (length, ticks) in [(5, yTicks.values), (3, yTicks.minor)] {
      for value in ticks { path += "M0 \(SVG.number(down(value)))h-\(length)" }
    }
    var end = -Double.infinity
    for value in xTicks.values {
      let (number, place) = (xTicks.text(value), x.place(value) * side)
      // In a small panel there isn't room for all.
      guard place - SVG.width(of: number) / 2 > end else { continue }
      text += SVG.text(number, x: place, y: side + 20)
      end = place + SVG.width(of: number) / 2 + 4
    }
    for value in yTicks.values {
      text += SVG.text(yTicks.text(value), x: -9, y: down(value) + 4.5, anchor: "end")
    }
    if let label = x.label { text += SVG.text(label, x: side / 2, y: side + 42) }
    if let label = y.label {
      // Turned by a quarter, x goes upwards.
      text += SVG.text(label, x: -side / 2, y: 18 - left, attributes: " transform=\"rotate(-90)\"")
    }
    return "<path class=\"axis\" d=\"\(path)\"/>\n" + text
  }

  /// Writes the figure to `path`, all or nothing.
  public func write(to path: String, text: [(key: String, value: String)] = []) throws(FileError) {
    try writeDurably(path, Array(svg(text: text).utf8))
  }
}

/// From dark blue at 0 through green to yellow at 1, evenly brighter on the way. Values are cut to [0, 1].
func heatColor(_ value: Double) -> PlotColor {
  let anchors: [PlotColor] = [
    [0.05, 0.03, 0.20], [0.20, 0.20, 0.55], [0.10, 0.45, 0.62], [0.15, 0.66, 0.52], [0.60, 0.82, 0.30],
    [0.99, 0.93, 0.40],
  ]
  guard value > 0 else { return anchors[0] }
  let place = Float(min(value, 1)) * Float(anchors.count - 1)
  let index = min(Int(place), anchors.count - 2)
  return anchors[index] + (place - Float(index)) * (anchors[index + 1] - anchors[index])
}
