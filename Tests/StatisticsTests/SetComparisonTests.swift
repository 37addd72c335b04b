import Statistics
import TestSupport
import Testing

/// Kernel distance, precision and recall beside code as plain as can be, and where they are known.
@Suite struct SetComparisonTests {
  private let inOrder: ForEachNumber = { count, body in (0..<count).map(body) }

  private func points(_ count: Int, _ dimension: Int, seed: UInt64, shift: Double = 0) -> [[Double]] {
    var random = TestRandom(seed: seed)
    return (0..<count).map { _ in random.normals(dimension).map { $0 + shift } }
  }

  private func set(_ points: [[Double]]) -> FeatureSet {
    FeatureSet(points.flatMap { $0 }, dimension: points[0].count)
  }

  private func kernel(_ x: [Double], _ y: [Double]) -> Double {
    let base = zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } / Double(x.count) + 1
    return base * base * base
  }

  /// The unbiased estimate as its formula has it.
  private func kernelDistance(_ x: [[Double]], _ y: [[Double]]) -> Double {
    func within(_ set: [[Double]]) -> Double {
      var sum = 0.0
      for i in set.indices { for j in set.indices where j != i { sum += kernel(set[i], set[j]) } }
      return sum / Double(set.count * (set.count - 1))
    }
    var across = 0.0
    for a in x { for b in y { across += kernel(a, b) } }
    return within(x) + within(y) - 2 * across / Double(x.count * y.count)
  }

  @Test(arguments: [(3, 2, 1), (17, 9, 5), (10, 23, 8), (31, 30, 19)])
  func kernelDistanceAndItsJackknife(m: Int, n: Int, dimension: Int) {
    let (x, y) = (points(m, dimension, seed: 1), points(n, dimension, seed: 2, shift: 0.7))
    let found = KernelDistance(set(x), set(y), forEach: { count, body in (0..<count).map(body) })
    #expect(abs(found.value - kernelDistance(x, y)) < 1e-12 * kernel(x[0], x[0]) + 1e-12)
    let without = x.indices.map { i in
      kernelDistance(x.enumerated().filter { $0.offset != i }.map(\.element), y)
    }
    guard m > 3 else { return }
    let mean = without.reduce(0, +) / Double(m)
    let squares = without.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    #expect(relativeError(found.error, (squares * Double(m - 1) / Double(m)).squareRoot()) < 1e-9)
  }

  /// {1, 1, 1} and {0, 0}, of one number each: k = 8, 1 and 1, so 8 + 1 − 2.
  @Test func kernelDistanceOfTwoPoints() throws {
    let found = try KernelDistance(set([[1], [1], [1]]), set([[0], [0]]), forEach: inOrder)
    #expect(found.value == 7 && found.error == 0)
  }

  /// Of one distribution 0 in the mean, and as far from it as the error says: 40 pairs of sets.
  @Test func kernelDistanceIsUnbiased() throws {
    let found = try (0..<40).map { pair in
      try KernelDistance(
        set(points(60, 4, seed: UInt64(2 * pair))), set(points(60, 4, seed: UInt64(2 * pair + 1))),
        forEach: inOrder)
    }
    let values = found.map(\.value)
    let mean = values.reduce(0, +) / 40
    let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 39).squareRoot()
    #expect(abs(mean) < 4 * deviation / 40.0.squareRoot())
    #expect(values.contains { $0 < 0 } && values.contains { $0 > 0 })
    let typical = found.reduce(0) { $0 + $1.error } / 40
    #expect(typical > deviation / 3 && typical < 3 * deviation)
  }

  @Test(arguments: [(5, 4, 1, 3), (20, 31, 9, 3), (33, 12, 16, 1), (40, 40, 3, 5)])
  func precisionBesidePlainLoops(m: Int, n: Int, dimension: Int, neighbours: Int) throws {
    let (x, y) = (points(m, dimension, seed: 3), points(n, dimension, seed: 4, shift: 0.5))
    func squared(_ a: [Double], _ b: [Double]) -> Double {
      zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    }
    let radii = x.indices.map { i in
      x.indices.filter { $0 != i }.map { squared(x[i], x[$0]) }.sorted()[neighbours - 1]
    }
    let inside = y.count { point in x.indices.contains { squared(x[$0], point) <= radii[$0] } }
    let region = try Region(of: set(x), neighbours: neighbours, forEach: inOrder)
    #expect(try region.share(of: set(y), forEach: inOrder) == Double(inside) / Double(n))
  }

  @Test func precisionOfEqualAndOfFarSets() throws {
    let (x, far) = (set(points(50, 7, seed: 5)), set(points(50, 7, seed: 6, shift: 100)))
    let (region, farRegion) = try (Region(of: x, forEach: inOrder), Region(of: far, forEach: inOrder))
    #expect(try region.share(of: x, forEach: inOrder) == 1)
    #expect(try region.share(of: far, forEach: inOrder) == 0)
    #expect(try farRegion.share(of: x, forEach: inOrder) == 0)
  }

  @Test func whatThrowsEndsTheWork() {
    struct Ended: Error {}
    let x = set(points(5, 2, seed: 7))
    #expect(throws: Ended.self) { try Region(of: x) { _, _ in throw Ended() } }
    #expect(throws: Ended.self) { try KernelDistance(x, x) { _, _ in throw Ended() } }
  }

  @Test func pointsByNumber() {
    let values = points(4, 11, seed: 8)
    let some = set(values).points([3, 0, 3])
    #expect((0..<3).map { some[$0] } == [values[3], values[0], values[3]])
    #expect(some.values == [values[3], values[0], values[3]].flatMap { $0.map { Float($0) } })
  }
}
