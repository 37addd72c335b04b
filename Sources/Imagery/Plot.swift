import Foundation

/// A figure of equal panels with axes, drawn point by point. Data coordinates have y upwards; panels of points have the
/// same scale along both axes where their ranges are equally wide.
public struct Plot {
  /// One panel's place in the figure.
  private struct Panel {
    let left: Int
    let top: Int
  }

  private var canvas: PlotCanvas
  private let side: Int
  private let panels: [Panel]
  private let x: ClosedRange<Double>
  private let y: ClosedRange<Double>

  /// - Parameters:
  ///   - title: above all panels.
  ///   - captions: one above each panel, in rows.
  ///   - columns: panels in a row.
  ///   - side: of a panel's square, in pixels.
  ///   - labels: of the axes, where they need any.
  public init(
    title: String, captions: [String], columns: Int, side: Int = 300, x: ClosedRange<Double>,
    y: ClosedRange<Double>, labels: (x: String, y: String)? = nil
  ) {
    precondition(columns > 0 && !captions.isEmpty && side > 0)
    self.side = side
    self.x = x
    self.y = y
    let yTicks = Self.ticks(y)
    let numbers = yTicks.values.map { PlotCanvas.width(of: yTicks.text($0), scale: 2) }.max() ?? 0
    let (left, captionHeight, below) = (numbers + 22, 26, labels == nil ? 40 : 60)
    let (titleHeight, right) = (44 + (labels == nil ? 0 : 22), 32)
    let rows = (captions.count + columns - 1) / columns
    let (columnWidth, rowHeight) = (left + side + right, captionHeight + side + below)
    let needed = PlotCanvas.width(of: title, scale: 2) + 40
    canvas = PlotCanvas(width: max(columns * columnWidth, needed), height: titleHeight + rows * rowHeight)
    panels = captions.indices.map { index in
      Panel(
        left: index % columns * columnWidth + left,
        top: titleHeight + index / columns * rowHeight + captionHeight)
    }
    canvas.text(title, x: canvas.width / 2, top: 16, scale: 2, .plotInk, .center)
    let xTicks = Self.ticks(x)
    for (index, caption) in captions.enumerated() {
      let panel = panels[index]
      canvas.text(caption, x: panel.left + side / 2, top: panel.top - 22, .plotInk, .center)
      for value in xTicks.values {
        let position = Int(pixel(value, 0, panel).x.rounded())
        canvas.fill(
          .init(x: position..<position + 1, y: panel.top + side..<panel.top + side + 5), .plotInk)
        canvas.text(xTicks.text(value), x: position, top: panel.top + side + 10, .plotInk, .center)
      }
      for value in yTicks.values {
        let position = Int(pixel(0, value, panel).y.rounded())
        canvas.fill(.init(x: panel.left - 5..<panel.left, y: position..<position + 1), .plotInk)
        canvas.text(yTicks.text(value), x: panel.left - 9, top: position - 6, .plotInk, .right)
      }
      if let labels {
        canvas.text(labels.x, x: panel.left + side / 2, top: panel.top + side + 34, .plotInk, .center)
        canvas.text(labels.y, x: panel.left - left + 6, top: panel.top - 46)
      }
      frame(index)
    }
  }

  public var image: PNGImage { canvas.image }

  /// Draws a panel's frame, over what has been drawn since.
  private mutating func frame(_ index: Int) {
    let (panel, ink) = (panels[index], PlotColor.plotInk)
    let (left, right, top, bottom) = (panel.left, panel.left + side, panel.top, panel.top + side)
    canvas.fill(.init(x: left..<right, y: top..<top + 1), ink)
    canvas.fill(.init(x: left..<right, y: bottom - 1..<bottom), ink)
    canvas.fill(.init(x: left..<left + 1, y: top..<bottom), ink)
    canvas.fill(.init(x: right - 1..<right, y: top..<bottom), ink)
  }

  private func area(_ index: Int) -> PlotCanvas.Area {
    let panel = panels[index]
    return .init(x: panel.left + 1..<panel.left + side - 1, y: panel.top + 1..<panel.top + side - 1)
  }

  private func pixel(_ x: Double, _ y: Double, _ panel: Panel) -> SIMD2<Float> {
    let u = (x - self.x.lowerBound) / (self.x.upperBound - self.x.lowerBound)
    let v = (y - self.y.lowerBound) / (self.y.upperBound - self.y.lowerBound)
    let length = Double(side - 1)
    return SIMD2(Float(Double(panel.left) + u * length), Float(Double(panel.top) + (1 - v) * length))
  }

