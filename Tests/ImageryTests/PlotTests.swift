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

  private func plot(_ captions: Int = 1) -> Plot {
    Plot(
      title: "title", captions: Array(repeating: "c", count: captions), columns: 2, side: 101, x: -1...1,
      y: -1...1)
  }

  /// Pixels that differ from an empty plot's.
  private func changed(_ plot: Plot, _ captions: Int = 1) -> [(x: Int, y: Int)] {
    let (empty, image) = (self.plot(captions).image, plot.image)
    return (0..<image.width * image.height).compactMap { i in
      let same = (0..<3).allSatisfy { empty.pixels[3 * i + $0] == image.pixels[3 * i + $0] }
      return same ? nil : (i % image.width, i / image.width)
    }
  }

  @Test func pointsLieWhereTheirCoordinatesSay() {
    func center(_ x: Double, _ y: Double) -> (x: Double, y: Double, count: Int) {
      var plot = plot()
      plot.points([x, y], radius: 3, .plotBlue, opacity: 1)
      let pixels = changed(plot)
      let count = Double(pixels.count)
      return (
        pixels.reduce(0) { $0 + Double($1.x) } / count, pixels.reduce(0) { $0 + Double($1.y) } / count,
        pixels.count
      )
    }
    let (middle, right, up) = (center(0, 0), center(0.5, 0), center(0, 0.5))
    #expect((26...45).contains(middle.count))
    #expect(abs(right.x - middle.x - 25) < 0.01 && abs(right.y - middle.y) < 0.01)
    #expect(abs(up.y - middle.y + 25) < 0.01 && abs(up.x - middle.x) < 0.01)
  }

  @Test func nothingIsDrawnOutsideItsPanel() {
    var plot = plot(2)
    plot.points([5, 0, .nan, 0, .infinity, 1, 0, -1e30], in: 0, radius: 3, .plotBlue)
    plot.line([-50, 3, 50, 3], in: 0, from: .plotInk)
    plot.arrow(at: [4, 4], [1, 1], in: 1, .plotInk)
    #expect(changed(plot, 2).isEmpty)
    // A line through both edges stays between them.
    plot.line([-50, 0, 50, 0], in: 0, thickness: 1, from: .plotBlue)
    let columns = changed(plot, 2).map(\.x)
    #expect(Set(columns).count == 99)
  }

  @Test func heatMapsHaveTheirFirstRowAtTheBottom() {
    var plot = plot()
    plot.heatMap([1, 0, 0, 0], columns: 2, maximum: 1)
    let image = plot.image
    let bright = (0..<image.width * image.height).filter {
      image.pixels[3 * $0] > 240 && image.pixels[3 * $0 + 2] < 150
    }
    let xs = bright.map { $0 % image.width }
    let ys = bright.map { $0 / image.width }
    // 50 × 50 cells less the frame.
    #expect(bright.count > 2300 && bright.count < 2700)
    var lower = self.plot()
    lower.points([-0.5, -0.5], radius: 1, .plotBlue)
    let place = changed(lower)[0]
    #expect((xs.min() ?? 0)...(xs.max() ?? 0) ~= place.x && (ys.min() ?? 0)...(ys.max() ?? 0) ~= place.y)
  }

  /// Every letter of the commands' titles has a glyph of its own, within the font's box.
  @Test func fontHasItsLetters() {
    let box = PlotFont.rows(of: "☃")
    var seen: [[UInt8]: Character] = [:]
    for character in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 .,:;-−+±=/()%'" {
      let rows = PlotFont.rows(of: character)
      #expect(rows != box, "\(character)")
      #expect(rows.allSatisfy { $0 < 32 } && rows.count <= 9, "\(character)")
      #expect(seen[rows] == nil, "\(character) looks like \(seen[rows] ?? " ")")
      seen[rows] = character
    }
  }
}
