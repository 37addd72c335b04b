import CVector

/// A 3×3 convolution of stride 1 by Winograd's F(4×4, 3×3) over the tiles of `count` images: transform a block
/// of tiles, 36 matrix products with the transformed weights (25 beside an upsampling), transform back.
///
/// The three passes share the transforms. With V = BᵀdB, U = GgGᵀ and M = U·V: dM = A dY Aᵀ, dU = Σ_tiles Vᵀ·dM,
/// dg = Gᵀ dU G; the input gradient is the same convolution with flipped, transposed weights.
///
/// Channels are multiples of the vector's lanes. Each tile's numbers depend on its own patch alone, so an image's don't
/// depend on its neighbours.
struct WinogradConvolution: ConvolutionAlgorithm, InputGradientAlgorithm {
  let shape: ImageShape
  let outputChannels: Int
  let pairs: Pairs
  let points: Winograd.Points
  /// Which products are of bf16 numbers: those of `forward`, of the weight gradient.
  private let narrowsForward: Bool
  private let narrowsWeightGradient: Bool

  /// Which pixels come in pairs, along both sides. Then nothing comes of the third point of a side, −1: in equal inputs
  /// d, d, d′, d′ it has row 3 of Bᵀ, 4d − 4d − d′ + d′; and where outputs are added, rows 1 + 2 and 3 + 4 of Aᵀ have a
  /// zero there.
  enum Pairs {
    case none
    /// Those of the input are equal: it was upsampled by two.
    case ofInput
    /// Those of the output are added: `forward` writes the gradient of what was upsampled.
    case ofOutput
  }

  /// - Parameter shape: of the input; of even sides if there are pairs.
  init(
    shape: ImageShape, outputChannels: Int, pairs: Pairs = .none, narrowsForward: Bool = false,
    narrowsWeightGradient: Bool = false
  ) {
    self.narrowsForward = narrowsForward
    self.narrowsWeightGradient = narrowsWeightGradient
    self.shape = shape
    self.outputChannels = outputChannels
    self.pairs = pairs
    points = pairs == .none ? .all : .ofPairs
  }

  var inputChannels: Int { shape.channels }
  /// Places of a tile's input channels in `forward`'s product: of a bf16 pair each, or of a number.
  private var channelPlaces: Int { narrowsForward ? inputChannels / 2 : inputChannels }
  private var tileRows: Int { (shape.height + 3) / 4 }
  var tileColumns: Int { (shape.width + 3) / 4 }
  var tilesPerImage: Int { tileRows * tileColumns }

  /// Tiles that are transformed together: their 36 small matrices, in and out, stay in the second-level cache.
  private var maximumBlock: Int {
    max(Contraction.rowsPerTile, Self.blockFloats / (points.count * (inputChannels + outputChannels)))
  }
  /// Half a megabyte where the vectors are as wide as those of CPUs with two of cache a core, else a quarter.
  private static let blockFloats = laneCount == 16 ? 1 << 17 : 1 << 16

  /// Blocks as equal as they can be.
  private func blockSize(_ tiles: Int) -> Int {
    let blocks = (tiles + maximumBlock - 1) / maximumBlock
    return (tiles + blocks - 1) / blocks
  }

  /// Floats from one point's matrix to the next: an odd number of vectors, as at a multiple of a page the 36 places
  /// that a transform writes to would fall into a few sets of the cache.
  private func pointPitch(_ tiles: Int, _ channels: Int) -> Int { (tiles * channels) | laneCount }

  /// Floats of working memory for any of the three passes.
  var scratchCount: Int {
    let sides = pointPitch(maximumBlock, inputChannels) + pointPitch(maximumBlock, packedOutputs)
    return points.count * (sides + inputChannels * packedOutputs)
  }

  /// Output channels, rounded up to whole blocks of columns.
  private var packedOutputs: Int {
    (outputChannels + Contraction.columnsPerTile - 1) / Contraction.columnsPerTile
      * Contraction.columnsPerTile
  }

  var preparedCount: Int? { preparedFlippedCount }
  var preparedFlippedCount: Int { points.count * inputChannels * packedOutputs }

  // MARK: Weights

  /// Floats of one point's transformed weights, before they become pairs.
  private var weightPitch: Int { inputChannels * packedOutputs }

