import Files
import Foundation
import Imagery
import Testing

@Suite struct PNGTests {
  @Test(arguments: [1, 3]) func roundTrips(channels: Int) throws {
    for (width, height) in [(1, 1), (7, 5), (64, 33)] {
      let image = PNGImage(
        width: width, height: height, channels: channels, pixels: noise(width * height * channels))
      #expect(try PNGImage.decode(image.encoded()) == image)
      #expect(try PNGImage.decode(image.encoded(text: [("seed", "1")])) == image)
    }
  }

  @Test func textStandsBeforeTheImageDataInASoundStructure() throws {
    let image = PNGImage(width: 9, height: 4, channels: 1, pixels: noise(36))
    let png = try image.encoded(text: [("seed", "42"), ("Author", "Günther"), ("model", "流れ")])
    let chunks = pngChunks(png)
    #expect(
      chunks.map(\.type).filter { !["gAMA", "sRGB"].contains($0) } == [
        "IHDR", "tEXt", "tEXt", "iTXt", "IDAT", "IEND",
      ])
    #expect(chunks[1].data == Array("seed\u{0}42".utf8))
    #expect(chunks[2].data == Array("Author".utf8) + [0, 0x47, 0xFC] + Array("nther".utf8))
    #expect(chunks[3].data == Array("model".utf8) + [0, 0, 0, 0, 0] + Array("流れ".utf8))
  }

  @Test func writesAFile() throws {
    let scratch = try Scratch()
    let image = PNGImage(width: 2, height: 1, channels: 3, pixels: noise(6))
    try image.write(to: scratch.path + "/a.png", text: [("seed", "0")])
    let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: scratch.path + "/a.png")))
    #expect(bytes == (try image.encoded(text: [("seed", "0")])))
    #expect(try scratch.names == ["a.png"])
  }

  /// libpng takes sides of a million pixels at most.
  @Test func refusesAnImageTooLargeForTheLibrary() throws {
    let scratch = try Scratch()
    let image = PNGImage(
      width: 1, height: 1_000_001, channels: 1, pixels: [UInt8](repeating: 0, count: 1_000_001))
    let error = #expect(throws: FileError.self) { try image.write(to: scratch.path + "/a.png") }
    #expect(error?.kind == .cannotCreate)
    #expect(try scratch.names == [])
  }

  @Test func refusesDamagedData() throws {
    let png = try PNGImage(width: 20, height: 20, channels: 1, pixels: noise(400)).encoded()
    #expect(throws: PNGError.self) { try PNGImage.decode([]) }
    #expect(throws: PNGError.self) { try PNGImage.decode(Array("not a picture".utf8)) }
    #expect(throws: PNGError.self) { try PNGImage.decode(Array(png[..<(png.count / 2)])) }
    var damaged = png
    damaged[png.count / 2] ^= 1
    #expect(throws: PNGError.self) { try PNGImage.decode(damaged) }
  }
}

@Suite struct ContactSheetTests {
  /// Every pixel of the sheet by the inverse mapping: which image, which of its pixels, or the ground.
  @Test(arguments: [(1, 1), (3, 1), (1, 2), (3, 3)]) func placesEveryPixel(channels: Int, scale: Int) {
    let (count, height, width, columns, padding) = (7, 3, 5, 3, 2)
    let pixels = noise(count * height * width * channels)
    let sheet = ContactSheet.image(
      pixels: pixels, height: height, width: width, channels: channels, columns: columns, padding: padding,
      scale: scale)
    #expect(sheet.width == 3 * 5 * scale + 4 * 2)
    #expect(sheet.height == 3 * 3 * scale + 4 * 2)
    for y in 0..<sheet.height {
      for x in 0..<sheet.width {
        let (row, top) = (y - padding).quotientAndRemainder(dividingBy: height * scale + padding)
        let (column, left) = (x - padding).quotientAndRemainder(dividingBy: width * scale + padding)
        let index = row * columns + column
        let isGround =
          x < padding || y < padding || top >= height * scale || left >= width * scale || index >= count
        for channel in 0..<channels {
          let pixel = ((index * height + top / scale) * width + left / scale) * channels + channel
          let expected = isGround ? ContactSheet.background : pixels[pixel]
          #expect(sheet.pixels[(y * sheet.width + x) * channels + channel] == expected)
        }
      }
    }
  }

  @Test func fewImagesMakeANarrowSheet() {
    let sheet = ContactSheet.image(pixels: noise(8), height: 2, width: 2, channels: 1, columns: 10, scale: 1)
    #expect(sheet.width == 2 * 2 + 3 * 2)
    #expect(sheet.height == 2 + 2 * 2)
  }

  /// A thumbnail shows nothing: images are enlarged to about 64 pixels a side.
  @Test(arguments: [(28, 2), (32, 2), (64, 1), (9, 7), (16, 4), (200, 1), (1, 64)])
  func imagesAreEnlargedUnlessToldOtherwise(side: Int, scale: Int) {
    let sheet = ContactSheet.image(
      pixels: noise(side * side), height: side, width: side, channels: 1, columns: 1)
    #expect(sheet.width == side * scale + 4 && sheet.height == sheet.width)
  }
}

@Suite struct PixelsTests {
  @Test func everyByteSurvives() {
    let bytes = (0...255).map { UInt8($0) }
    let values = bytes.map(Pixels.normalized)
    #expect(values.first == -1 && values.last == 1)
    #expect(Pixels.bytes(values.span) == bytes)
    var normalized = [Float](repeating: .nan, count: 256)
    var span = normalized.mutableSpan
    Pixels.normalize(bytes.span, into: &span)
    #expect(normalized == values)
  }

  @Test func roundsToTheNearestAndClamps() {
    #expect(Pixels.byte(-1.5) == 0 && Pixels.byte(-.greatestFiniteMagnitude) == 0)
    #expect(Pixels.byte(1.01) == 255 && Pixels.byte(.greatestFiniteMagnitude) == 255)
    #expect(Pixels.byte(100.4 / 127.5 - 1) == 100 && Pixels.byte(100.6 / 127.5 - 1) == 101)
  }

  @Test func nonFinitePixelsTrap() async {
    await #expect(processExitsWith: .failure) { _ = Pixels.byte(.nan) }
  }
}
