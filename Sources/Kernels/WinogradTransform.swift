import CVector

/// The transforms of Winograd's minimal filtering F(4×4, 3×3) (Lavin & Gray 2016, with the points 0, ±1, ±2, ∞):
/// a 4×4 tile of outputs needs a 6×6 tile of inputs and, instead of 144 products a channel, 36:
///
///     Y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A
///
/// One dimension at a time: each function is one of the matrices applied to vectors of lanes, its zeros and
/// common sums worked out by hand.
enum Winograd {
  /// The points whose products a tile needs: all, or without the third of each side where pixels come in pairs
  /// (`WinogradConvolution.Pairs`).
  struct Points: Sendable, Equatable {
    let skipsThird: Bool

    static let all = Points(skipsThird: false)
    static let ofPairs = Points(skipsThird: true)

    /// Along one side.
    var side: Int { skipsThird ? 5 : 6 }
    var count: Int { side * side }
  }

  /// What is written of a transformed tile in each place of a product's operand: a Float32 number, or a pair of bf16 ones,
  /// of two terms of the product's sum.
  enum Form: Sendable {
    case float32
    /// Terms are channels: pairs of neighbours, in half as many places.
    case channelPairs
    /// Terms are tiles, which come one after the other: this one pairs with the Float32 numbers that the last one left in
    /// its place.
    case secondOfTiles
    /// The last of an odd number of tiles: pairs with zeros.
    case loneTile