  /// Where the weights from an input channel to `output` and those after it lie: columns are packed in blocks.
  private func place(_ channel: Int, _ output: Int) -> Int {
    let width = Contraction.columnsPerTile
    return (output / width * inputChannels + channel) * width + output % width
  }

  /// U = G g Gᵀ.
  ///
  /// - Parameters: g: [3, 3, in, out]; u: [points, out / columns, in, columns], columns being those of a product's tile;
  ///   with pairs of bf16 numbers in place of `in` half as many.
  func prepare(_ g: Source, into u: Destination) {
    let (c, o) = (inputChannels, outputChannels)
    for channel in 0..<c {
      for output in stride(from: 0, to: o, by: laneCount) {
        Winograd.transformWeights(
          g + channel * o + output, pitch: c * o, points: points, into: u + place(channel, output),
          pointPitch: weightPitch)
      }
    }
    pairInputChannels(u)
  }

  /// Makes each two rows of weights, of neighbouring input channels, one of pairs, where products are of bf16 numbers.
  private func pairInputChannels(_ u: Destination) {
    guard narrowsForward else { return }
    let columns = Contraction.columnsPerTile
    pairRows(u, rows: points.count * weightPitch / columns, columns: columns, into: u)
  }

  /// The same of the flipped, transposed weights of the convolution whose input gradient this one computes:
  /// `inputChannels` are then that one's outputs.
  ///
  /// - Parameters: g: [3, 3, out, in], in this convolution's terms; u: as in `prepare`.
  func prepareFlipped(_ g: Source, into u: Destination) {
    let (c, o) = (inputChannels, outputChannels)
    // The transposed weights pass through the last nine points' places: each vector's taps are read from
    // there before its own points are written.
    let transposed = u + (points.count - 9) * weightPitch
    for tap in 0..<9 {
      let (source, destination) = (g + tap * c * o, transposed + (8 - tap) * weightPitch)
      for channel in 0..<c {
        for output in 0..<o { destination[place(channel, output)] = source[output * c + channel] }
      }
    }
    for i in stride(from: 0, to: weightPitch, by: laneCount) {
      Winograd.transformWeights(
        transposed + i, pitch: weightPitch, points: points, into: u + i, pointPitch: weightPitch)
    }
    pairInputChannels(u)
  }

  // MARK: Passes

  /// - Parameters:
  ///   - x: [count] padded images.
  ///   - u: transformed weights, from `prepare` or `prepareFlipped`.
  ///   - bias: [out], one for all images if `biasPitch` is 0; nil for none.
  ///   - y: [count, height, width, out], halved sides where pairs of outputs are added.
  ///   - addend: as y, what the results are added to; may be y itself. Nil for none.
  ///   - share: which part of y to compute, `share.index` of `share.count`.
  ///   - scratch: of a block of tiles, v: [points, block, in], or pairs of them, and m: [points, block, out].
  func forward(
    _ x: Source, count: Int, _ u: Source, bias: Source?, biasPitch: Int, addend: Source?,
    into y: Destination, share: (index: Int, count: Int), scratch: Destination
  ) {
    let (tiles, channels) = part(share, count)
    guard !tiles.isEmpty else { return }
    let block = blockSize(tiles.count)
    let (c, o) = (channelPlaces, channels.count)
    let u = u + channels.lowerBound * c
    let (vPitch, mPitch) = (pointPitch(block, c), pointPitch(block, o))
    let (v, m) = (scratch, scratch + points.count * vPitch)
    forEachBlock(tiles, block) { tiles in
      for tile in tiles {
        transformInput(
          x, tile, as: narrowsForward ? .channelPairs : .float32, into: v + (tile - tiles.lowerBound) * c,
          pitch: vPitch)
      }
      Contraction(
        rows: tiles.count, columns: o, aRow: c, cRow: o,
        inner: .init(count: c, a: 1, b: Contraction.columnsPerTile), multipliesPairs: narrowsForward,
        packedBlock: c * Contraction.columnsPerTile,
        batch: .init(count: points.count, a: vPitch, b: c * packedOutputs, c: mPitch)
      ).run(v, u, into: m)
      for tile in tiles {
        let (image, row, column) = position(of: tile)
        writeOutput(
          m + (tile - tiles.lowerBound) * o, pitch: mPitch, row: row, column: column, channels: channels,
          bias: bias.map { $0 + image * biasPitch },
          addend: addend.map { $0 + image * outputPixels * outputChannels },
          into: y + image * outputPixels * outputChannels)
      }
    }
  }

