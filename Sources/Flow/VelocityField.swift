/// A velocity field u(x, t) of the ordinary differential equation dx/dt = u(x, t).
///
/// Many samples are evaluated in one call, each at its own time, so that an adaptive solver can give every
/// sample its own steps and still keep a network's batches full. A field may hold scratch memory, hence
/// `mutating`; its value must depend on nothing but its arguments.
///
/// For the solvers' promise that a sample's bits do not depend on its neighbours, a row of `velocities` must
/// depend on the same row of the inputs alone.
public protocol VelocityField: ~Copyable {
  /// The number of components of one sample.
  var dimension: Int { get }

  /// Computes u of every row.
  ///
  /// - Parameters:
  ///   - states: [count, dimension], row-major, finite.
  ///   - times: [count], each between the two ends of the integration.
  ///   - samples: [count], which sample each row is: its row in the states given to the solver. The rows are
  ///     in ascending order; samples that have reached the end, or wait to try a smaller step, are missing. Labels
  ///     are found by it.
  ///   - velocities: [count, dimension], to be overwritten entirely.
  mutating func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>
  ) throws
}

/// A velocity field of one's own, by a closure that takes one sample:
///
///     let swirl = ClosureField(dimension: 2) { x, t in [-x[1], x[0]] }
///     let ends = try Solver.standard.solve(swirl, from: [1, 0])
///
/// Each row makes arrays of its own. Where many samples are to go fast, conform a type to `VelocityField`.
public struct ClosureField: VelocityField, Sendable {
  public let dimension: Int
  private let velocity: @Sendable (_ state: [Double], _ time: Double) throws -> [Double]

  /// - Parameter velocity: u(x, t), [dimension], of a state x, [dimension], at a time t.
  public init(
    dimension: Int, _ velocity: @escaping @Sendable (_ state: [Double], _ time: Double) throws -> [Double]
  ) {
    precondition(dimension > 0, "a state has at least one component, not \(dimension)")
    self.dimension = dimension
    self.velocity = velocity
  }

  public func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>
  ) throws {
    precondition(states.count == times.count * dimension && velocities.count == states.count)
    for row in times.indices {
      let first = row * dimension
      let u = try velocity((first..<first + dimension).map { states[$0] }, times[row])
      precondition(
        u.count == dimension, "the closure gave \(u.count) components; the field has dimension \(dimension)")
      for j in u.indices { velocities[first + j] = u[j] }
    }
  }
}
