import Kernels
import Testing

@Suite struct PhiloxTests {
  /// The known answers that Random123 publishes for philox4x32-10 (`kat_vectors`).
  @Test func knownAnswers() {
    let zero = Philox.permute(SIMD4(repeating: 0), key: SIMD2(repeating: 0))
    #expect(zero == SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
    let ones = Philox.permute(SIMD4(repeating: .max), key: SIMD2(repeating: .max))
    #expect(ones == SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
    let pi = Philox.permute(
      SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344), key: SIMD2(0xa409_3822, 0x299f_31d0))
    #expect(pi == SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
  }

  @Test func counterAndKeyAreTheirParts() {
    let random = Philox(seed: 0x1111_2222_3333_4444, purpose: .trainingNoise, step: 5, index: 6)
    let words = Philox.permute(SIMD4(7, 6, 5, 4), key: SIMD2(0x3333_4444, 0x1111_2222))
    #expect(random[7] == words)
  }

  @Test func uniformNumbers() {
    let random = Philox(seed: 1, purpose: .trainingTime)
    let count = 200_000
    let values = (0..<UInt32(count)).map(random.uniform)
    #expect(values.allSatisfy { 0..<1 ~= $0 && ($0 * 0x1p53).rounded() == $0 * 0x1p53 })
    let mean = values.reduce(0, +) / Double(count)
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
    // Four standard errors: √(1/12n) and √(1/180n).
    #expect(abs(mean - 0.5) < 4 * (1 / (12 * Double(count))).squareRoot())
    #expect(abs(variance - 1 / 12) < 4 * (1 / (180 * Double(count))).squareRoot())
  }

  @Test(arguments: [1, 2, 3, 10, 0x8000_0001, 0xC000_0000, .max] as [UInt32])
  func integersStayBelowTheirBound(bound: UInt32) {
    let random = Philox(seed: 2, purpose: .shuffle)
    var block: UInt32 = 0
    var residues = [0, 0, 0]
    for _ in 0..<30_000 {
      let before = block
      let value = random.integer(below: bound, block: &block)
      #expect(value < bound && block > before)
      residues[Int(value % 3)] += 1
    }
    // Without rejection, every third value below 3·2³⁰ would come twice as often: (15000, 7500, 7500).
    if bound == 0xC000_0000 { #expect(chiSquare(residues) < 13.8) }  // 2 degrees of freedom, p = 0.001
  }

  @Test(arguments: [0, 1, 2, 17, 1000]) func permutationHasEveryIndexOnce(count: Int) {
    let order = Philox(seed: 3, purpose: .shuffle).permutation(count)
    #expect(order.sorted() == (0..<UInt32(count)).map { $0 })
    #expect(count < 17 || order != order.sorted())
  }

  /// All 24 orders of four elements are equally likely.
  @Test func permutationsAreUnbiased() {
    var counts: [[UInt32]: Int] = [:]
    for epoch in 0..<UInt32(24_000) {
      counts[Philox(seed: 4, purpose: .shuffle, step: epoch).permutation(4), default: 0] += 1
    }
    #expect(counts.count == 24)
    #expect(chiSquare(Array(counts.values)) < 49.7)  // 23 degrees of freedom, p = 0.001
  }

  /// Σ (observed − expected)² / expected for equally likely classes.
  private func chiSquare(_ counts: [Int]) -> Double {
    let expected = Double(counts.reduce(0, +)) / Double(counts.count)
    return counts.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
  }
}
