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
  ///     in ascending order, but samples that have reached the end are missing. Labels are found by it.
  ///   - velocities: [count, dimension], to be overwritten entirely.
  mutating func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>
  ) throws
}
