import Kernels
import Network

/// How one step of an optimiser is shared out among threads: a matrix that Muon takes is a task, and what AdamW takes comes
/// in segments that fit a cache. The tasks depend on the network and the settings alone.
package struct UpdateTasks: Sendable {
  package enum Task: Sendable {
    case muon(Matrix)
    case adamW(Slice)
  }

  /// A parameter as the matrix that it multiplies inputs by.
  package struct Matrix: Sendable {
    package let slice: Slice
    package let rows: Int
    package let columns: Int
  }

  private let tasks: [Task]
  /// [threads] Muon's memory.
  let scratch: [Arena]

  /// - Parameter count: the floats of an arena of the parameters, of which those that are listed may be matrices.
  package init(_ parameters: [Parameter], count: Int, settings: TrainingSettings, pool: WorkerPool) {
    let matrices = settings.optimizer == .muon ? parameters.compactMap(Self.matrix) : []
    // The largest ones first, so that no thread begins one when the others are done.
    tasks =
      matrices.sorted { $0.slice.count > $1.slice.count }.map { .muon($0) }
      + Self.segments(of: count, without: matrices.map(\.slice)).map { .adamW($0) }
    let scratchCount =
      matrices.map { MuonStep.scratchCount(rows: $0.rows, columns: $0.columns) }.max() ?? 0
    scratch = (0..<pool.threadCount).map { _ in Arena(count: scratchCount) }
  }

  package var count: Int { tasks.count }

  package subscript(index: Int) -> Task { tasks[index] }

  /// The 3×3 convolutions between hidden layers, [9·in, out]. The first and the last one, of few channels, are left to
  /// AdamW, as Muon's authors advise.
  private static func matrix(_ parameter: Parameter) -> Matrix? {
    guard parameter.layout == .convolution3x3, parameter.shape[0] >= 16, parameter.shape[1] >= 16 else {
      return nil
    }
    return Matrix(slice: parameter.slice, rows: 9 * parameter.shape[1], columns: parameter.shape[0])
  }

  /// 0..<count without some slices, in segments.
  private static func segments(of count: Int, without slices: [Slice]) -> [Slice] {
    var (start, all): (Int, [Slice]) = (0, [])
    for end in slices + [Slice(offset: count, count: 0)] {
      let segments = Segments(of: end.offset - start)
      for index in 0..<segments.count {
        let segment = segments[index]
        all.append(Slice(offset: start + segment.offset, count: segment.count))
      }
      start = end.offset + end.count
    }
    return all
  }
}
