import Foundation

/// Cuts the centre square out of a picture and brings it to another size.
///
/// The filter is a triangle whose half width is the reduction (one pixel of the result, at least one of the
/// picture), as Pillow's and torchvision's antialiased bilinear filters are: it lets no pixel of the picture fall
/// through, and, having no negative weights, draws no halos as Lanczos's filter does. Averages are taken of light,
/// that is of linear sRGB: among bytes, fine bright detail would become too dark.
public enum SquareResizer {
  /// - Parameters:
  ///   - pixels: [height, width, channels], row-major, 1 (grey) or 3 (RGB) channels in sRGB.
  ///   - side: of the result.
  ///   - orientation: how the picture is to be turned. The square's place and the filter are symmetric, so the
  ///     small square is turned in place of the large picture.
  /// - Returns: [side, side, 3].
  public static func centreSquare(
    _ pixels: [UInt8], height: Int, width: Int, channels: Int, side: Int,
    orientation: Orientation = .upright
  ) -> [UInt8] {
    precondition(height > 0 && width > 0 && side > 0, "a picture or a square without pixels")
    precondition(channels == 1 || channels == 3, "\(channels) channels: 1 is grey, 3 is RGB")
    precondition(pixels.count == height * width * channels, "\(pixels.count) bytes for another size")
    let rows = ResizingAxis(inputCount: height, span: min(height, width), outputCount: side)
    let columns = ResizingAxis(inputCount: width, span: min(height, width), outputCount: side)
    let usedRows = rows.used
    // [rows in use, side, channels], in linear light.
    let rowSize = side * channels
    var narrow = [Float](repeating: 0, count: usedRows.count * rowSize)
    var light = [Float](repeating: 0, count: width * channels)
    for row in usedRows {
      for i in light.indices { light[i] = SRGB.light[Int(pixels[row * light.count + i])] }
      columns.apply(
        to: light.span, stride: channels, first: 0, into: &narrow,
        at: (row - usedRows.lowerBound) * rowSize)
    }
    var square = [Float](repeating: 0, count: side * rowSize)
    rows.apply(
      to: narrow.span, stride: rowSize, first: usedRows.lowerBound, into: &square, at: 0)
    return [UInt8](capacity: side * side * 3) { output in
      for row in 0..<side {
        for column in 0..<side {
          let source = orientation.source(row: row, column: column, side: side)
          let place = (source.row * side + source.column) * channels
          for channel in 0..<3 { output.append(SRGB.byte(square[place + (channels == 3 ? channel : 0)])) }
        }
      }
    }
  }
}

/// How an axis of the result reads the same axis of the picture.
struct ResizingAxis {
  /// [outputCount] The first sample read, and the weights, whose sum is 1.
  private let taps: [(first: Int, weights: [Float])]

  /// - Parameters:
  ///   - inputCount: samples of the picture.
  ///   - span: how many of them, in the middle, the result shows. (Samples beside them weigh in at its ends.)
  init(inputCount: Int, span: Int, outputCount: Int) {
    let origin = Double(inputCount - span) / 2
    let scale = Double(span) / Double(outputCount)
    let support = max(scale, 1)
    taps = (0..<outputCount).map { index in
      let centre = origin + (Double(index) + 0.5) * scale
      let first = max(0, Int((centre - support).rounded(.down)))
      let end = min(inputCount, Int((centre + support).rounded(.up)))
      let weights = (first..<end).map { max(0, 1 - abs(Double($0) + 0.5 - centre) / support) }
      let total = weights.reduce(0, +)
      return (first, weights.map { Float($0 / total) })
    }
  }

  /// The samples that are read at all.
  var used: Range<Int> {
    let first = taps.map(\.first).min() ?? 0
    return first..<(taps.map { $0.first + $0.weights.count }.max() ?? first)
  }

  /// - Parameters:
  ///   - samples: [samples, stride], beginning with sample number `first`.
  ///   - output: receives [outputCount, stride] from `offset` on.
  func apply(
    to samples: Span<Float>, stride: Int, first: Int, into output: inout [Float], at offset: Int
  ) {
    for (index, tap) in taps.enumerated() {
      for i in 0..<stride {
        var sum: Float = 0
        for (k, weight) in tap.weights.enumerated() {
          sum += weight * samples[(tap.first - first + k) * stride + i]
        }
        output[offset + index * stride + i] = sum
      }
    }
  }
}

/// The transfer function of sRGB (IEC 61966-2-1).
package enum SRGB {
  /// [256] The light, from 0 to 1, of a byte.
  package static let light: [Float] = (0..<256).map { Float(linear(Double($0) / 255)) }

  /// The byte nearest to a light by the curve, the inverse of `light`.
  package static func byte(_ light: Float) -> UInt8 {
    // How many boundaries lie below it: eight bits by bisection.
    var below = 0
    for bit in [128, 64, 32, 16, 8, 4, 2, 1] where boundaries[below + bit - 1] < light { below += bit }
    return UInt8(below)
  }

  /// [255] The light half way, by the curve, between each byte and the next.
  private static let boundaries: [Float] = (0..<255).map { Float(linear((Double($0) + 0.5) / 255)) }

  private static func linear(_ value: Double) -> Double {
    value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4)
  }
}
