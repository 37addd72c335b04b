import CVector

/// A matrix product whose left side and inner index may be strided in three levels:
///
///     C[m, n] = bias[n] + Σ_p Σ_q Σ_r A[m·aRow + p·a₀ + q·a₁ + r·a₂] · B[p·b₀ + q·b₁ + r·b₂ + n]   (+ C[m, n])
///
/// Every product of the network is one of these, or a batch of them: a linear layer has one level; a 3×3
/// convolution has rows, columns and channels; a weight gradient walks down the pixels with `aRow` = 1; Winograd's
/// algorithm has 36 of them. Nothing is copied together first ("im2col"): a channels-last image with a border of
/// zeros already *is* the left matrix.
///
/// Each element's sum runs in the order p, q, r with one fused multiply-add a term, whatever the tile it falls
/// into, so that a result does not depend on its neighbours.
struct Contraction {
  struct Level {
    var count = 1
    var a = 0
    var b = 0
  }

  /// Products of one shape, and how far apart their matrices lie.
  struct Batch {
    var count = 1
    var a = 0
    var b = 0
    var c = 0
  }

  var rows: Int
  var columns: Int
  var aRow: Int
  var cRow: Int
  var outer = Level()
  var middle = Level()
  var inner: Level
  /// Whether each place of A and B holds a pair of bf16 numbers, of two terms of the sum: r then counts pairs, and each of
  /// them is two products.
  var multipliesPairs = false
  /// Whether the sums are added to what C holds.
  var accumulates = false
  /// Floats from one block of `columnsPerTile` columns of B to the next, where B is packed in such blocks: a block's
  /// rows are then one contiguous stream.
  var packedBlock: Int?
  var batch = Batch()

  /// Runs the contraction in register tiles, as equal in height as they can be. `bias` has `columns` elements.
  func run(_ a: Source, _ b: Source, bias: Source? = nil, into c: Destination) {
    precondition(!multipliesPairs || columns.isMultiple(of: laneCount), "pairs come in whole vectors")
    let tiles = (rows + Self.rowsPerTile - 1) / Self.rowsPerTile
    guard tiles > 0 else { return }
    let (height, higher) = rows.quotientAndRemainder(dividingBy: tiles)
    let split = higher * (height + 1)
    for index in 0..<batch.count {
      let (a, b, c) = (a + index * batch.a, b + index * batch.b, c + index * batch.c)
      var column = 0
      while column < columns {
        let left = columns - column
        let width = left >= Self.columnsPerTile ? Self.columnsPerTile : min(left, laneCount)
        let b = b + (packedBlock.map { column / Self.columnsPerTile * $0 } ?? column)
        let (c, bias) = (c + column, bias.map { $0 + column })
        if higher > 0 { runTiles(higher, height: height + 1, width, a, b, bias, c) }
        runTiles(tiles - higher, height: height, width, a + split * aRow, b, bias, c + split * cRow)
        column += width
      }
    }
  }

  // Registers: with AVX-512 14 rows × 2 vectors are 28 accumulators, which with two vectors of B and a
  // broadcast element of A fit the 32; with AVX2 6 × 2 are 12 of 16.
  static let rowsPerTile = laneCount == 16 ? 14 : 6
  static let columnsPerTile = 2 * laneCount

  /// `count` tiles one below the other, of one height.
  @inline(__always)
  private func runTiles(
    _ count: Int, height: Int, _ width: Int, _ a: Source, _ b: Source, _ bias: Source?, _ c: Destination
  ) {
    switch height {
    case 1: Tile<1, 0>.run(self, count, width, a, b, bias, c)
    case 2: Tile<2, 0>.run(self, count, width, a, b, bias, c)
    case 3: Tile<3, 0>.run(self, count, width, a, b, bias, c)
    case 4: Tile<4, 0>.run(self, count, width, a, b, bias, c)
    case 5: Tile<5, 0>.run(self, count, width, a, b, bias, c)
    case 6: Tile<6, 0>.run(self, count, width, a, b, bias, c)
    case 7: Tile<7, 0>.run(self, count, width, a, b, bias, c)
    case 8: Tile<4, 4>.run(self, count, width, a, b, bias, c)
    case 9: Tile<5, 4>.run(self, count, width, a, b, bias, c)
    case 10: Tile<5, 5>.run(self, count, width, a, b, bias, c)
    case 11: Tile<6, 5>.run(self, count, width, a, b, bias, c)
    case 12: Tile<6, 6>.run(self, count, width, a, b, bias, c)
    case 13: Tile<7, 6>.run(self, count, width, a, b, bias, c)
    case 14: Tile<7, 7>.run(self, count, width, a, b, bias, c)
    default: preconditionFailure("no tile of \(height) rows")
    }
  }
}

