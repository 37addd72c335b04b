/// The transforms of Winograd's minimal filtering F(4×4, 3×3) (Lavin & Gray 2016, with the points 0, ±1, ±2, ∞):
/// a 4×4 tile of outputs needs a 6×6 tile of inputs and, instead of 144 products a channel, 36:
///
///     Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A
///
/// One dimension at a time: each function is one of the matrices applied to vectors of lanes, its zeros and
/// common sums worked out by hand.
enum Winograd {
  /// Outputs and inputs of a tile, along one side.
  static let tile = 4
  static let patch = 6
  /// Products of a tile.
  static let points = 36

  typealias Six = (Lanes, Lanes, Lanes, Lanes, Lanes, Lanes)
  typealias Four = (Lanes, Lanes, Lanes, Lanes)
  typealias Three = (Lanes, Lanes, Lanes)

  /// Bᵀd = [4 0 −5 0 1 0; 0 −4 −4 1 1 0; 0 4 −4 −1 1 0; 0 −2 −1 2 1 0; 0 2 −1 −2 1 0; 0 4 0 −5 0 1] d.
  @inline(__always)
  static func input(_ d: Six) -> Six {
    let (two, four, five) = (Lanes(repeating: 2), Lanes(repeating: 4), Lanes(repeating: 5))
    let even = d.4.addingProduct(-four, d.2)
    let odd = d.3.addingProduct(-four, d.1)
    let (evenDifference, oddDifference) = (d.4 - d.2, two * (d.3 - d.1))
    return (
      d.4.addingProduct(four, d.0).addingProduct(-five, d.2), even + odd, even - odd,
      evenDifference + oddDifference, evenDifference - oddDifference,
      d.5.addingProduct(four, d.1).addingProduct(-five, d.3)
    )
  }

  /// Aᵀm = [1 1 1 1 1 0; 0 1 −1 2 −2 0; 0 1 1 4 4 0; 0 1 −1 8 −8 1] m.
  @inline(__always)
  static func output(_ m: Six) -> Four {
    let (sum1, difference1) = (m.1 + m.2, m.1 - m.2)
    let (sum2, difference2) = (m.3 + m.4, m.3 - m.4)
    return (
      m.0 + sum1 + sum2, difference1.addingProduct(Lanes(repeating: 2), difference2),
      sum1.addingProduct(Lanes(repeating: 4), sum2),
      (m.5 + difference1).addingProduct(Lanes(repeating: 8), difference2)
    )
  }

  /// A y, the transpose of `output`: for the weight gradient.
  @inline(__always)
  static func outputTransposed(_ y: Four) -> Six {
    let (even, odd) = (y.0 + y.2, y.1 + y.3)
    let even2 = y.0.addingProduct(Lanes(repeating: 4), y.2)
    let odd2 = (Lanes(repeating: 2) * y.1).addingProduct(Lanes(repeating: 8), y.3)
    return (y.0, even + odd, even - odd, even2 + odd2, even2 - odd2, y.3)
  }

  /// G g = [1/4 0 0; −1/6 −1/6 −1/6; −1/6 1/6 −1/6; 1/24 1/12 1/6; 1/24 −1/12 1/6; 0 0 1] g.
  @inline(__always)
  static func weights(_ g: Three) -> Six {
    let sum = (g.0 + g.2) * Lanes(repeating: -1 / 6)
    let middle = g.1 * Lanes(repeating: 1 / 6)
    let sum2 = (g.0 * Lanes(repeating: 1 / 24)).addingProduct(Lanes(repeating: 1 / 6), g.2)
    let middle2 = g.1 * Lanes(repeating: 1 / 12)
    return (g.0 * Lanes(repeating: 1 / 4), sum - middle, sum + middle, sum2 + middle2, sum2 - middle2, g.2)
  }

  /// Gᵀu, the transpose of `weights`: for the weight gradient.
  @inline(__always)
  static func weightsTransposed(_ u: Six) -> Three {
    let (sum1, difference1) = (u.1 + u.2, u.2 - u.1)
    let (sum2, difference2) = (u.3 + u.4, u.3 - u.4)
    let sixth = Lanes(repeating: 1 / 6)
    return (
      (u.0 * Lanes(repeating: 1 / 4)).addingProduct(-sixth, sum1)
        .addingProduct(Lanes(repeating: 1 / 24), sum2),
      (sixth * difference1).addingProduct(Lanes(repeating: 1 / 12), difference2),
      u.5.addingProduct(sixth, sum2 - sum1)
    )
  }

