import Flow
import Foundation
import Testing

/// A field given by a closure from (state, time) of one sample to its velocity, which keeps the times at
/// which it was evaluated and the size of each batch.
struct ClosureField: VelocityField {
  let dimension: Int
  let velocity: ([Double], Double) throws -> [Double]
  var times: [Double] = []
  var batches: [[Int]] = []

  init(dimension: Int, _ velocity: @escaping ([Double], Double) throws -> [Double]) {
    self.dimension = dimension
    self.velocity = velocity
  }

  /// Keeps the times of another field, of any number of samples.
  init(recording field: some VelocityField) {
    self.init(dimension: field.dimension) { state, time in
      var field = field
      var result = Array(repeating: Double.nan, count: state.count)
      var span = result.mutableSpan
      try field.evaluate(state.span, times: [time].span, samples: [0].span, into: &span)
      return result
    }
  }

  mutating func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>
  ) throws {
    precondition(states.count == times.count * dimension && samples.count == times.count)
    batches.append(samples.indices.map { samples[$0] })
    for row in times.indices {
      self.times.append(times[row])
      let state = (0..<dimension).map { states[row * dimension + $0] }
      for (j, value) in try velocity(state, times[row]).enumerated() {
        velocities[row * dimension + j] = value
      }
    }
  }
}

extension ButcherTableau: CustomTestStringConvertible {
  public var testDescription: String { name }
}

/// N((1.5, −0.5), diag (0.8, 0.3)²), with which the reference values were computed.
let gaussian = GaussianTarget(mean: [1.5, -0.5], standardDeviation: [0.8, 0.3])

/// Two clusters, with which the reference values were computed.
let mixture = GaussianMixtureTarget([
  .init(weight: 0.3, mean: [2, 0], standardDeviation: 0.2),
  .init(weight: 0.7, mean: [-1, 1], standardDeviation: 0.4),
])

/// SplitMix64 (Steele, Lea & Flood 2014), with normal numbers by Box and Muller.
struct TestRandom {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func uniform() -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Double((z ^ (z >> 31)) >> 11) * 0x1p-53
  }

  mutating func normal() -> Double {
    let radius = (-2 * log(1 - uniform())).squareRoot()
    return radius * cos(2 * .pi * uniform())
  }

  mutating func normals(_ count: Int) -> [Double] { (0..<count).map { _ in normal() } }
}

/// |a − b| relative to |b|.
func relativeError(_ a: Double, _ b: Double) -> Double { abs(a - b) / abs(b) }
