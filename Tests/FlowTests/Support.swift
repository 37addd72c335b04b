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
