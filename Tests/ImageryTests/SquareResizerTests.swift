import Foundation
import Imagery
import Testing

@Suite struct SquareResizerTests {
  private static func linear(_ byte: UInt8) -> Double {
    let value = Double(byte) / 255
    return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
  }

  private static func encoded(_ light: Double) -> Double {
    255 * (light <= 0.0031308 ? 12.92 * light : 1.055 * pow(light, 1 / 2.4) - 0.055)
  }

  /// Every output pixel from every input pixel, in Double: [side, side, 3], not rounded.
  private static func reference(
    _ pixels: [UInt8], _ height: Int, _ width: Int, _ channels: Int, _ side: Int
  ) -> [Double] {
    let scale = Double(min(height, width)) / Double(side)
    let radius = max(scale, 1)
    func weight(_ input: Int, _ count: Int, _ output: Int) -> Double {
      let centre = Double(count) / 2 + (Double(output) + 0.5 - Double(side) / 2) * scale
      return max(0, 1 - abs(Double(input) + 0.5 - centre) / radius)
    }
    var result: [Double] = []
    for y in 0..<side {
      for x in 0..<side {
        for c in 0..<3 {
          var (sum, total) = (0.0, 0.0)
          for row in 0..<height {
            for column in 0..<width {
              let w = weight(row, height, y) * weight(column, width, x)
              guard w > 0 else { continue }
              total += w
              sum += w * linear(pixels[(row * width + column) * channels + (channels == 3 ? c : 0)])
            }
          }
          result.append(encoded(sum / total))
        }
      }
    }
    return result
  }

  @Test(arguments: [
    (1, 1, 1, 4), (5, 7, 3, 3), (13, 9, 3, 8), (31, 64, 1, 10), (8, 8, 3, 8), (10, 6, 3, 11), (40, 17, 3, 1),
  ])
  func agreesWithTheDoubleReference(height: Int, width: Int, channels: Int, side: Int) {
    let pixels = noise(height * width * channels)
    let result = SquareResizer.centreSquare(
      pixels, height: height, width: width, channels: channels, side: side)
    let expected = Self.reference(pixels, height, width, channels, side)
    #expect(result.count == expected.count)
    for (byte, value) in zip(result, expected) { #expect(abs(Double(byte) - value) <= 0.501) }
  }

  @Test func aConstantPictureStaysConstant() {
    for value in UInt8.min...UInt8.max {
      let result = SquareResizer.centreSquare(
        [UInt8](repeating: value, count: 17 * 23), height: 17, width: 23, channels: 1, side: 7)
      #expect(result == [UInt8](repeating: value, count: 7 * 7 * 3))
    }
  }

  /// An unchanged size changes nothing, as the filter then reads one pixel.
  @Test func theOwnSizeIsTheIdentity() {
    let pixels = noise(19 * 19 * 3)
    #expect(SquareResizer.centreSquare(pixels, height: 19, width: 19, channels: 3, side: 19) == pixels)
  }

  /// The mean light is kept but for the margins, whose pixels weigh a little more or less.
  @Test(arguments: [(96, 96), (97, 101), (128, 90)])
  func theMeanIsKept(height: Int, width: Int) {
    let pixels = noise(height * width)
    let side = 16
    let result = SquareResizer.centreSquare(pixels, height: height, width: width, channels: 1, side: side)
    let short = min(height, width)
    let (top, left) = ((height - short) / 2, (width - short) / 2)
    var before = 0.0
    for row in top..<top + short {
      for column in left..<left + short { before += Self.linear(pixels[row * width + column]) }
    }
    let after = result.reduce(0) { $0 + Self.linear($1) } / Double(result.count)
    #expect(abs(after - before / Double(short * short)) < 0.01)
  }

  /// No halos: no result is brighter or darker than every pixel of the picture.
  @Test func theRangeIsKept() {
    let pixels = noise(50 * 60).map { 100 + $0 % 51 }
    let result = SquareResizer.centreSquare(pixels, height: 50, width: 60, channels: 1, side: 13)
    #expect(result.allSatisfy { (100...150).contains($0) })
  }

  @Test func bytesOfLightAreExact() {
    for value in UInt8.min...UInt8.max { #expect(SRGB.byte(SRGB.light[Int(value)]) == value) }
    #expect(SRGB.byte(-0.1) == 0 && SRGB.byte(1.5) == 255)
  }

  /// Turning the small square equals turning the large picture first, by the definition in EXIF's own words: where
  /// the stored first row and the first column are shown.
  @Test(arguments: Orientation.allCases) func orientations(_ orientation: Orientation) {
    let (height, width, side) = (21, 34, 6)
    let stored = noise(height * width * 3)
    // (row 0 is at the top/bottom or left/right, column 0 the other).
    let (swaps, rowReversed, columnReversed) =
      switch orientation {
      case .upright: (false, false, false)  // top, left
      case .mirrored: (false, false, true)  // top, right
      case .upsideDown: (false, true, true)  // bottom, right
      case .mirroredUpsideDown: (false, true, false)  // bottom, left
      case .transposed: (true, false, false)  // left, top
      case .turnedLeft: (true, true, false)  // right, top
      case .transposedUpsideDown: (true, true, true)  // right, bottom
      case .turnedRight: (true, false, true)  // left, bottom
      }
    let (shownHeight, shownWidth) = swaps ? (width, height) : (height, width)
    var shown = [UInt8](repeating: 0, count: stored.count)
    for row in 0..<height {
      for column in 0..<width {
        let r = rowReversed ? height - 1 - row : row
        let c = columnReversed ? width - 1 - column : column
        let (y, x) = swaps ? (c, r) : (r, c)
        for channel in 0..<3 {
          shown[(y * shownWidth + x) * 3 + channel] = stored[(row * width + column) * 3 + channel]
        }
      }
    }
    let direct = SquareResizer.centreSquare(
      shown, height: shownHeight, width: shownWidth, channels: 3, side: side)
    let turned = SquareResizer.centreSquare(
      stored, height: height, width: width, channels: 3, side: side, orientation: orientation)
    // The two passes change places, and with them the order of a sum.
    #expect(zip(direct, turned).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
  }
}
