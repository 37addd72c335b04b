import Files
import Foundation
import Imagery
import Testing

/// Whether this system can decode JPEG files.
let hasJPEG = JPEGDecoder() != nil

@Suite struct PictureReaderTests {
  private func error(_ path: String, library: String = JPEGDecoder.libraryName) -> (any Error)? {
    do {
      _ = try PictureReader(side: 8, library: library).square(path)
      return nil
    } catch {
      return error
    }
  }

  @Test func aMissingLibraryIsNamedWhenAJPEGIsMet() throws {
    let scratch = try Scratch()
    let jpeg = try scratch.file("a.jpg", JPEGFixture.bytes)
    let missing = error(jpeg, library: "libturbojpeg-absent.so.0") as? MissingJPEGLibrary
    #expect(missing?.path == jpeg && missing?.description.contains("libturbojpeg0") == true)
    // PNG files need none.
    let png = try scratch.file(
      "a.png", PNGImage(width: 9, height: 8, channels: 3, pixels: noise(216)).encoded())
    #expect(error(png, library: "libturbojpeg-absent.so.0") == nil)
  }

  /// The colours of a square's four quadrants, away from their edges.
  private func corners(_ square: PictureReader.Square, side: Int) -> [[UInt8]] {
    [(1, 1), (1, side - 2), (side - 2, 1), (side - 2, side - 2)].map { row, column in
      let place = (row * side + column) * 3
      return Array(square.pixels[place..<place + 3])
    }
  }

