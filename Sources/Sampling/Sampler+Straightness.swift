import Flow
import Kernels

extension Sampler {
  /// Times at which the straightness of a path is looked at, one in each of as many equal parts.
  private static let timesPerPath = 8

  /// Draws images of an unconditional model by RK45, as `sample` does, and measures how straight their paths are.
  ///
  /// - Returns: the images, and of each the straightness of its path (see ``Straightness``), [count].
  /// - Throws: `SolverError`, in the samples' numbers.
  public func straightness(
    _ numbers: Range<Int>, seed: UInt64, rtol: Double, atol: Double, progress: (Int) -> Void = { _ in }
  ) throws -> (samples: Samples, straightness: [Double]) {
    precondition(model.unet.configuration.classCount == nil, "labels are not drawn here")
    var samples = Samples()
    var straightness: [Double] = []
    for first in stride(from: numbers.lowerBound, to: numbers.upperBound, by: Self.chunkSize) {
      let chunk = first..<min(first + Self.chunkSize, numbers.upperBound)
      var field = field(capacity: chunk.count, labels: nil)
      let times = chunk.flatMap { number in
        let random = Philox(seed: seed, purpose: .straightnessTime, index: UInt32(number))
        return (0..<Self.timesPerPath).map { part in
          // 7 + u rounds to 8 for the largest u.
          min((Double(part) + random.uniform(UInt32(part))) / Double(Self.timesPerPath), 1.0.nextDown)
        }
      }
      let noises = chunk.flatMap { noise(number: $0, seed: seed).map { Double($0) } }
      let paths: Straightness
      do {
        paths = try Straightness(of: &field, from: noises, times: times, rtol: rtol, atol: atol)
      } catch let error as SolverError {
        throw error.numbered(from: chunk.lowerBound)
      }
      samples.values += paths.ends.map { Float($0) }
      samples.evaluations += paths.statistics.evaluations
      samples.accepted += paths.statistics.accepted
      samples.rejected += paths.statistics.rejected
      straightness += paths.paths
      progress(chunk.upperBound - numbers.lowerBound)
    }
    return (samples, straightness)
  }
}
