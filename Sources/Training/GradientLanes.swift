import Kernels

/// A batch's gradient, gathered in a fixed number of lanes: lane l adds up micro-batches l, l + 4, … in order, and the
/// lanes are added in order. So the sum, and all bits after it, don't depend on the number of threads.
package struct GradientLanes: Sendable {
  package static let count = 4

  private let lanes: [Arena]
  private let segments: Segments
  /// [segments] The length of the sum's part in each. (Its square might not fit a Float32.)
  private let norms: Arena

  package init(parameterCount: Int) {
    lanes = (0..<Self.count).map { _ in Arena(count: parameterCount) }
    segments = Segments(of: parameterCount)
    norms = Arena(count: segments.count)
  }

  /// The gradient after `sum`, laid out as the parameters.
  package var gradient: Arena { lanes[0] }

  /// Lanes that a batch's micro-batches fall into.
  package func used(_ microBatches: Int) -> Int { min(Self.count, microBatches) }

  /// Has `body` add the gradients of a lane's micro-batches, one after the other, to the lane.
  package func fill(_ index: Int, microBatches: Int, _ body: (_ microBatch: Int, _ lane: Arena) -> Void) {
    let lane = lanes[index]
    Kernels.fill(lane.mutable(lane.all), with: 0)
    for microBatch in stride(from: index, to: microBatches, by: Self.count) { body(microBatch, lane) }
  }

  /// Adds up the lanes that were filled.
  ///
  /// - Returns: the length of the gradient.
  package func sum(microBatches: Int, on pool: WorkerPool) -> Double {
    pool.run(segments.count, sharing: (self, used(microBatches))) { shared, index, _ in
      let (own, used) = shared
      let (segment, sum, norms) = (own.segments[index], own.gradient, own.norms)
      for lane in own.lanes[1..<used] { add(lane[segment], into: sum.mutable(segment)) }
      Kernels.fill(
        norms.mutable(norms.all.part(index, length: 1)),
        with: Float(sumOfSquares(sum[segment]).squareRoot()))
    }
    return total(norms, count: segments.count) { $0 * $0 }.squareRoot()
  }
}

/// The sum of a term of each of an arena's first numbers.
package func total(_ arena: Arena, count: Int, of term: (Double) -> Double) -> Double {
  let values = arena[arena.all[0..<count]]
  var sum = 0.0
  for i in values.indices { sum += term(Double(values[i])) }
  return sum
}

/// A flat array in slices that fit a cache, for threads to share out.
struct Segments: Sendable {
  private static let size = 1 << 15
  private let total: Int

  init(of total: Int) { self.total = total }

  var count: Int { (total + Self.size - 1) / Self.size }

  subscript(index: Int) -> Slice {
    Slice(offset: index * Self.size, count: min(Self.size, total - index * Self.size))
  }
}
