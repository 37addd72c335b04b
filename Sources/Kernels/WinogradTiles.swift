/// The tiles of an image and its padded planes: what `WinogradConvolution` reads and writes of each, transformed.
extension WinogradConvolution {
  @inline(__always)
  func position(of tile: Int) -> (image: Int, row: Int, column: Int) {
    let (image, rest) = tile.quotientAndRemainder(dividingBy: tilesPerImage)
    let (row, column) = rest.quotientAndRemainder(dividingBy: tileColumns)
    return (image, row, column)
  }

  /// V = BᵀdB of a tile, whose place in [points, block, in] is given.
  func transformInput(
    _ x: Source, _ tile: Int, as form: Winograd.Form, into place: Destination, pitch: Int
  ) {
    let (c, padded) = (inputChannels, shape.padded)
    let (image, row, column) = position(of: tile)
    let patch = x + image * padded.count + 4 * (row * padded.width + column) * c
    @inline(__always)
    func transform(as form: Winograd.Form) {
      for i in stride(from: 0, to: c, by: laneCount) {
        Winograd.transformInput(
          patch + i, rowPitch: padded.width * c, columnPitch: c, points: points, as: form,
          into: place + (form == .channelPairs ? i / 2 : i), pitch: pitch)
      }
    }
    // Literals, so that each is compiled for itself.
    switch form {
    case .float32: transform(as: .float32)
    case .channelPairs: transform(as: .channelPairs)
    case .secondOfTiles: transform(as: .secondOfTiles)
    case .loneTile: transform(as: .loneTile)
    }
  }

  /// dM = A dY Aᵀ of a tile, the right side of a product, whose place in [points, out / columns, block, columns] is given.
  func transformOutputGradient(
    _ dy: Source, _ tile: Int, as form: Winograd.Form, into place: Destination, block: Int, pitch: Int
  ) {
    let (o, width) = (outputChannels, Contraction.columnsPerTile)
    let padded = shape.with(channels: o).padded
    let (image, row, column) = position(of: tile)
    let first = dy + image * padded.count + ((4 * row + 1) * padded.width + 4 * column + 1) * o
    @inline(__always)
    func transform(as form: Winograd.Form) {
      for i in stride(from: 0, to: o, by: laneCount) {
        Winograd.transformOutputGradient(
          first + i, rowPitch: padded.width * o, columnPitch: o, points: points, as: form,
          into: place + (i / width * block * width + i % width), pitch: pitch)
      }
    }
    switch form {
    case .float32: transform(as: .float32)
    case .channelPairs: preconditionFailure("the right side's terms are tiles")
    case .secondOfTiles: transform(as: .secondOfTiles)
    case .loneTile: transform(as: .loneTile)
    }
  }

  /// Y = AᵀMA of some channels of one tile, cut at the image's edge; its pairs added where that is wanted.
  func writeOutput(
    _ m: Source, pitch: Int, row: Int, column: Int, channels: Range<Int>, bias: Source?,
    addend: Source?, into y: Destination
  ) {
    let o = outputChannels
    let height = min(4, shape.height - 4 * row)
    let width = min(4, shape.width - 4 * column)
    for i in stride(from: channels.lowerBound, to: channels.upperBound, by: laneCount) {
      let (first, second, third, fourth) = Winograd.transformOutput(
        m + i - channels.lowerBound, points: points, pitch: pitch)
      let bias = bias?.lanes(at: i) ?? Lanes(repeating: 0)
      @inline(__always)
      func write(_ value: Lanes, at offset: Int) {
        let at = offset * o + i
        let sum = value + bias
        y.store(addend.map { $0.lanes(at: at) + sum } ?? sum, at: at)
      }
      if pairs == .ofOutput {
        @inline(__always)
        func writePairs(_ left: Winograd.Four, _ right: Winograd.Four, at pixel: Int) {
          write((left.0 + left.1) + (right.0 + right.1), at: pixel)
          if height > 2 { write((left.2 + left.3) + (right.2 + right.3), at: pixel + shape.width / 2) }
        }
        let pixel = row * shape.width + 2 * column
        writePairs(first, second, at: pixel)
        if width > 2 { writePairs(third, fourth, at: pixel + 1) }
      } else {
        @inline(__always)
        func writeColumn(_ values: Winograd.Four, at pixel: Int) {
          write(values.0, at: pixel)
          if height > 1 { write(values.1, at: pixel + shape.width) }
          if height > 2 { write(values.2, at: pixel + 2 * shape.width) }
          if height > 3 { write(values.3, at: pixel + 3 * shape.width) }
        }
        let pixel = 4 * (row * shape.width + column)
        writeColumn(first, at: pixel)
        if width > 1 { writeColumn(second, at: pixel + 1) }
        if width > 2 { writeColumn(third, at: pixel + 2) }
        if width > 3 { writeColumn(fourth, at: pixel + 3) }
      }
    }
  }
}