  /// One of the above on both sides of a 6×6 tile held point by point, `pitch` floats apart, at `destination`:
  /// Bᵀ d B for the patch whose rows are `rowPitch` and columns `columnPitch` floats apart.
  @inline(__always)
  static func transformInput(
    _ d: Source, rowPitch: Int, columnPitch: Int, lanes: Int, into destination: Destination, pitch: Int
  ) {
    // Rows first: six results a row, kept until all rows are there.
    var rows = InlineArray<6, Six>(repeating: zeros)
    for i in 0..<6 {
      let row = d + i * rowPitch
      rows[unchecked: i] = input(
        (
          row.lanes(at: 0, count: lanes), row.lanes(at: columnPitch, count: lanes),
          row.lanes(at: 2 * columnPitch, count: lanes), row.lanes(at: 3 * columnPitch, count: lanes),
          row.lanes(at: 4 * columnPitch, count: lanes), row.lanes(at: 5 * columnPitch, count: lanes)
        ))
    }
    @inline(__always)
    func column(_ j: Int, _ select: (Six) -> Lanes) {
      let v = input(
        (
          select(rows[unchecked: 0]), select(rows[unchecked: 1]), select(rows[unchecked: 2]),
          select(rows[unchecked: 3]), select(rows[unchecked: 4]), select(rows[unchecked: 5])
        ))
      store(v, at: j, lanes: lanes, into: destination, pitch: pitch)
    }
    column(0) { $0.0 }
    column(1) { $0.1 }
    column(2) { $0.2 }
    column(3) { $0.3 }
    column(4) { $0.4 }
    column(5) { $0.5 }
  }

  /// A y Aᵀ for a 4×4 tile of output gradients.
  @inline(__always)
  static func transformOutputGradient(
    _ y: Source, rowPitch: Int, columnPitch: Int, lanes: Int, into destination: Destination, pitch: Int
  ) {
    var rows = InlineArray<4, Six>(repeating: zeros)
    for i in 0..<4 {
      let row = y + i * rowPitch
      rows[unchecked: i] = outputTransposed(
        (
          row.lanes(at: 0, count: lanes), row.lanes(at: columnPitch, count: lanes),
          row.lanes(at: 2 * columnPitch, count: lanes), row.lanes(at: 3 * columnPitch, count: lanes)
        ))
    }
    @inline(__always)
    func column(_ j: Int, _ select: (Six) -> Lanes) {
      let m = outputTransposed(
        (
          select(rows[unchecked: 0]), select(rows[unchecked: 1]), select(rows[unchecked: 2]),
          select(rows[unchecked: 3])
        ))
      store(m, at: j, lanes: lanes, into: destination, pitch: pitch)
    }
    column(0) { $0.0 }
    column(1) { $0.1 }
    column(2) { $0.2 }
    column(3) { $0.3 }
    column(4) { $0.4 }
    column(5) { $0.5 }
  }

  /// Aᵀ m A for the 6×6 products at `m`, `pitch` floats apart: the rows of a 4×4 tile of outputs.
  @inline(__always)
  static func transformOutput(_ m: Source, pitch: Int, lanes: Int) -> InlineArray<4, Four> {
    var rows = InlineArray<6, Four>(repeating: (zero, zero, zero, zero))
    for i in 0..<6 {
      let row = m + 6 * i * pitch
      rows[unchecked: i] = output(
        (
          row.lanes(at: 0, count: lanes), row.lanes(at: pitch, count: lanes),
          row.lanes(at: 2 * pitch, count: lanes), row.lanes(at: 3 * pitch, count: lanes),
          row.lanes(at: 4 * pitch, count: lanes), row.lanes(at: 5 * pitch, count: lanes)
        ))
    }
    @inline(__always)
    func column(_ select: (Four) -> Lanes) -> Four {
      output(
        (
          select(rows[unchecked: 0]), select(rows[unchecked: 1]), select(rows[unchecked: 2]),
          select(rows[unchecked: 3]), select(rows[unchecked: 4]), select(rows[unchecked: 5])
        ))
    }
    let (a, b, c, d) = (column { $0.0 }, column { $0.1 }, column { $0.2 }, column { $0.3 })
    return [(a.0, b.0, c.0, d.0), (a.1, b.1, c.1, d.1), (a.2, b.2, c.2, d.2), (a.3, b.3, c.3, d.3)]
  }

