/// What a random number is for. Together with the seed, a step and an index it names the number, so that
/// no two uses in one run share one. The raw values are part of every recorded run: never renumber them.
public enum RandomPurpose: UInt32, Sendable {
  case initialization = 1
  case shuffle = 2
  case trainingTime = 3
  case trainingNoise = 4
  case dequantization = 5
  case heldOutTime = 6
  case heldOutNoise = 7
  case samplingNoise = 8
  /// The built-in strokes, or the toy's points: no run has both.
  case synthetic = 9
  case straightnessTime = 10
  case likelihoodDequantization = 11
  case likelihoodProbe = 12
  case heldOutDequantization = 13
  case labelDropout = 14
  case resampling = 15
  /// What a stochastic solver adds on the way.
  case solverNoise = 16
}

/// Philox 4×32-10 (Salmon, Moraes, Dror & Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"): a
/// bijection of a 128-bit counter under a 64-bit key. The random state of a run is therefore just
/// (seed, step), and any number can be had without the ones before it.
///
/// The counter is (block, index, step, purpose), the key the seed; each block holds four 32-bit words.
public struct Philox: Sendable {
  let key: SIMD2<UInt32>
  let index: UInt32
  let step: UInt32
  let purpose: UInt32

  /// - Parameters:
  ///   - step: the optimiser step, the epoch, or 0.
  ///   - index: the sample within the data set, the batch or the run of samples.
  public init(seed: UInt64, purpose: RandomPurpose, step: UInt32 = 0, index: UInt32 = 0) {
    self.key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
    self.index = index
    self.step = step
    self.purpose = purpose.rawValue
  }

  /// The four words of one block.
  @inline(__always)
  public subscript(block: UInt32) -> SIMD4<UInt32> {
    Self.permute(SIMD4(block, index, step, purpose), key: key)
  }

  /// A double uniform in [0, 1), a multiple of 2⁻⁵³. Uses two of the block's words.
  public func uniform(_ block: UInt32) -> Double {
    let words = self[block]
    return Double((UInt64(words[0]) << 32 | UInt64(words[1])) >> 11) * 0x1p-53
  }

  /// An integer uniform in 0..<bound, without bias (Lemire 2019, rejection), from consecutive blocks' first
  /// words starting at `block`, which is left after the last one used.
  public func integer(below bound: UInt32, block: inout UInt32) -> UInt32 {
    precondition(bound > 0)
    let threshold = (0 &- bound) % bound
    while true {
      let product = UInt64(self[block][0]) * UInt64(bound)
      block += 1
      if UInt32(truncatingIfNeeded: product) >= threshold { return UInt32(product >> 32) }
    }
  }

  /// Ten rounds.
  @inline(__always)
  package static func permute(_ counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
    var c = counter
    var k = key
    for _ in 0..<10 {
      let p0 = 0xD251_1F53 * UInt64(c[0])
      let p1 = 0xCD9E_8D57 * UInt64(c[2])
      c = SIMD4(
        UInt32(p1 >> 32) ^ c[1] ^ k[0], UInt32(truncatingIfNeeded: p1),
        UInt32(p0 >> 32) ^ c[3] ^ k[1], UInt32(truncatingIfNeeded: p0))
      k = k &+ SIMD2(0x9E37_79B9, 0xBB67_AE85)
    }
    return c
  }
}

extension Philox {
  /// The generator of x₀ of sample number `sample`.
  package static func noise(ofSample sample: Int, seed: UInt64) -> Philox {
    Philox(seed: seed, purpose: .samplingNoise, index: UInt32(sample))
  }

  /// The generator of what a stochastic solver adds to that sample in a step.
  package static func noise(ofSample sample: Int, step: Int, seed: UInt64) -> Philox {
    Philox(seed: seed, purpose: .solverNoise, step: UInt32(step), index: UInt32(sample))
  }

  /// A uniformly random permutation of 0..<count (Fisher–Yates, from the end).
  public func permutation(_ count: Int) -> [UInt32] {
    var order = (0..<UInt32(count)).map { $0 }
    var block: UInt32 = 0
    for last in stride(from: count - 1, to: 0, by: -1) {
      order.swapAt(last, Int(integer(below: UInt32(last + 1), block: &block)))
    }
    return order
  }
}
