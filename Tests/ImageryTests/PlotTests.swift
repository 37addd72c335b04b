import Files
import Foundation
import Imagery
import Testing

@Suite struct PlotTests {
  @Test func ticksAreRoundNumbersInTheRange() {
    #expect(Plot.ticks(-3...3).values == [-3, -2, -1, 0, 1, 2, 3])
    #expect(Plot.ticks(0...1).values.map { ($0 * 10).rounded() } == [0, 2, 4, 6, 8, 10])
    #expect(Plot.ticks(0...1).text(0.6000000000000001) == "0.6")
    #expect(Plot.ticks(-2.5...2.5).text(-2) == "−2")
    #expect(Plot.ticks(0...870).values == [0, 200, 400, 600, 800])
    for span in [1e-6, 0.03, 7, 12345] {
      let ticks = Plot.ticks(-span / 3...span)
      #expect((4...9).contains(ticks.values.count))
      #expect(ticks.values.allSatisfy { (-span / 3 - span * 1e-9...span * (1 + 1e-9)).contains($0) })
      #expect(Set(ticks.values.map(ticks.text)).count == ticks.values.count)
    }
  }

  @Test func logarithmicTicksAreDecades() {
    func texts(_ range: ClosedRange<Double>) -> [String] {
      let ticks = Plot.logarithmicTicks(range)
      return ticks.values.map(ticks.text)
    }
    #expect(texts(0.01...150) == ["0.01", "0.1", "1", "10", "100"])
    #expect(Plot.logarithmicTicks(0.01...1000).values == [0.01, 0.1, 1, 10, 100, 1000])
    #expect(
      Plot.logarithmicTicks(0.5...20).minor == [0.5, 0.6, 0.7, 0.8, 0.9, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20])
    #expect(texts(0.3...12) == ["0.5", "1", "2", "5", "10"])
    #expect(texts(1e-6...1e-3) == ["10⁻⁶", "10⁻⁵", "0.0001", "0.001"])
    #expect(texts(1e5...5e6) == ["10⁵", "2·10⁵", "5·10⁵", "10⁶", "2·10⁶", "5·10⁶"])
    for range in [1e-30...1e30, 3...4, 1...1.001, 2e-9...7e12, 0.2...0.9] {
      let values = texts(range)
      #expect((2...10).contains(values.count) && Set(values).count == values.count, "\(range): \(values)")
      #expect(Plot.logarithmicTicks(range).values.allSatisfy { $0 >= range.lowerBound * 0.999999 })
    }
  }

  private func plot(_ captions: Int = 1, x: Plot.Axis = .init(-1...1), y: Plot.Axis = .init(-1...1)) -> Plot {
    Plot(title: "t", captions: Array(repeating: "c", count: captions), columns: 2, side: 200, x: x, y: y)
  }

  /// What lies in the panels, and is cut off at their edges.
  private func contents(_ plot: Plot) throws -> [Element] {
    let root = try parseXML(plot.svg())
    let clip = try #require(root.all("clipPath").first)
    let square = try #require(clip.children.first)
    #expect(square.name == "rect" && square.attributes == ["width": "200", "height": "200"])
    return root.all("g").filter {
      $0.attributes["clip-path"] == "url(#\(clip.attributes["id"] ?? ""))"
    }
  }

  /// The numbers of a path.
  private func numbers(_ path: String) -> [Double] {
    path.split { !"-.0123456789".contains($0) }.compactMap { Double($0) }
  }

  private func strokes(_ plot: Plot, _ index: Int = 0) throws -> [[Double]] {
    try contents(plot)[index].all("path").map { numbers($0.attributes["d"] ?? "") }
  }

  @Test func pointsLieWhereTheirCoordinatesSay() throws {
    var linear = plot()
    linear.points([0, 0, 0.5, 0, -1, 0.123456], .plotBlue)
    #expect(try strokes(linear) == [[100, 100, 0, 150, 100, 0, 0, 87.65, 0]])
    var logarithmic = plot(x: .init(0.01...100, isLogarithmic: true), y: .init(2...4))
    logarithmic.line([0.01, 2, 1, 3, 10, 4], from: .plotBlue)
    #expect(try strokes(logarithmic) == [[0, 200, 100, 100, 150, 0]])
  }

  /// The numbers beside an axis stand where points of that coordinate lie.
  @Test(arguments: [false, true]) func numbersStandWhereTheirPointsLie(isLogarithmic: Bool) throws {
    let axis = Plot.Axis(isLogarithmic ? 0.02...700 : -3...5, isLogarithmic: isLogarithmic)
    let ticks = axis.ticks
    for value in ticks.values {
      var plot = plot(x: axis, y: axis)
      plot.points([value, value], .plotBlue)
      let place = try strokes(plot)[0]
      let texts = try parseXML(plot.svg()).all("text").filter { $0.text == ticks.text(value) }
      #expect(texts.count == 2)
      #expect(abs(try texts[0].number("x") - place[0]) < 0.02)
      // The base line lies a third of a letter lower.
      #expect(abs(try texts[1].number("y") - place[1] - 4.5) < 0.02)
    }
  }

  @Test func nothingIsDrawnOutsideItsPanel() throws {
    var plot = plot(2)
    plot.points([5, 0, .nan, 0, .infinity, 1, 0, -1e30], in: 0, radius: 3, .plotBlue)
    plot.line([0, .nan, 1, 1], in: 0, from: .plotBlue)
    plot.arrow(at: [.nan, 4], [1, 1], in: 1, .plotBlue)
    #expect(try strokes(plot, 0).isEmpty && strokes(plot, 1).isEmpty)
    // Half of this dot shows; the line goes on beyond the edges that cut it, however far.
    plot.points([1, 0], in: 0, radius: 3, .plotBlue)
    plot.line([-2, 0, 1e300, 0], in: 1, from: .plotBlue)
    #expect(try strokes(plot, 0) == [[200, 100, 0]])
    #expect(try strokes(plot, 1) == [[-100, 100, 100_000, 100]])
    // Whatever belongs to data is in the groups that are cut off.
    let colored = try parseXML(plot.svg()).all("path").filter { $0.attributes["stroke"] != nil }
    #expect(try colored.count == contents(plot).reduce(0) { $0 + $1.all("path").count })
  }

  @Test func linesRunFromOneColourToAnother() throws {
    let line = (0...100).flatMap { [Double($0) / 50 - 1, 0.0] }
    var plot = plot()
    plot.lines([line, line], from: .plotGrey, to: .plotOrange)
    let paths = try contents(plot)[0].all("path")
    #expect(paths.count == 16 && Set(paths.map { $0.attributes["stroke"] }).count == 16)
    // Each begins where the one before ended.
    let ends = try strokes(plot)
    for (one, next) in zip(ends, ends.dropFirst()) { #expect(one.suffix(2) == next.prefix(2)) }
    #expect(ends[0].prefix(2) == [0, 100] && ends[15].suffix(2) == [200, 100])
  }

  @Test func heatMapsHaveTheirFirstRowAtTheBottom() throws {
    var plot = plot()
    plot.heatMap([1, 0, 0, 0, 0, 0], columns: 2, maximum: 1)
    let images = try contents(plot)[0].all("image")
    let image = try #require(images.first)
    let prefix = "data:image/png;base64,"
    let link = try #require(image.attributes["href"])
    #expect(link.hasPrefix(prefix))
    let data = try #require(Data(base64Encoded: String(link.dropFirst(prefix.count))))
    let png = try PNGImage.decode([UInt8](data))
    #expect(png.width == 2 && png.height == 3)
    let bright = (0..<6).filter { png.pixels[3 * $0] > 240 }
    #expect(bright == [4])
    #expect(image.attributes["width"] == "200" && image.attributes["height"] == "200")
  }

  @Test func textIsEscaped() throws {
    let nasty = "a < b & \"c\" > 'd' \u{1} ✓ ]]> -->"
    var plot = Plot(
      title: nasty, captions: [nasty], x: .init(0...1, label: nasty), y: .init(0...1, label: nasty))
    plot.legend([(nasty, .plotBlue)])
    let root = try parseXML(plot.svg(text: [("seed", "7"), (nasty, nasty)]))
    let shown = nasty.replacingOccurrences(of: "\u{1}", with: "\u{FFFD}")
    #expect(root.all("title").map(\.text) == [shown])
    #expect(root.all("text").count { $0.text == shown } == 5)
    let entries = root.all("entry")
    #expect(entries.map(\.text) == ["7", shown])
    #expect(entries.map { $0.attributes["key"] } == ["seed", shown])
  }

  /// The corners of each text's box on the figure, with letters as wide as they are high at the most.
  private func boxes(
    _ element: Element, _ x: Double = 0, _ y: Double = 0
  ) throws -> [(text: String, x: ClosedRange<Double>, y: ClosedRange<Double>)] {
    var (x, y) = (x, y)
    let move = numbers(element.attributes["transform"] ?? "")
    if element.name == "g", move.count == 2 { (x, y) = (x + move[0], y + move[1]) }
    guard element.name == "text" else { return try element.children.flatMap { try boxes($0, x, y) } }
    let size = element.attributes["class"] == "title" ? 16.0 : 13.0
    let width = 0.6 * size * Double(element.text.count)
    let anchor = element.attributes["text-anchor"]
    let start = anchor == "middle" ? width / 2 : anchor == "end" ? width : 0
    let along = try element.number("x") - start...element.number("x") - start + width
    let across = try element.number("y") - size * 0.8...element.number("y") + size * 0.2
    // A label of the y axis is turned by a quarter: (x, y) goes to (y, -x).
    return move == [-90]
      ? [
        (
          element.text, x + across.lowerBound...x + across.upperBound,
          y - along.upperBound...y - along.lowerBound
        )
      ]
      : [
        (
          element.text, x + along.lowerBound...x + along.upperBound,
          y + across.lowerBound...y + across.upperBound
        )
      ]
  }

  @Test(arguments: [120, 400]) func noTextRunsIntoAnother(side: Int) throws {
    var plot = Plot(
      title: "A title that is a good deal longer than the panel beneath it is wide",
      captions: [
        "a caption that is longer than its panel", "b", "c", "d",
      ], columns: 2, side: side, x: .init(1e-3...1e3, label: "seconds of training", isLogarithmic: true),
      y: .init(-1234...7, label: "log-likelihood"))
    plot.legend([("flow matching", .plotBlue), ("likelihood", .plotOrange), ("the data's own", .plotGrey)])
    let root = try parseXML(plot.svg())
    let boxes = try boxes(root)
    #expect(boxes.count > 30)
    let (width, height) = (try root.number("width"), try root.number("height"))
    for (index, box) in boxes.enumerated() {
      #expect(box.x.lowerBound >= 0 && box.x.upperBound <= width, "\(box)")
      #expect(box.y.lowerBound >= 0 && box.y.upperBound <= height, "\(box)")
      for other in boxes[..<index] {
        #expect(!(box.x.overlaps(other.x) && box.y.overlaps(other.y)), "\(box) \(other)")
      }
    }
    // And none lies on a panel.
    for panel in root.all("g") where panel.attributes["transform"] != nil {
      let corner = numbers(panel.attributes["transform"] ?? "")
      let (x, y) = (corner[0]...corner[0] + Double(side), corner[1]...corner[1] + Double(side))
      for box in boxes { #expect(!(box.x.overlaps(x) && box.y.overlaps(y)), "\(box)") }
    }
  }

  @Test func theSamePlotIsTheSameBytesAndSmall() throws {
    func svg() -> String {
      var plot = plot()
      plot.points(noise(4000).map { Double($0) / 128 - 1 }, .plotBlue)
      return plot.svg(text: [("software", "inkflow")])
    }
    #expect(svg() == svg())
    #expect(svg().utf8.count < 2000 * 16 + 3000)
    #expect(svg().contains("prefers-color-scheme:dark"))
    let scratch = try Scratch()
    try plot().write(to: scratch.path + "/a.svg", text: [("seed", "1")])
    let written = try String(contentsOfFile: scratch.path + "/a.svg", encoding: .utf8)
    #expect(written == plot().svg(text: [("seed", "1")]))
    #expect(try scratch.names == ["a.svg"])
  }
}

@Suite struct DiscsTests {
  /// A disc covers its area, and has its centre where its coordinates say.
  @Test(arguments: [(0.0, 0.0), (0.5, -0.25), (-1.37, 1.1)]) func discsLieWhereTheirCoordinatesSay(
    x: Double, y: Double
  ) {
    let image = PNGImage.discs(
      [x, y, 1e9, .nan], colors: [[0, 0, 0], [0, 0, 0]], extent: 2, side: 80, radius: 6, opacity: 1)
    var (area, sumX, sumY) = (0.0, 0.0, 0.0)
    for row in 0..<80 {
      for column in 0..<80 {
        let share = 1 - Double(image.pixels[(row * 80 + column) * 3]) / 255
        area += share
        sumX += share * (Double(column) + 0.5)
        sumY += share * (Double(row) + 0.5)
      }
    }
    #expect(abs(area - .pi * 36) < 1)
    #expect(abs(sumX / area - (x / 2 + 1) * 40) < 0.05 && abs(sumY / area - (1 - y / 2) * 40) < 0.05)
  }
}
