/// A matrix product whose left side and inner index may be strided in three levels:
///
///     C[m, n] = bias[n] + Σ_p Σ_q Σ_r A[m·aRow + p·a₀ + q·a₁ + r·a₂] · B[p·b₀ + q·b₁ + r·b₂ + n]   (+ C[m, n])
///
/// Every product of the network is one of these: a linear layer has one level; a 3×3 convolution has rows,
/// columns and channels; a weight gradient walks down the pixels with `aRow` = 1. Nothing is copied together
/// first ("im2col"): a channels-last image with a border of zeros already *is* the left matrix.
///
/// Each element's sum runs in the order p, q, r with one fused multiply-add a term, whatever the tile it falls
/// into, so that a result does not depend on its neighbours.
struct Contraction {
  struct Level {
    var count = 1
    var a = 0
    var b = 0
  }

  var rows: Int
  var columns: Int
  var aRow: Int
  var cRow: Int
  var outer = Level()
  var middle = Level()
  var inner: Level
  /// Whether the sums are added to what C holds.
  var accumulates = false

  /// Runs the contraction in register tiles. `bias` has `columns` elements.
  func run(_ a: Source, _ b: Source, bias: Source? = nil, into c: Destination) {
    var column = 0
    while column < columns {
      let width = min(columns - column, 2 * laneCount)
      let bias = bias.map { $0 + column }
      if width == 2 * laneCount {
        runColumns(.two, width: laneCount, a, b + column, bias: bias, into: c + column)
        column += 2 * laneCount
      } else if width >= laneCount {
        runColumns(.one, width: laneCount, a, b + column, bias: bias, into: c + column)
        column += laneCount
      } else {
        runColumns(.partial, width: width, a, b + column, bias: bias, into: c + column)
        column += width
      }
    }
  }

  /// One column block over all rows, in tiles as equal as they can be.
  private func runColumns(
    _ shape: ColumnShape, width: Int, _ a: Source, _ b: Source, bias: Source?, into c: Destination
  ) {
    var row = 0
    while row < rows {
      let left = rows - row
      let tiles = (left + Self.rowsPerTile - 1) / Self.rowsPerTile
      let count = Self.supportedRows(atMost: (left + tiles - 1) / tiles, of: left)
      let tile = Tile(
        product: self, width: width, a: a + row * aRow, b: b, bias: bias, c: c + row * cRow)
      switch shape {
      case .two: tile.runTwo(rows: count)
      case .one: tile.runOne(rows: count, partial: false)
      case .partial: tile.runOne(rows: count, partial: true)
      }
      row += count
    }
  }

  private enum ColumnShape { case two, one, partial }

  // Registers: with AVX-512 14 rows × 2 vectors are 28 accumulators, which with two vectors of B fit the 32
  // (A's elements are broadcast operands); with AVX2 6 × 2 are 12 of 16.
  static let rowsPerTile = laneCount == 16 ? 14 : 6

  /// Up to seven rows are one bank of accumulators, more are two equal banks.
  private static func supportedRows(atMost rows: Int, of left: Int) -> Int {
    if rows <= 7 || rows % 2 == 0 { return rows }
    return rows < left ? rows + 1 : (rows + 1) / 2
  }
}

/// One tile of a contraction: its sums stay in registers from the first term to the last.
private struct Tile {
  let product: Contraction
  let width: Int
  let a: Source
  let b: Source
  let bias: Source?
  let c: Destination

  func runTwo(rows: Int) {
    switch rows {
    case 1: Bank<1>.run(self, banks: 1, vectors: 2)
    case 2: Bank<2>.run(self, banks: 1, vectors: 2)
    case 3: Bank<3>.run(self, banks: 1, vectors: 2)
    case 4: Bank<4>.run(self, banks: 1, vectors: 2)
    case 5: Bank<5>.run(self, banks: 1, vectors: 2)
    case 6: Bank<6>.run(self, banks: 1, vectors: 2)
    case 7: Bank<7>.run(self, banks: 1, vectors: 2)
    case 8: Bank<4>.run(self, banks: 2, vectors: 2)
    case 10: Bank<5>.run(self, banks: 2, vectors: 2)
    case 12: Bank<6>.run(self, banks: 2, vectors: 2)
    case 14: Bank<7>.run(self, banks: 2, vectors: 2)
    default: preconditionFailure("no tile of \(rows) rows")
    }
  }