  /// - Parameter points: [count, 2].
  public mutating func points(
    _ points: [Double], in index: Int = 0, radius: Float = 1.6, _ color: PlotColor, opacity: Float = 0.7
  ) {
    for i in stride(from: 0, to: points.count, by: 2) {
      canvas.disc(
        pixel(points[i], points[i + 1], panels[index]), radius: radius, color, opacity: opacity,
        within: area(index))
    }
  }

  /// A polyline through points [count, 2]. Each piece has the colour between `start` and `end` for its place.
  public mutating func line(
    _ points: [Double], in index: Int = 0, thickness: Float = 1.2, from start: PlotColor,
    to end: PlotColor? = nil, opacity: Float = 1
  ) {
    let pieces = points.count / 2 - 1
    for piece in 0..<max(0, pieces) {
      let place = Float(piece) / Float(max(pieces - 1, 1))
      canvas.line(
        from: pixel(points[2 * piece], points[2 * piece + 1], panels[index]),
        to: pixel(points[2 * piece + 2], points[2 * piece + 3], panels[index]), thickness: thickness,
        start + place * ((end ?? start) - start), opacity: opacity, within: area(index))
    }
  }

  /// An arrow from a point, `vector` long in data coordinates.
  public mutating func arrow(
    at point: SIMD2<Double>, _ vector: SIMD2<Double>, in index: Int = 0, thickness: Float = 1.3,
    _ color: PlotColor
  ) {
    let end = point + vector
    canvas.arrow(
      from: pixel(point.x, point.y, panels[index]), to: pixel(end.x, end.y, panels[index]),
      thickness: thickness, color, within: area(index))
  }

  /// Colours the whole panel by cells of values from 0 to `maximum`.
  ///
  /// - Parameter values: [rows, columns], the first row at the bottom.
  public mutating func heatMap(_ values: [Double], columns: Int, maximum: Double, in index: Int = 0) {
    let (panel, rows) = (panels[index], values.count / columns)
    for j in 0..<side {
      for i in 0..<side {
        let value = values[(side - 1 - j) * rows / side * columns + i * columns / side]
        let (x, y) = (panel.left + i, panel.top + j)
        canvas.fill(.init(x: x..<x + 1, y: y..<y + 1), heatColor(value / maximum))
      }
    }
    frame(index)
  }

  /// Names of colours in the panel's upper left corner.
  public mutating func legend(_ entries: [(String, PlotColor)], in index: Int = 0) {
    let panel = panels[index]
    let width = entries.map { PlotCanvas.width(of: $0.0, scale: 2) }.max() ?? 0
    canvas.fill(
      .init(
        x: panel.left + 3..<panel.left + 34 + width, y: panel.top + 3..<panel.top + 10 + entries.count * 20),
      .plotWhite)
    for (row, entry) in entries.enumerated() {
      let y = panel.top + 10 + row * 20
      canvas.disc(SIMD2(Float(panel.left + 14), Float(y + 6)), radius: 5, entry.1, within: area(index))
      canvas.text(entry.0, x: panel.left + 26, top: y)
    }
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

extension Plot {
  package struct Ticks {
    package let values: [Double]
    let digits: Int

    package func text(_ value: Double) -> String {
      String(format: "%.\(digits)f", value == 0 ? 0 : value).replacingOccurrences(of: "-", with: "−")
    }
  }

  /// Round numbers in a range, four to nine of them: multiples of 1, 2 or 5 times a power of ten.
  package static func ticks(_ range: ClosedRange<Double>) -> Ticks {
    let span = range.upperBound - range.lowerBound
    precondition(span > 0 && span.isFinite, "an axis needs a range")
    let power = pow(10, (log10(span / 4)).rounded(.down))
    let step = [5, 2, 1].map { $0 * power }.first { span / $0 >= 3.99 } ?? power
    let first = (range.lowerBound / step - 1e-9).rounded(.up)
    let last = (range.upperBound / step + 1e-9).rounded(.down)
    let values = stride(from: first, through: last, by: 1).map { $0 * step }
    return Ticks(values: values, digits: max(0, Int(-log10(step).rounded(.down))))
  }
}
