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
  /// place of the border. (A property of the direct convolution, which these shapes take: Winograd's
  /// algorithm works on tiles of pixels.)
  @Test(arguments: [(3, 5), (32, 7), (7, 64)], [1, 2]) func convolutionPixels(
    channels: (Int, Int), step: Int
  ) {
    let (c, o) = channels
    let (weights, bias) = (normals(9 * c * o, index: 2), normals(o, index: 3))
    let x = normals(4 * 30 * c, index: 1)
    /// Rows of bits for each output pixel in `columns`, [2 / step, columns, o].
    func convolve(_ columns: Range<Int>) -> [[UInt32]] {
      let width = columns.count * step
      let shape = ImageShape(height: 2, width: width, channels: c)
      let convolution = Convolution3x3(input: shape, outputChannels: o, stride: step)
      #expect(convolution.forwardWeightCount == nil)
      var part = [Float](repeating: 0, count: shape.padded.count)
      for row in 0..<4 {
        let start = (row * 30 + columns.lowerBound * step) * c
        let place = row * shape.padded.width * c
        part.replaceSubrange(place..<place + (width + 2) * c, with: x[start..<start + (width + 2) * c])
      }
      let (x, y) = (Buffer(part), Buffer(unwritten: convolution.output.count))
      let scratch = Buffer(unwritten: convolution.scratchCount)
      convolution.forward(
        x.span, count: 1, weights: weights.span, bias: bias.span, into: y.mutable, scratch: scratch.mutable)
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

  /// Images alone and in a micro-batch, each with a bias of its own, forward and backward.
  @Test(
    arguments: [(28, 28, 32, 32), (14, 14, 64, 48), (7, 7, 33, 16), (6, 9, 3, 8)],
    [Precision.float32, .bfloat16])
  func convolutionImages(_ size: (height: Int, width: Int, c: Int, o: Int), precision: Precision) {
    let (height, width, c, o) = size
    let convolution = Convolution3x3(
      input: ImageShape(height: height, width: width, channels: c), outputChannels: o, precision: precision)
    let weights = normals(9 * c * o, index: 2)
    var prepared = Buffer(weights)
    if let count = convolution.forwardWeightCount {
      prepared = Buffer(unwritten: count)
      convolution.prepareForward(weights.span, into: prepared.mutable)
    }
    let flipped = Buffer(unwritten: convolution.backwardWeightCount)
    convolution.prepareBackward(weights.span, into: flipped.mutable)
    let (x, dy) = (
      normals(4 * convolution.input.count, index: 1), normals(4 * convolution.output.count, index: 4)
    )
    let bias = normals(4 * o, index: 3)
    func planes(_ images: [Float], _ shape: ImageShape, _ range: Range<Int>) -> Buffer {
      let result = Buffer(unwritten: range.count * shape.padded.count)
      var padded = [Float]()
      for image in range {
        let plane = Buffer(unwritten: shape.padded.count)
        pad(
          Buffer(Array(images[image * shape.count..<(image + 1) * shape.count])).span, shape: shape,
          into: plane.mutable)
        padded += plane.values
      }
      copy(padded.span, into: result.mutable)
      return result
    }
    func run(_ images: Range<Int>) -> (y: [UInt32], dx: [UInt32]) {
      let y = Buffer(unwritten: images.count * convolution.output.count)
      let scratch = Buffer(unwritten: convolution.scratchCount)
      convolution.forward(
        planes(x, convolution.input, images).span, count: images.count, weights: prepared.span,
        bias: Buffer(Array(bias[images.lowerBound * o..<images.upperBound * o])).span, into: y.mutable,
        scratch: scratch.mutable)
      let dx = Buffer(unwritten: images.count * convolution.input.count)
      convolution.inputGradient(
        planes(dy, convolution.output, images).span, count: images.count, weights: flipped.span,
        into: dx.mutable, scratch: scratch.mutable)
      return (y.bits, dx.bits)
    }
    let alone = (0..<4).map { run($0..<$0 + 1) }
    for images in [0..<2, 1..<4, 0..<4] {
      let together = run(images)
      #expect(together.y == images.flatMap { alone[$0].y })
      #expect(together.dx == images.flatMap { alone[$0].dx })
    }
  }

  @Test func elements() {
    let x = normals(67, index: 1)
    func activated(_ range: Range<Int>) -> [UInt32] {
      let y = Buffer(unwritten: range.count)
      ActivationFunction.silu.apply(Buffer(Array(x[range])).span, into: y.mutable)
      return y.bits
    }
    let all = activated(0..<67)
    for i in 0..<67 { #expect(activated(i..<i + 1) == [all[i]]) }
  }
}