  func runOne(rows: Int, partial: Bool) {
    switch rows {
    case 1: Bank<1>.runOne(self, banks: 1, partial: partial)
    case 2: Bank<2>.runOne(self, banks: 1, partial: partial)
    case 3: Bank<3>.runOne(self, banks: 1, partial: partial)
    case 4: Bank<4>.runOne(self, banks: 1, partial: partial)
    case 5: Bank<5>.runOne(self, banks: 1, partial: partial)
    case 6: Bank<6>.runOne(self, banks: 1, partial: partial)
    case 7: Bank<7>.runOne(self, banks: 1, partial: partial)
    case 8: Bank<4>.runOne(self, banks: 2, partial: partial)
    case 10: Bank<5>.runOne(self, banks: 2, partial: partial)
    case 12: Bank<6>.runOne(self, banks: 2, partial: partial)
    case 14: Bank<7>.runOne(self, banks: 2, partial: partial)
    default: preconditionFailure("no tile of \(rows) rows")
    }
  }
}

/// `rows` rows of accumulators, two vectors wide. A count known to the compiler lets it unroll the loops over
/// rows and keep the arrays in registers; past seven rows it would not, hence a second bank.
private struct Bank<let rows: Int> {
  var left: InlineArray<rows, Lanes>
  var right: InlineArray<rows, Lanes>

  @inline(__always)
  init(left: Lanes, right: Lanes) {
    self.left = InlineArray(repeating: left)
    self.right = InlineArray(repeating: right)
  }

  @inline(__always)
  mutating func add(_ a: Source, row: Int, _ b0: Lanes, _ b1: Lanes, vectors: Int) {
    for r in 0..<rows {
      let x = Lanes(repeating: a[r &* row])
      left[unchecked: r] = left[unchecked: r].addingProduct(x, b0)
      if vectors == 2 { right[unchecked: r] = right[unchecked: r].addingProduct(x, b1) }
    }
  }

  @inline(__always)
  func store(into c: Destination, row: Int, accumulates: Bool, width: Int, vectors: Int) {
    for r in 0..<rows {
      let p = c + r &* row
      if vectors == 2 {
        p.store(accumulates ? p.lanes(at: 0) + left[unchecked: r] : left[unchecked: r], at: 0)
        p.store(
          accumulates ? p.lanes(at: laneCount) + right[unchecked: r] : right[unchecked: r], at: laneCount)
      } else {
        let sum =
          accumulates
          ? p.lanes(at: 0, count: width) + left[unchecked: r] : left[unchecked: r]
        p.store(sum, at: 0, count: width)
      }
    }
  }

  static func run(_ tile: borrowing Tile, banks: Int, vectors: Int) {
    if banks == 2 {
      run(tile, twoBanks: true, vectors: 2, partial: false)
    } else {
      run(tile, twoBanks: false, vectors: 2, partial: false)
    }
  }

  static func runOne(_ tile: borrowing Tile, banks: Int, partial: Bool) {
    switch (banks, partial) {
    case (2, true): run(tile, twoBanks: true, vectors: 1, partial: true)
    case (2, false): run(tile, twoBanks: true, vectors: 1, partial: false)
    case (_, true): run(tile, twoBanks: false, vectors: 1, partial: true)
    default: run(tile, twoBanks: false, vectors: 1, partial: false)
    }
  }

  /// The micro-kernel. `twoBanks`, `vectors` and `partial` are literals at each call above and fold away.
  @inline(__always)
  private static func run(_ tile: borrowing Tile, twoBanks: Bool, vectors: Int, partial: Bool) {
    let product = tile.product
    let width = tile.width
    let row = product.aRow
    let (b0, b1) = (
      tile.bias?.lanes(at: 0, count: vectors == 2 ? laneCount : width) ?? Lanes(repeating: 0),
      vectors == 2 ? tile.bias?.lanes(at: laneCount) ?? Lanes(repeating: 0) : Lanes(repeating: 0)
    )
    var low = Bank(left: b0, right: b1)
    var high = Bank(left: b0, right: b1)
    let second = twoBanks ? rows &* row : 0
    var (aOuter, bOuter) = (tile.a, tile.b)
    for _ in 0..<product.outer.count {
      var (aMiddle, bMiddle) = (aOuter, bOuter)
      for _ in 0..<product.middle.count {
        var (a, b) = (aMiddle, bMiddle)
        for _ in 0..<product.inner.count {
          let b0 = partial ? b.lanes(at: 0, count: width) : b.lanes(at: 0)
          let b1 = vectors == 2 ? b.lanes(at: laneCount) : b0
          low.add(a, row: row, b0, b1, vectors: vectors)
          if twoBanks { high.add(a + second, row: row, b0, b1, vectors: vectors) }
          a += product.inner.a
          b += product.inner.b
        }
        aMiddle += product.middle.a
        bMiddle += product.middle.b
      }
      aOuter += product.outer.a
      bOuter += product.outer.b
    }
    let (c, cRow, accumulates) = (tile.c, product.cRow, product.accumulates)
    low.store(into: c, row: cRow, accumulates: accumulates, width: width, vectors: vectors)
    if twoBanks {
      high.store(
        into: c + rows &* cRow, row: cRow, accumulates: accumulates, width: width, vectors: vectors)
    }
  }
}
