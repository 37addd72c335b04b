import Flow
import Foundation
import TestSupport
import Testing

/// Another field, which keeps the times at which it was evaluated and the samples of each batch.
struct RecordingField: VelocityField {
  private var base: any VelocityField
  private(set) var times: [Double] = []
  private(set) var batches: [[Int]] = []

  init(_ base: any VelocityField) { self.base = base }

  var dimension: Int { base.dimension }

  mutating func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>
  ) throws {
    batches.append(samples.indices.map { samples[$0] })
    self.times += times.indices.map { times[$0] }
    try base.evaluate(states, times: times, samples: samples, into: &velocities)
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