  /// At whole size, and at half, quarter and eighth; turned in all eight ways.
  @Test(.enabled(if: hasJPEG, "libturbojpeg is not installed"), arguments: [48, 24, 12, 6])
  func decodesJPEG(side: Int) throws {
    let scratch = try Scratch()
    let (a, b, c, d) = (0, 1, 2, 3)
    let shown = [
      [a, b, c, d], [b, a, d, c], [d, c, b, a], [c, d, a, b], [a, c, b, d], [c, a, d, b], [d, b, c, a],
      [b, d, a, c],
    ]
    for (index, order) in shown.enumerated() {
      let path = try scratch.file("\(index).jpg", JPEGFixture.turned(UInt16(index + 1)))
      let square = try PictureReader(side: side).square(path)
      #expect(!square.isEnlarged && square.pixels.count == side * side * 3)
      for (found, quadrant) in zip(corners(square, side: side), order) {
        for (x, y) in zip(found, JPEGFixture.colours[quadrant]) { #expect(abs(Int(x) - Int(y)) <= 4) }
      }
    }
    let small = try scratch.file("small.jpg", JPEGFixture.bytes)
    #expect(try PictureReader(side: 97).square(small).isEnlarged)
  }

  @Test(.enabled(if: hasJPEG, "libturbojpeg is not installed"))
  func brokenJPEGsAreRefused() throws {
    let scratch = try Scratch()
    let whole = JPEGFixture.bytes
    for count in [3, 20, 200, 400, whole.count - 40] {
      let path = try scratch.file("\(count).jpg", Array(whole[..<count]))
      let found = try #require(error(path) as? FileError)
      #expect(found.kind == .malformed && found.path == path && !found.problem.contains("()"))
    }
    // A frame header (FF C2, length, precision, height, width) that announces 32767×32767.
    let frame = try #require(whole.indices.first { whole[$0...].starts(with: [0xFF, 0xC2]) })
    var huge = whole
    huge.replaceSubrange(frame + 5..<frame + 9, with: [0x7F, 0xFF, 0x7F, 0xFF])
    let found = try #require(error(try scratch.file("huge.jpg", huge)) as? FileError)
    #expect(found.problem.contains("32767×32767"))
    #expect(found.remedy == "scale it down")
    // Arithmetic coding, lossless, and 12 bits: no copy of these would be better.
    for (offset, byte) in [(1, 0xC9), (1, 0xC3), (4, 12)] as [(Int, UInt8)] {
      var rare = whole
      rare[frame + offset] = byte
      let found = try #require(error(try scratch.file("rare.jpg", rare)) as? FileError)
      #expect(found.remedy.contains("convert it"), "\(found)")
    }
    let cut = try #require(error(try scratch.file("cut.jpg", Array(whole.dropLast(40)))) as? FileError)
    #expect(cut.remedy.contains("get the file again"))
  }

  /// Without a profile: the light that two filters let through, one after the other.
  @Test(
    .enabled(if: hasJPEG, "libturbojpeg is not installed"), arguments: [JPEGFixture.cmyk, JPEGFixture.ycck])
  func coloursOfInksBecomeRGB(file: [UInt8]) throws {
    let scratch = try Scratch()
    for side in [32, 8] {
      let square = try PictureReader(side: side).square(scratch.file("inks.jpg", file))
      for (found, inks) in zip(corners(square, side: side), JPEGFixture.inks) {
        for (light, ink) in zip(found, inks) {
          #expect(abs(Int(light) - Int(ink) * Int(inks[3]) / 255) <= 6, "\(found), \(inks)")
        }
      }
    }
  }

  /// Between segments, before the first, and before the end: the picture is whole, and turned as EXIF says.
  @Test(.enabled(if: hasJPEG, "libturbojpeg is not installed"))
  func strayBytesAreNotedAndHarmNothing() throws {
    let scratch = try Scratch()
    let whole = JPEGFixture.turned(3)
    let clean = try PictureReader(side: 24).square(scratch.file("clean.jpg", whole))
    #expect(clean.note == nil)
    let table = try #require(whole.indices.first { whole[$0...].starts(with: [0xFF, 0xDB]) })
    for (name, places) in [
      ("first", [2]), ("table", [table]), ("end", [whole.count - 2]), ("all", [2, table]),
    ] {
      var stray = whole
      // More than the decoder reads ahead, which it doesn't miss.
      let bytes = (0..<20).flatMap { _ -> [UInt8] in [0x00, 0x12, 0xFF, 0x00, 0x34] }
      for place in places.sorted(by: >) { stray.insert(contentsOf: bytes, at: place) }
      let path = try scratch.file(name + ".jpg", stray)
      let square = try PictureReader(side: 24).square(path)
      #expect(square.pixels == clean.pixels, "\(name)")
      #expect(square.note?.contains("'\(path)' holds stray bytes") == true)
    }
    // Fill bytes are of the format.
    var filled = whole
    filled.insert(contentsOf: [0xFF, 0xFF], at: table)
    #expect(try PictureReader(side: 24).square(scratch.file("filled.jpg", filled)) == clean)
    // An end before any picture is no late end.
    let early = whole[..<table] + [0x12, 0x34, 0xFF, 0xD9]
    let none = try #require(error(try scratch.file("early.jpg", Array(early))) as? FileError)
    #expect(none.remedy.contains("get the file again"), "\(none)")
    // Among the data of the picture itself, nothing is known to be whole.
    let scan = try #require(whole.indices.first { whole[$0...].starts(with: [0xFF, 0xDA]) })
    var cut = Array(whole[..<(scan + 14)])
    cut.insert(contentsOf: [0x12, 0x34], at: table)
    #expect(error(try scratch.file("cut.jpg", cut)) is FileError)
  }

  @Test(arguments: [
    (Array("RIFF\u{1}\u{2}\u{3}\u{4}WEBPVP8 ".utf8), "is a WebP picture", "convert it"),
    (
      [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 4] + Array("CgBI".utf8), "Apple's own kind",
      "convert it"
    ), (Array("GIF89a".utf8), "is a GIF picture", "convert it"),
    (Array("II*\0\u{8}".utf8), "is a TIFF picture", "convert it"),
    (Array("\0\0\0\u{18}ftypheic".utf8), "is a HEIF or AVIF picture", "convert it"),
    (Array("version https://git-lfs.github.com/spec/v1".utf8), "pointer of Git LFS", "git lfs pull"),
    (Array("\n<!DOCTYPE html><html>".utf8), "is a web page", "get the file again"),
    ([], "is empty", "get the file again"),
    (Array("hello".utf8), "is neither a JPEG nor a PNG", "convert it"),
  ])
  func filesAreWhatTheirBytesSay(bytes: [UInt8], problem: String, remedy: String) throws {
    let scratch = try Scratch()
    let found = try #require(error(try scratch.file("picture.jpg", bytes)) as? FileError)
    #expect(
      found.exitStatus == 65 && found.problem.contains(problem) && found.remedy.contains(remedy), "\(found)")
  }

