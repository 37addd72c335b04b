import Imagery
import Testing

@Suite struct OrientationTests {
  /// A TIFF structure with three entries, the second of which is the orientation.
  static func tiff(_ value: UInt16, bigEndian: Bool, type: UInt16 = 3) -> [UInt8] {
    func bytes(_ number: Int, _ count: Int) -> [UInt8] {
      let little = (0..<count).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
      return bigEndian ? little.reversed() : little
    }
    func entry(_ tag: Int, _ type: Int, _ value: [UInt8]) -> [UInt8] {
      bytes(tag, 2) + bytes(type, 2) + bytes(1, 4) + value
    }
    let header: [UInt8] = Array((bigEndian ? "MM" : "II").utf8) + bytes(42, 2) + bytes(10, 4) + [0, 0]
    let orientation = entry(0x0112, Int(type), bytes(Int(value), 2) + [0, 0])
    return header + bytes(3, 2) + entry(0x0100, 4, bytes(640, 4)) + orientation
      + entry(0x011A, 5, bytes(0, 4)) + bytes(0, 4)
  }

  static func segment(_ marker: UInt8, _ data: [UInt8]) -> [UInt8] {
    [0xFF, marker, UInt8((data.count + 2) >> 8), UInt8((data.count + 2) & 255)] + data
  }

  static func exif(_ tiff: [UInt8]) -> [UInt8] { segment(0xE1, Array("Exif\0\0".utf8) + tiff) }

  private static func jpeg(_ segments: [UInt8]) -> [UInt8] { [0xFF, 0xD8] + segments + [0xFF, 0xDA, 0, 4] }

  @Test(arguments: Orientation.allCases, [true, false])
  func isReadInBothByteOrders(orientation: Orientation, bigEndian: Bool) {
    let tiff = Self.tiff(UInt16(orientation.rawValue), bigEndian: bigEndian)
    #expect(Orientation(jpeg: Self.jpeg(Self.exif(tiff))) == orientation)
    // Behind other segments, another APP1 and fill bytes among them.
    let others = Self.segment(0xE0, [1, 2, 3]) + Self.segment(0xE1, Array("http:".utf8)) + [0xFF, 0xFF]
    #expect(Orientation(jpeg: Self.jpeg(others + Self.exif(tiff))) == orientation)
    var chunk: [UInt8] = [0, 0, 0, UInt8(tiff.count)] + Array("eXIf".utf8)
    chunk += tiff + [0, 0, 0, 0]
    let header: [UInt8] = [0, 0, 0, 1] + Array("IHDR".utf8) + [9, 0, 0, 0, 0]
    #expect(Orientation(png: [UInt8](repeating: 0, count: 8) + header + chunk) == orientation)
  }

  @Test func whatIsNotAnOrientationIsUpright() {
    for value in [0, 9, 65535] as [UInt16] {
      #expect(Orientation(jpeg: Self.jpeg(Self.exif(Self.tiff(value, bigEndian: true)))) == .upright)
    }
    let long = Self.tiff(6, bigEndian: false, type: 4)
    #expect(Orientation(jpeg: Self.jpeg(Self.exif(long))) == .upright)
    // After the image data has begun, nothing is looked for.
    let late: [UInt8] = [0xFF, 0xD8, 0xFF, 0xDA, 0, 2] + Self.exif(Self.tiff(6, bigEndian: true))
    #expect(Orientation(jpeg: late) == .upright)
    #expect(Orientation(jpeg: []) == .upright && Orientation(png: []) == .upright)
  }

  /// Cut anywhere, or with any byte changed, it is read or passed over, but never read beyond its end.
  @Test func truncatedAndChangedDataAreHarmless() {
    let whole = Self.jpeg(Self.exif(Self.tiff(6, bigEndian: false)))
    let tiffStart = 2 + 4 + 6
    // The directory's second entry ends its value's bytes here.
    let needed = tiffStart + 10 + 2 + 12 + 10
    for count in 0...whole.count {
      let cut = Array(whole[..<count])
      #expect(Orientation(jpeg: cut) == (count >= whole.count - 4 ? .turnedLeft : .upright))
      // The same with a segment's length that fits what is left.
      if count > tiffStart {
        let body = Array(whole[tiffStart..<count])
        let fitting = Self.jpeg(Self.exif(body))
        #expect(Orientation(jpeg: fitting) == (count >= needed ? .turnedLeft : .upright))
      }
    }
    for index in whole.indices {
      for value in [0, 1, 0x7F, 0x80, 0xFE, 0xFF] as [UInt8] {
        var changed = whole
        changed[index] = value
        _ = Orientation(jpeg: changed)
        _ = Orientation(png: changed)
      }
    }
    for length in 0..<64 { _ = Orientation(jpeg: [0xFF, 0xD8, 0xFF, 0xE1] + noise(length)) }
  }
}
