import Files
import Foundation
import Imagery
import Testing

@Suite struct LabelledSheetTests {
  private let sheet = LabelledSheet(
    title: "a < b", PNGImage(width: 30, height: 20, channels: 1, pixels: noise(600)),
    columns: ["x", "y", "z"],
    rows: ["one", "two & three"])

  @Test func theExtensionSaysWhatIsWritten() throws {
    let scratch = try Scratch()
    let text = [(key: "seed", value: "7")]
    try sheet.write(to: scratch.path + "/a.svg", text: text)
    try sheet.write(to: scratch.path + "/a.PNG", text: text)
    #expect(try readFile(scratch.path + "/a.PNG") == sheet.sheet.encoded(text: text))
    let root = try parseXML(String(decoding: readFile(scratch.path + "/a.svg"), as: UTF8.self))
    #expect(root.all("text").map(\.text) == ["a < b", "x", "y", "z", "one", "two & three"])
    #expect(root.all("entry").map(\.text) == ["7"])
    let link = try #require(root.all("image").first?.attributes["href"]?.split(separator: ",").last)
    let png = try #require(Data(base64Encoded: String(link)))
    #expect(try PNGImage.decode([UInt8](png)) == sheet.sheet)
    for name in ["a.jpg", "a", "a.svg.gz"] {
      let error = #expect(throws: FileError.self) { try sheet.write(to: scratch.path + "/" + name) }
      #expect(error?.kind == .cannotCreate && error?.problem.contains(".svg or .png") == true)
    }
    #expect(try scratch.names == ["a.PNG", "a.svg"])
  }

  /// In the gap below the cell, which they begin and end with.
  @Test func captionsStandBelowTheirCells() throws {
    // Two rows of three cells of 40×30 with gaps of 20.
    let sheet = LabelledSheet(
      title: "", PNGImage(width: 200, height: 120, channels: 1, pixels: noise(24_000)),
      columns: ["x", "y", "z"], rows: ["1", "2"], captions: .init((0..<6).map { "c\($0)" }, gap: 20))
    let root = try parseXML(sheet.svg())
    let image = try #require(root.all("image").first)
    let (left, top) = (try image.number("x"), try image.number("y"))
    for index in 0..<6 {
      let caption = try #require(root.all("text").first { $0.text == "c\(index)" })
      #expect(try caption.number("x") == left + 40 + 60 * Double(index % 3))
      let gap = top + 50 * Double(index / 3 + 1)
      #expect(try (gap + 10...gap + 20).contains(caption.number("y")))
    }
  }

  @Test func labelsStandBesideWhatTheyName() throws {
    let root = try parseXML(sheet.svg())
    let image = try #require(root.all("image").first)
    let (left, top) = (try image.number("x"), try image.number("y"))
    let texts = root.all("text")
    for (index, label) in texts[1...3].enumerated() {
      #expect(try label.number("x") == left + 5 + 10 * Double(index) && label.number("y") < top)
    }
    for (index, label) in texts[4...].enumerated() {
      #expect(
        try label.number("x") < left && abs(label.number("y") - 4.5 - (top + 5 + 10 * Double(index))) < 0.01)
    }
  }

  @Test func otherExtensionsAreRefusedBeforeLongWork() throws {
    try requireExtension(of: "x.png")
    try requireExtension(of: "dir.d/X.PNG")
    for path in ["x.jpg", "x", "png"] {
      let error = #expect(throws: FileError.self) { try requireExtension(of: path) }
      #expect(error?.description.hasPrefix("'\(path)' doesn't end in .png; ") == true)
    }
  }
}