  @Test func brokenPNGsAndOtherFilesAreRefused() throws {
    let scratch = try Scratch()
    let whole = try PNGImage(width: 40, height: 30, channels: 3, pixels: noise(3600)).encoded()
    for count in [8, 20, 33, 100, whole.count / 2] {
      let path = try scratch.file("\(count).png", Array(whole[..<count]))
      #expect(error(path) is FileError)
    }
    // IHDR's width and height, with a checksum that holds.
    var huge = whole
    huge.replaceSubrange(16..<24, with: [0, 0, 0x40, 0, 0, 0, 0x40, 0])
    let sum = crc32(huge[12..<29].span.bytes)
    huge.replaceSubrange(29..<33, with: (0..<4).map { UInt8(truncatingIfNeeded: sum >> (24 - 8 * $0)) })
    let found = try #require(error(try scratch.file("huge.png", huge)) as? FileError)
    #expect(found.problem.contains("16384×16384") && found.remedy == "scale it down")
    let other = error(try scratch.file("a.txt", Array("hello".utf8))) as? FileError
    #expect(other?.problem.contains("neither") == true)
    let empty = try scratch.file("empty", [])
    #expect(error(empty) is FileError)
  }

  /// Made by hand, as our writer has neither transparency nor 16 bits: no compression, filter 0.
  private func png(
    width: Int, height: Int, depth: UInt8, colourType: UInt8, row: [UInt8]
  ) -> [UInt8] {
    func number(_ value: UInt32) -> [UInt8] {
      (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) }
    }
    func chunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
      let body = Array(type.utf8) + data
      return number(UInt32(data.count)) + body + number(crc32(body.span.bytes))
    }
    let raw: [UInt8] = (0..<height).flatMap { _ -> [UInt8] in [0] + row }
    let length: [UInt8] = [UInt8(raw.count & 255), UInt8(raw.count >> 8)]
    var (a, b) = (UInt32(1), UInt32(0))  // Adler-32
    for byte in raw {
      a = (a + UInt32(byte)) % 65521
      b = (b + a) % 65521
    }
    var stream: [UInt8] = [0x78, 0x01, 0x01] + length + length.map { ~$0 }
    stream += raw + number(b << 16 | a)
    var header = number(UInt32(width)) + number(UInt32(height))
    header += [depth, colourType, 0, 0, 0]
    let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
    return signature + chunk("IHDR", header) + chunk("IDAT", stream) + chunk("IEND", [])
  }

  @Test func pngVarieties() throws {
    let scratch = try Scratch()
    func pixel(_ name: String, _ bytes: [UInt8]) throws -> [UInt8] {
      Array(try PictureReader(side: 2).square(try scratch.file(name, bytes)).pixels[..<3])
    }
    let grey = PNGImage(width: 4, height: 4, channels: 1, pixels: [UInt8](repeating: 77, count: 16))
    #expect(try pixel("grey.png", grey.encoded()) == [77, 77, 77])
    // Transparent black is white; opaque stays; half of white's light is 186 in a file that states no gamma, which
    // libpng takes for 2.2. (Averages of bytes would give 127.)
    for (alpha, value) in [(0, 255), (255, 0), (128, 186)] as [(UInt8, UInt8)] {
      let row: [UInt8] = (0..<4).flatMap { _ -> [UInt8] in [0, 0, 0, alpha] }
      let found = try pixel("alpha.png", png(width: 4, height: 4, depth: 8, colourType: 6, row: row))
      #expect(found.allSatisfy { abs(Int($0) - Int(value)) <= 1 }, "\(alpha): \(found)")
    }
    // 16 bits are sRGB as 8 are.
    let deep: [UInt8] = (0..<4).flatMap { _ -> [UInt8] in [0x64, 0x80, 0x20, 0x00, 0xF0, 0x10] }
    let found = try pixel("deep.png", png(width: 4, height: 4, depth: 16, colourType: 2, row: deep))
    #expect(zip(found, [0x64, 0x20, 0xF0] as [UInt8]).allSatisfy { abs(Int($0) - Int($1)) <= 1 }, "\(found)")
  }
}