    @inline(__always)
    func store(_ v: Lanes, into place: Destination) {
      switch self {
      case .float32: place.store(v, at: 0)
      case .channelPairs: place.storeNarrowed(v, at: 0)
      case .secondOfTiles: place.store(inkflow_pairs(place.lanes(at: 0), v), at: 0)
      case .loneTile: place.store(inkflow_pairs(v, Lanes(repeating: 0)), at: 0)
      }
    }
  }

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
    _ d: Source, rowPitch: Int, columnPitch: Int, points: Points, as form: Form,
    into destination: Destination, pitch: Int
  ) {
    @inline(__always)
    func row(_ i: Int) -> Six {
      let row = d + i * rowPitch
      return input(
        (
          row.lanes(at: 0), row.lanes(at: columnPitch), row.lanes(at: 2 * columnPitch),
          row.lanes(at: 3 * columnPitch), row.lanes(at: 4 * columnPitch), row.lanes(at: 5 * columnPitch)
        ))
    }
    let (a, b, c, d, e, f) = (row(0), row(1), row(2), row(3), row(4), row(5))
    store(input((a.0, b.0, c.0, d.0, e.0, f.0)), at: 0, points, as: form, into: destination, pitch: pitch)
    store(input((a.1, b.1, c.1, d.1, e.1, f.1)), at: 1, points, as: form, into: destination, pitch: pitch)
    store(input((a.2, b.2, c.2, d.2, e.2, f.2)), at: 2, points, as: form, into: destination, pitch: pitch)
    store(input((a.3, b.3, c.3, d.3, e.3, f.3)), at: 3, points, as: form, into: destination, pitch: pitch)
    store(input((a.4, b.4, c.4, d.4, e.4, f.4)), at: 4, points, as: form, into: destination, pitch: pitch)
    store(input((a.5, b.5, c.5, d.5, e.5, f.5)), at: 5, points, as: form, into: destination, pitch: pitch)
  }

  /// A y Aᵀ for a 4×4 tile of output gradients.
  @inline(__always)
  static func transformOutputGradient(
    _ y: Source, rowPitch: Int, columnPitch: Int, points: Points, as form: Form,
    into destination: Destination, pitch: Int
  ) {
    @inline(__always)
    func row(_ i: Int) -> Six {
      let row = y + i * rowPitch
      return outputTransposed(
        (
          row.lanes(at: 0), row.lanes(at: columnPitch), row.lanes(at: 2 * columnPitch),
          row.lanes(at: 3 * columnPitch)
        ))
    }
    let (a, b, c, d) = (row(0), row(1), row(2), row(3))
    store(outputTransposed((a.0, b.0, c.0, d.0)), at: 0, points, as: form, into: destination, pitch: pitch)
    store(outputTransposed((a.1, b.1, c.1, d.1)), at: 1, points, as: form, into: destination, pitch: pitch)
    store(outputTransposed((a.2, b.2, c.2, d.2)), at: 2, points, as: form, into: destination, pitch: pitch)
    store(outputTransposed((a.3, b.3, c.3, d.3)), at: 3, points, as: form, into: destination, pitch: pitch)
    store(outputTransposed((a.4, b.4, c.4, d.4)), at: 4, points, as: form, into: destination, pitch: pitch)
    store(outputTransposed((a.5, b.5, c.5, d.5)), at: 5, points, as: form, into: destination, pitch: pitch)
  }

  /// Aᵀ m A for the 6×6 products at `m`, `pitch` floats apart: the columns of a 4×4 tile of outputs.
  @inline(__always)
  static func transformOutput(_ m: Source, points: Points, pitch: Int) -> (Four, Four, Four, Four) {
    @inline(__always)
    func row(_ i: Int) -> Four { output(load(row: i, points, from: m, pitch: pitch)) }
    let (a, b, c, d, e, f) = (row(0), row(1), row(2), row(3), row(4), row(5))
    return (
      output((a.0, b.0, c.0, d.0, e.0, f.0)), output((a.1, b.1, c.1, d.1, e.1, f.1)),
      output((a.2, b.2, c.2, d.2, e.2, f.2)), output((a.3, b.3, c.3, d.3, e.3, f.3))
    )
  }

  /// G g Gᵀ for 3×3 weights, `pitch` floats apart at `g`, to the points, `pointPitch` floats apart. All taps are
  /// read before the first point is written.
  @inline(__always)
  static func transformWeights(
    _ g: Source, pitch: Int, points: Points, into destination: Destination, pointPitch: Int
  ) {
    @inline(__always)
    func tap(_ k: Int, _ l: Int) -> Lanes { g.lanes(at: (3 * k + l) * pitch) }
    let row0 = weights((tap(0, 0), tap(0, 1), tap(0, 2)))
    let row1 = weights((tap(1, 0), tap(1, 1), tap(1, 2)))
    let row2 = weights((tap(2, 0), tap(2, 1), tap(2, 2)))
    store(
      weights((row0.0, row1.0, row2.0)), at: 0, points, as: .float32, into: destination, pitch: pointPitch)
    store(
      weights((row0.1, row1.1, row2.1)), at: 1, points, as: .float32, into: destination, pitch: pointPitch)
    store(
      weights((row0.2, row1.2, row2.2)), at: 2, points, as: .float32, into: destination, pitch: pointPitch)
    store(
      weights((row0.3, row1.3, row2.3)), at: 3, points, as: .float32, into: destination, pitch: pointPitch)
    store(
      weights((row0.4, row1.4, row2.4)), at: 4, points, as: .float32, into: destination, pitch: pointPitch)
    store(
      weights((row0.5, row1.5, row2.5)), at: 5, points, as: .float32, into: destination, pitch: pointPitch)
  }

  /// g += Gᵀ u G.
  @inline(__always)
  static func addWeightGradient(
    _ u: Source, points: Points, pointPitch: Int, into g: Destination, pitch: Int
  ) {
    @inline(__always)
    func row(_ i: Int) -> Three { weightsTransposed(load(row: i, points, from: u, pitch: pointPitch)) }
    let (a, b, c, d, e, f) = (row(0), row(1), row(2), row(3), row(4), row(5))
    @inline(__always)
    func add(_ column: Three, _ l: Int) {
      g.store(g.lanes(at: l * pitch) + column.0, at: l * pitch)
      g.store(g.lanes(at: (3 + l) * pitch) + column.1, at: (3 + l) * pitch)
      g.store(g.lanes(at: (6 + l) * pitch) + column.2, at: (6 + l) * pitch)
    }
    add(weightsTransposed((a.0, b.0, c.0, d.0, e.0, f.0)), 0)
    add(weightsTransposed((a.1, b.1, c.1, d.1, e.1, f.1)), 1)
    add(weightsTransposed((a.2, b.2, c.2, d.2, e.2, f.2)), 2)
  }

  /// Column `j` of a 6×6 tile: points j, 6 + j, …, without those that are skipped.
  @inline(__always)
  private static func store(
    _ column: Six, at j: Int, _ points: Points, as form: Form, into destination: Destination, pitch: Int
  ) {
    if points.skipsThird {
      if j == 2 { return }
      let place = destination + (j < 2 ? j : j - 1) * pitch
      form.store(column.0, into: place)
      form.store(column.1, into: place + 5 * pitch)
      form.store(column.3, into: place + 10 * pitch)
      form.store(column.4, into: place + 15 * pitch)
      form.store(column.5, into: place + 20 * pitch)
    } else {
      let place = destination + j * pitch
      form.store(column.0, into: place)
      form.store(column.1, into: place + 6 * pitch)
      form.store(column.2, into: place + 12 * pitch)
      form.store(column.3, into: place + 18 * pitch)
      form.store(column.4, into: place + 24 * pitch)
      form.store(column.5, into: place + 30 * pitch)
    }
  }

  /// Row `i` of a 6×6 tile: points 6·i, 6·i + 1, …; those that are skipped are zero.
  @inline(__always)
  private static func load(row i: Int, _ points: Points, from source: Source, pitch: Int) -> Six {
    let zero = Lanes(repeating: 0)
    if points.skipsThird {
      if i == 2 { return (zero, zero, zero, zero, zero, zero) }
      let row = source + (i < 2 ? i : i - 1) * 5 * pitch
      return (
        row.lanes(at: 0), row.lanes(at: pitch), zero, row.lanes(at: 2 * pitch), row.lanes(at: 3 * pitch),
        row.lanes(at: 4 * pitch)
      )
    }
    let row = source + 6 * i * pitch
    return (
      row.lanes(at: 0), row.lanes(at: pitch), row.lanes(at: 2 * pitch), row.lanes(at: 3 * pitch),
      row.lanes(at: 4 * pitch), row.lanes(at: 5 * pitch)
    )
  }
}
