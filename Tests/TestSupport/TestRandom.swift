import Foundation

/// SplitMix64 (Steele, Lea & Flood 2014), with normal numbers by Box and Muller.
public struct TestRandom {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func uniform() -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Double((z ^ (z >> 31)) >> 11) * 0x1p-53
  }

  public mutating func normal() -> Double {
    let radius = (-2 * log(1 - uniform())).squareRoot()
    return radius * cos(2 * .pi * uniform())
  }

  public mutating func normals(_ count: Int) -> [Double] { (0..<count).map { _ in normal() } }
}

/// |a − b| relative to |b|.
public func relativeError(_ a: Double, _ b: Double) -> Double { abs(a - b) / abs(b) }
