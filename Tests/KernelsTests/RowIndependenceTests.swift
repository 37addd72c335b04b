import Kernels
import Testing

/// A result has the same bits alone as among others, although other counts meet other register tiles and the
/// vector's edge: what makes sample i the same in every batch.
@Suite struct RowIndependenceTests {
  @Test(arguments: [(1, 1), (5, 3), (33, 16), (64, 17), (12, 96)]) func linearRows(c: Int, o: Int) {
    let (weights, bias) = (normals(c * o, index: 2), normals(o, index: 3))
    let x = normals(29 * c, index: 1)
    func rows(_ range: Range<Int>) -> [UInt32] {
      let y = Buffer(unwritten: range.count * o)
      linear(
        Buffer(Array(x[range.lowerBound * c..<range.upperBound * c])).span, rows: range.count,
        weights: weights.span, bias: bias.span, into: y.mutable)
      return y.bits
    }
    let alone = (0..<29).map { rows($0..<$0 + 1) }
    for count in 2...29 { #expect(rows(0..<count) == alone[0..<count].flatMap { $0 }, "\(count) rows") }
    for first in 0..<29 { #expect(rows(first..<29) == alone[first...].flatMap { $0 }, "from \(first)") }
  }

  /// Output columns of an image against the same columns of a part of it, given with their neighbours in
  /// place of the border. (A property of the direct convolution: an algorithm on tiles of pixels need only
  /// hold it for whole images.)
  @Test(arguments: [(3, 5), (32, 17), (16, 64)], [1, 2]) func convolutionPixels(
    channels: (Int, Int), step: Int
  ) {
    let (c, o) = channels
    let (weights, bias) = (normals(9 * c * o, index: 2), normals(o, index: 3))
    let whole = ImageShape(height: 2, width: 28, channels: c).padded
    let x = normals(whole.count, index: 1)
    /// Rows of bits for each output pixel in `columns`, [2 / step, columns, o].
    func convolve(_ columns: Range<Int>) -> [[UInt32]] {
      let width = columns.count * step
      let part = (0..<4).flatMap { row in
        let start = (row * whole.width + columns.lowerBound * step) * c
        return x[start..<start + (width + 2) * c]
      }
      let convolution = Convolution3x3(
        input: ImageShape(height: 2, width: width, channels: c), outputChannels: o, stride: step)
      let y = Buffer(unwritten: convolution.output.count)
      convolution.forward(Buffer(part).span, weights: weights.span, bias: bias.span, into: y.mutable)
      let bits = y.bits
      return (0..<bits.count / o).map { Array(bits[$0 * o..<($0 + 1) * o]) }
    }
    let columns = 28 / step
    let all = convolve(0..<columns)
    for count in 1...columns {
      let first = (columns - count) / 2
      let expected = (0..<2 / step).flatMap { all[$0 * columns + first..<$0 * columns + first + count] }
      #expect(convolve(first..<first + count) == expected, "\(count) columns")
    }
  }

  @Test func elements() {
    let x = normals(67, index: 1)
    func activated(_ range: Range<Int>) -> [UInt32] {
      let y = Buffer(unwritten: range.count)
      silu(Buffer(Array(x[range])).span, into: y.mutable)
      return y.bits
    }
    let all = activated(0..<67)
    for i in 0..<67 { #expect(activated(i..<i + 1) == [all[i]]) }
  }
}
