import Flow
import Kernels

extension TrainedFlow {
  /// Draws samples by RK45, as `sample` does, and measures how straight their paths are.
  ///
  /// - Parameters:
  ///   - labels: the class of each, if the flow is conditional.
  ///   - timesPerPath: at which a path is looked at, one in each of as many equal parts.
  /// - Returns: the samples, and of each the straightness of its path (see `Straightness`), [count].
  /// - Throws: as `sample`.
  public func straightness(
    _ numbers: Range<Int>, seed: UInt64, rtol: Double, atol: Double, labels: [Int]? = nil,
    timesPerPath: Int = 8, on pool: WorkerPool = WorkerPool(),
    progress: @escaping (Double) throws -> Void = { _ in }
  ) throws -> (samples: Samples, straightness: [Double]) {
    precondition(labels == nil || labels?.count == numbers.count, "one label for each sample")
    var (samples, straightness) = (Samples(of: self), [Double]())
    let solver = Solver.adaptive(rtol: rtol, atol: atol)
    try inParts(numbers, solver, labels: labels, on: pool, progress: progress) { part, field, advance in
      let times = part.flatMap { number in
        let random = Philox(seed: seed, purpose: .straightnessTime, index: UInt32(number))
        return (0..<timesPerPath).map { index in
          // index + u rounds up for the largest u.
          min((Double(index) + random.uniform(UInt32(index))) / Double(timesPerPath), 1.0.nextDown)
        }
      }
      var field = field
      let paths = try Straightness(
        of: &field, from: noise(part, seed: seed).map { Double($0) }, times: times, rtol: rtol, atol: atol,
        observe: advance)
      samples.append(paths.ends, paths.statistics)
      straightness += paths.paths
    }
    return (samples, straightness)
  }
}