  func inputGradient(
    _ dy: Source, count: Int, _ flipped: Source, into dx: Destination, accumulates: Bool, scratch: Destination
  ) {
    forward(
      dy, count: count, flipped, bias: nil, biasPitch: 0, addend: accumulates ? Source(dx) : nil, into: dx,
      share: (0, 1), scratch: scratch)
  }

  private var outputPixels: Int { pairs == .ofOutput ? shape.pixels / 4 : shape.pixels }

  /// Some of the tiles, or some of the output channels where tiles are few: the weights are then what is large.
  private func part(_ share: (index: Int, count: Int), _ count: Int) -> (
    tiles: Range<Int>, channels: Range<Int>
  ) {
    func slice(_ total: Int) -> Range<Int> {
      total * share.index / share.count..<total * (share.index + 1) / share.count
    }
    let (tiles, width) = (count * tilesPerImage, Contraction.columnsPerTile)
    guard tiles < 2 * Contraction.rowsPerTile && packedOutputs >= share.count * width else {
      return (slice(tiles), 0..<outputChannels)
    }
    let blocks = slice(packedOutputs / width)
    return (0..<tiles, blocks.lowerBound * width..<min(blocks.upperBound * width, outputChannels))
  }

  /// dw += Gᵀ(Σ Vᵀ·dM)G.
  ///
  /// - Parameters: x: [count] padded images; dy: [count] padded gradients; dw: [3, 3, in, out]; scratch: of a block of
  ///   tiles, v: [points, block, in] and m: [points, out / columns, block, columns], where a pair of tiles has one place
  ///   if they are bf16, then du: [points, in, out].
  func addWeightGradient(
    _ x: Source, _ dy: Source, count: Int, into dw: Destination, scratch: Destination
  ) {
    let block = blockSize(count * tilesPerImage)
    let (c, o, width) = (inputChannels, outputChannels, Contraction.columnsPerTile)
    let (vPitch, mPitch) = (pointPitch(block, c), pointPitch(block, packedOutputs))
    let (v, m) = (scratch, scratch + points.count * vPitch)
    let du = m + points.count * mPitch
    forEachBlock(0..<count * tilesPerImage, block) { tiles in
      for tile in tiles {
        let (place, form) = placeAndForm(of: tile, in: tiles)
        transformInput(x, tile, as: form, into: v + place * c, pitch: vPitch)
        transformOutputGradient(dy, tile, as: form, into: m + place * width, block: block, pitch: mPitch)
      }
      Contraction(
        rows: c, columns: o, aRow: 1, cRow: o,
        inner: .init(count: narrowsWeightGradient ? (tiles.count + 1) / 2 : tiles.count, a: c, b: width),
        multipliesPairs: narrowsWeightGradient, accumulates: tiles.lowerBound > 0, packedBlock: block * width,
        batch: .init(count: points.count, a: vPitch, b: mPitch, c: c * o)
      ).run(v, m, into: du)
    }
    let pitch = c * o
    for i in stride(from: 0, to: pitch, by: laneCount) {
      Winograd.addWeightGradient(du + i, points: points, pointPitch: pitch, into: dw + i, pitch: pitch)
    }
  }

  // MARK: Tiles

  @inline(__always)
  private func forEachBlock(_ tiles: Range<Int>, _ block: Int, _ body: (Range<Int>) -> Void) {
    for first in stride(from: tiles.lowerBound, to: tiles.upperBound, by: block) {
      body(first..<min(first + block, tiles.upperBound))
    }
  }

  /// Where a tile of a block goes among the terms of the weight gradient's sum, and as what.
  private func placeAndForm(of tile: Int, in tiles: Range<Int>) -> (place: Int, form: Winograd.Form) {
    let index = tile - tiles.lowerBound
    guard narrowsWeightGradient else { return (index, .float32) }
    if index % 2 == 1 { return (index / 2, .secondOfTiles) }
    return (index / 2, tile + 1 < tiles.upperBound ? .float32 : .loneTile)
  }
}