  /// G g Gᵀ for 3×3 weights, `pitch` floats apart at `g`, to 36 points `pointPitch` floats apart. With
  /// `flipped`, the weights are taken in reverse order.
  @inline(__always)
  static func transformWeights(
    _ g: Source, pitch: Int, flipped: Bool, lanes: Int, into destination: Destination, pointPitch: Int
  ) {
    @inline(__always)
    func tap(_ k: Int, _ l: Int) -> Lanes {
      let index = 3 * k + l
      return g.lanes(at: (flipped ? 8 - index : index) * pitch, count: lanes)
    }
    let row0 = weights((tap(0, 0), tap(0, 1), tap(0, 2)))
    let row1 = weights((tap(1, 0), tap(1, 1), tap(1, 2)))
    let row2 = weights((tap(2, 0), tap(2, 1), tap(2, 2)))
    store(weights((row0.0, row1.0, row2.0)), at: 0, lanes: lanes, into: destination, pitch: pointPitch)
    store(weights((row0.1, row1.1, row2.1)), at: 1, lanes: lanes, into: destination, pitch: pointPitch)
    store(weights((row0.2, row1.2, row2.2)), at: 2, lanes: lanes, into: destination, pitch: pointPitch)
    store(weights((row0.3, row1.3, row2.3)), at: 3, lanes: lanes, into: destination, pitch: pointPitch)
    store(weights((row0.4, row1.4, row2.4)), at: 4, lanes: lanes, into: destination, pitch: pointPitch)
    store(weights((row0.5, row1.5, row2.5)), at: 5, lanes: lanes, into: destination, pitch: pointPitch)
  }

  /// g += Gᵀ u G.
  @inline(__always)
  static func addWeightGradient(
    _ u: Source, pointPitch: Int, lanes: Int, into g: Destination, pitch: Int
  ) {
    var rows = InlineArray<6, Three>(repeating: (zero, zero, zero))
    for i in 0..<6 {
      let row = u + 6 * i * pointPitch
      rows[unchecked: i] = weightsTransposed(
        (
          row.lanes(at: 0, count: lanes), row.lanes(at: pointPitch, count: lanes),
          row.lanes(at: 2 * pointPitch, count: lanes), row.lanes(at: 3 * pointPitch, count: lanes),
          row.lanes(at: 4 * pointPitch, count: lanes), row.lanes(at: 5 * pointPitch, count: lanes)
        ))
    }
    @inline(__always)
    func column(_ l: Int, _ select: (Three) -> Lanes) {
      let w = weightsTransposed(
        (
          select(rows[unchecked: 0]), select(rows[unchecked: 1]), select(rows[unchecked: 2]),
          select(rows[unchecked: 3]), select(rows[unchecked: 4]), select(rows[unchecked: 5])
        ))
      g.store(g.lanes(at: l * pitch, count: lanes) + w.0, at: l * pitch, count: lanes)
      g.store(g.lanes(at: (3 + l) * pitch, count: lanes) + w.1, at: (3 + l) * pitch, count: lanes)
      g.store(g.lanes(at: (6 + l) * pitch, count: lanes) + w.2, at: (6 + l) * pitch, count: lanes)
    }
    column(0) { $0.0 }
    column(1) { $0.1 }
    column(2) { $0.2 }
  }

  private static var zero: Lanes { Lanes(repeating: 0) }
  private static var zeros: Six { (zero, zero, zero, zero, zero, zero) }

  /// Column `j` of a 6×6 tile: points j, 6 + j, ….
  @inline(__always)
  private static func store(
    _ column: Six, at j: Int, lanes: Int, into destination: Destination, pitch: Int
  ) {
    destination.store(column.0, at: j * pitch, count: lanes)
    destination.store(column.1, at: (6 + j) * pitch, count: lanes)
    destination.store(column.2, at: (12 + j) * pitch, count: lanes)
    destination.store(column.3, at: (18 + j) * pitch, count: lanes)
    destination.store(column.4, at: (24 + j) * pitch, count: lanes)
    destination.store(column.5, at: (30 + j) * pitch, count: lanes)
  }
}
