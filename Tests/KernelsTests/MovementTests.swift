import Kernels
import Testing

/// What only moves numbers is exact: the expected errors are zero.
@Suite struct MovementTests {
  static let shapes = [
    (1, 1, 1), (2, 3, 5), (3, 2, 12), (5, 1, 17), (1, 7, 33), (7, 7, 64), (14, 8, 3), (8, 14, 16),
  ].map { ImageShape(height: $0.0, width: $0.1, channels: $0.2) }

  @Test(arguments: shapes) func padsAndUpsamples(shape: ImageShape) {
    let x = Buffer(normals(shape.count, index: 1))
    let padded = Buffer(unwritten: shape.padded.count)
    pad(x.span, shape: shape, into: padded.mutable)
    #expect(padded.doubles == Reference.pad(x.doubles, shape: shape))

    let large = ImageShape(height: 2 * shape.height, width: 2 * shape.width, channels: shape.channels)
    let upsampled = Buffer(unwritten: large.padded.count)
    upsample(x.span, shape: shape, into: upsampled.mutable)
    let expected = Reference.pad(Reference.upsample(x.doubles, shape: shape), shape: large)
    #expect(upsampled.doubles == expected)
  }

  @Test(arguments: [(1, 1, 1), (4, 3, 5), (6, 16, 33), (49, 96, 64), (7, 17, 8)])
  func concatenatesAndSplits(pixels: Int, aChannels: Int, bChannels: Int) {
    let (a, b) = (
      Buffer(normals(pixels * aChannels, index: 1)), Buffer(normals(pixels * bChannels, index: 2))
    )
    let joined = Buffer(unwritten: pixels * (aChannels + bChannels))
    concatenate(a.span, b.span, pixels: pixels, into: joined.mutable)
    #expect(joined.doubles == Reference.concatenate(a.doubles, b.doubles, pixels: pixels))

    let (da, db) = (Buffer(unwritten: pixels * aChannels), Buffer(unwritten: pixels * bChannels))
    split(joined.span, pixels: pixels, into: da.mutable, db.mutable)
    #expect(da.values == a.values && db.values == b.values)
  }

  @Test func splitMatchesFiniteDifferences() {
    let (a, b, dy) = (
      Buffer(normals(6, index: 1)), Buffer(normals(10, index: 2)), Buffer(normals(16, index: 4))
    )
    let (da, db) = (Buffer(unwritten: 6), Buffer(unwritten: 10))
    let (x, y) = (a.doubles, b.doubles)
    split(dy.span, pixels: 2, into: da.mutable, db.mutable)
    expectGradient(da, at: a, dy: dy, "da") { Reference.concatenate($0, y, pixels: 2) }
    expectGradient(db, at: b, dy: dy, "db") { Reference.concatenate(x, $0, pixels: 2) }
  }

  @Test(arguments: [(1, 1), (3, 5), (16, 17), (33, 8), (7, 96)])
  func matrixOperations(rows: Int, columns: Int) {
    let x = Buffer(normals(rows * columns, index: 1))
    let row = Buffer(normals(columns, index: 2))
    let transposed = Buffer(unwritten: rows * columns)
    transpose(x.span, rows: rows, columns: columns, into: transposed.mutable)
    #expect(transposed.doubles == Reference.transpose(x.doubles, rows: rows, columns: columns))

    let y = Buffer(unwritten: rows * columns)
    copy(x.span, into: y.mutable)
    addToRows(row.span, into: y.mutable)
    let (xs, rs) = (x.values, row.values)
    #expect(y.values == xs.indices.map { xs[$0] + rs[$0 % columns] })
    add(x.span, into: y.mutable)
    #expect(y.values == xs.indices.map { (xs[$0] + rs[$0 % columns]) + xs[$0] })
    fill(y.mutable, with: 2)
    #expect(y.values.allSatisfy { $0 == 2 })
  }

  @Test(arguments: LinearTests.channels) func columnSumsMatchDouble(columns: Int) {
    for rows in [1, 2, 14, 784] {
      let x = Buffer(normals(rows * columns, index: 1))
      let sums = Buffer(count: columns, accumulates: true)
      addColumnSums(x.span, into: sums.mutable)
      let plain = x.doubles
      let expected = (0..<columns).map { column in
        stride(from: column, to: plain.count, by: columns).reduce(0) { $0 + plain[$1] }
      }
      expect(sums, expected, accumulates: true, within: Tolerance.sumOverRows, "\(rows) rows")
    }
  }
}
