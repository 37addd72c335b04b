/// Copies an image into its padded plane.
///
/// - Parameters: image: [height, width, channels]; padded: of `shape.padded`.
package func pad(_ image: Span<Float>, shape: ImageShape, into padded: consuming MutableSpan<Float>) {
  precondition(image.count == shape.count && padded.count == shape.padded.count)
  let (source, destination) = (image.pointer, padded.pointer)
  clearBorder(destination, of: shape)
  let row = shape.width * shape.channels
  for y in 0..<shape.height {
    (destination + (y + 1) * shape.padded.width * shape.channels + shape.channels)
      .update(from: source + y * row, count: row)
  }
}

/// Zeroes all around an image of `shape` in its padded plane.
func clearBorder(_ padded: Destination, of shape: ImageShape) {
  let (channels, plane) = (shape.channels, shape.padded)
  let pitch = plane.width * channels
  padded.update(repeating: 0, count: pitch)
  for y in 1...shape.height {
    (padded + y * pitch).update(repeating: 0, count: channels)
    (padded + y * pitch + (shape.width + 1) * channels)
      .update(repeating: 0, count: (plane.width - shape.width - 1) * channels)
  }
  (padded + (shape.height + 1) * pitch)
    .update(repeating: 0, count: (plane.height - shape.height - 1) * pitch)
}

/// Nearest-neighbour upsampling by two, into a plane with a zero border for the convolution that follows.
///
/// - Parameters: image: [height, width, channels]; padded: of the large shape's `padded`.
package func upsample(_ image: Span<Float>, shape: ImageShape, into padded: consuming MutableSpan<Float>) {
  let large = shape.doubled
  precondition(image.count == shape.count && padded.count == large.padded.count)
  let (source, destination) = (image.pointer, padded.pointer)
  clearBorder(destination, of: large)
  let (channels, pitch) = (shape.channels, large.padded.width * shape.channels)
  for y in 0..<large.height {
    let row = destination + (y + 1) * pitch + channels
    for x in 0..<large.width {
      copyPixel(source + ((y / 2) * shape.width + x / 2) * channels, channels, to: row + x * channels)
    }
  }
}

/// dx[i, j] = dy[2i, 2j] + dy[2i, 2j + 1] + dy[2i + 1, 2j] + dy[2i + 1, 2j + 1].
///
/// - Parameters: dy: [2·height, 2·width, channels]; shape: of dx, [height, width, channels].
func upsampleGradient(_ dy: Source, shape: ImageShape, into dx: Destination, accumulates: Bool) {
  let channels = shape.channels
  let pitch = 2 * shape.width * channels
  for y in 0..<shape.height {
    for x in 0..<shape.width {
      let source = dy + 2 * y * pitch + 2 * x * channels
      let destination = dx + (y * shape.width + x) * channels
      forEachVector(channels) { c, width in
        let top = source.lanes(at: c, count: width) + source.lanes(at: channels + c, count: width)
        let bottom =
          source.lanes(at: pitch + c, count: width) + source.lanes(at: pitch + channels + c, count: width)
        let old = accumulates ? destination.lanes(at: c, count: width) : Lanes(repeating: 0)
        destination.store(old + (top + bottom), at: c, count: width)
      }
    }
  }
}

/// [a | b] along the channels: a [pixels, aChannels], b [pixels, bChannels].
package func concatenate(
  _ a: Span<Float>, _ b: Span<Float>, pixels: Int, into output: consuming MutableSpan<Float>
) {
  precondition(a.count % pixels == 0 && b.count % pixels == 0 && output.count == a.count + b.count)
  let (aChannels, bChannels) = (a.count / pixels, b.count / pixels)
  let (a, b, output) = (a.pointer, b.pointer, output.pointer)
  for pixel in 0..<pixels {
    let row = output + pixel * (aChannels + bChannels)
    copyPixel(a + pixel * aChannels, aChannels, to: row)
    copyPixel(b + pixel * bChannels, bChannels, to: row + aChannels)
  }
}

/// The inverse of `concatenate`: its gradient.
package func split(
  _ gradient: Span<Float>, pixels: Int, into a: consuming MutableSpan<Float>,
  _ b: consuming MutableSpan<Float>
) {
  precondition(a.count % pixels == 0 && b.count % pixels == 0 && gradient.count == a.count + b.count)
  let (aChannels, bChannels) = (a.count / pixels, b.count / pixels)
  let (gradient, a, b) = (gradient.pointer, a.pointer, b.pointer)
  for pixel in 0..<pixels {
    let row = gradient + pixel * (aChannels + bChannels)
    copyPixel(row, aChannels, to: a + pixel * aChannels)
    copyPixel(row + aChannels, bChannels, to: b + pixel * bChannels)
  }
}

/// A pixel's channels: too few for a call of memmove to pay.
@inline(__always)
private func copyPixel(_ source: Source, _ channels: Int, to destination: Destination) {
  forEachVector(channels) { c, width in
    destination.store(source.lanes(at: c, count: width), at: c, count: width)
  }
}

/// y = x.
package func copy(_ x: Span<Float>, into y: consuming MutableSpan<Float>) {
  precondition(x.count == y.count)
  y.pointer.update(from: x.pointer, count: x.count)
}

/// y += x.
package func add(_ x: Span<Float>, into y: consuming MutableSpan<Float>) {
  let count = x.count
  precondition(count == y.count)
  let (x, y) = (x.pointer, y.pointer)
  forEachVector(count) { i, width in
    y.store(y.lanes(at: i, count: width) + x.lanes(at: i, count: width), at: i, count: width)
  }
}

/// y[row] += x for each row of y [rows, x.count].
package func addToRows(_ x: Span<Float>, into y: consuming MutableSpan<Float>) {
  let columns = x.count
  precondition(y.count % columns == 0)
  let (rows, x, y) = (y.count / columns, x.pointer, y.pointer)
  for row in 0..<rows {
    forEachVector(columns) { i, width in
      let at = row * columns + i
      y.store(y.lanes(at: at, count: width) + x.lanes(at: i, count: width), at: at, count: width)
    }
  }
}

package func fill(_ x: consuming MutableSpan<Float>, with value: Float) {
  let count = x.count
  x.pointer.update(repeating: value, count: count)
}