/// One tile of a contraction: its sums stay in registers from the first term to the last. `low` + `high` rows:
/// counts known to the compiler let it unroll the loops over rows and keep the arrays in registers, but past
/// seven it would not, hence two banks.
private struct Tile<let low: Int, let high: Int> {
  /// `count` tiles one below the other; `width` is 1 to `laneCount`, or twice `laneCount`.
  @inline(never)
  static func run(
    _ product: borrowing Contraction, _ count: Int, _ width: Int, _ a: Source, _ b: Source, _ bias: Source?,
    _ c: Destination
  ) {
    let rows = low + high
    for tile in 0..<count {
      let (a, c) = (a + tile &* rows &* product.aRow, c + tile &* rows &* product.cRow)
      if width == Contraction.columnsPerTile {
        if product.multipliesPairs {
          run(product, width: laneCount, vectors: 2, partial: false, pairs: true, a, b, bias, c)
        } else {
          run(product, width: laneCount, vectors: 2, partial: false, pairs: false, a, b, bias, c)
        }
      } else if width == laneCount {
        if product.multipliesPairs {
          run(product, width: laneCount, vectors: 1, partial: false, pairs: true, a, b, bias, c)
        } else {
          run(product, width: laneCount, vectors: 1, partial: false, pairs: false, a, b, bias, c)
        }
      } else {
        run(product, width: width, vectors: 1, partial: true, pairs: false, a, b, bias, c)
      }
    }
  }

  /// The micro-kernel. `vectors`, `partial` and `pairs` are literals at each call above and fold away.
  @inline(__always)
  private static func run(
    _ product: borrowing Contraction, width: Int, vectors: Int, partial: Bool, pairs: Bool, _ a: Source,
    _ b: Source, _ bias: Source?, _ c: Destination
  ) {
    let row = product.aRow
    let (b0, b1) = (
      bias?.lanes(at: 0, count: partial ? width : laneCount) ?? Lanes(repeating: 0),
      vectors == 2 ? bias?.lanes(at: laneCount) ?? Lanes(repeating: 0) : Lanes(repeating: 0)
    )
    var lowBank = Bank<low>(left: b0, right: b1)
    var highBank = Bank<high>(left: b0, right: b1)
    let second = low &* row
    // What follows this block of B: the block of the next columns or of the next product. (Training was 3 to 5 %
    // slower without, medians of alternating runs on an AMD EPYC with AVX-512.)
    let next = product.inner.count &* product.inner.b
    var (aOuter, bOuter) = (a, b)
    for _ in 0..<product.outer.count {
      var (aMiddle, bMiddle) = (aOuter, bOuter)
      for _ in 0..<product.middle.count {
        var (a, b) = (aMiddle, bMiddle)
        for _ in 0..<product.inner.count {
          let b0 = partial ? b.lanes(at: 0, count: width) : b.lanes(at: 0)
          let b1 = vectors == 2 ? b.lanes(at: laneCount) : b0
          lowBank.add(a, row: row, b0, b1, vectors: vectors, pairs: pairs)
          highBank.add(a + second, row: row, b0, b1, vectors: vectors, pairs: pairs)
          inkflow_prefetch(b + next)
          if vectors == 2 { inkflow_prefetch(b + (next &+ laneCount)) }
          a += product.inner.a
          b += product.inner.b
        }
        aMiddle += product.middle.a
        bMiddle += product.middle.b
      }
      aOuter += product.outer.a
      bOuter += product.outer.b
    }
    let (cRow, accumulates) = (product.cRow, product.accumulates)
    lowBank.store(
      into: c, row: cRow, accumulates: accumulates, width: width, vectors: vectors, partial: partial)
    highBank.store(
      into: c + low &* cRow, row: cRow, accumulates: accumulates, width: width, vectors: vectors,
      partial: partial)
  }
}

/// Accumulators for `rows` rows, two vectors wide.
private struct Bank<let rows: Int> {
  var left: InlineArray<rows, Lanes>
  var right: InlineArray<rows, Lanes>

  @inline(__always)
  init(left: Lanes, right: Lanes) {
    self.left = InlineArray(repeating: left)
    self.right = InlineArray(repeating: right)
  }

  @inline(__always)
  mutating func add(_ a: Source, row: Int, _ b0: Lanes, _ b1: Lanes, vectors: Int, pairs: Bool) {
    for r in 0..<rows {
      let x = Lanes(repeating: a[r &* row])
      if pairs {
        left[unchecked: r] = left[unchecked: r].addingPairProducts(x, b0)
        if vectors == 2 { right[unchecked: r] = right[unchecked: r].addingPairProducts(x, b1) }
      } else {
        left[unchecked: r] = left[unchecked: r].addingProduct(x, b0)
        if vectors == 2 { right[unchecked: r] = right[unchecked: r].addingProduct(x, b1) }
      }
    }
  }

  @inline(__always)
  func store(
    into c: Destination, row: Int, accumulates: Bool, width: Int, vectors: Int, partial: Bool
  ) {
    for r in 0..<rows {
      let p = c + r &* row
      if vectors == 2 {
        p.store(accumulates ? p.lanes(at: 0) + left[unchecked: r] : left[unchecked: r], at: 0)
        p.store(
          accumulates ? p.lanes(at: laneCount) + right[unchecked: r] : right[unchecked: r], at: laneCount)
      } else if partial {
        let sum =
          accumulates ? p.lanes(at: 0, count: width) + left[unchecked: r] : left[unchecked: r]
        p.store(sum, at: 0, count: width)
      } else {
        p.store(accumulates ? p.lanes(at: 0) + left[unchecked: r] : left[unchecked: r], at: 0)
      }
    }
  }
}
