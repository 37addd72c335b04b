/// How to integrate a velocity field.
public enum Solver: Sendable {
  /// The same steps for every sample; nothing is estimated or rejected.
  case fixed(ButcherTableau, steps: Int, grid: TimeGrid = .uniform)

  /// The same, by a method that remembers evaluations, and takes one a step.
  case multistep(MultistepMethod, steps: Int, grid: TimeGrid = .uniform)

  /// A stochastic differential equation whose solutions have the same distributions, from noise to data
  /// (`StochasticMethod.swift`): each sample takes new noise on its way. One evaluation a step.
  ///
  /// - Parameter noise: c ≥ 0, finite, of the noise's variance c·(1 − t) for each unit of time; 0 gives Euler's method.
  case stochastic(noise: Double, steps: Int, grid: TimeGrid = .uniform)

  /// Dormand and Prince's pair with the step control of SciPy's `solve_ivp(method="RK45")`. A step is
  /// accepted when the root mean square of error / (atol + rtol·|y|) is below 1.
  ///
  /// - Parameters:
  ///   - rtol: relative tolerance; at least 100 ulp of 1 is used, as less cannot be reached.
  ///   - atol: absolute tolerance, positive: a component that passes zero has no other scale.
  ///   - maximumEvaluations: of the field at one sample. A solve that needs more ends with
  ///     `SolverError.tooManyEvaluations`: below what the field's own rounding allows, steps would shrink for hours.
  case adaptive(
    rtol: Double, atol: Double, control: StepControl = .sample,
    maximumEvaluations: Int = Solver.standardMaximumEvaluations)

  /// Good for drawing samples, and the default of the command line.
  public static let standard = Solver.adaptive(rtol: 1e-3, atol: 1e-3)
  /// A hundred times what a sample takes at the standard tolerance.
  public static let standardMaximumEvaluations = 10_000
}

extension Solver {
  /// Integrates dx/dt = u(x, t) for many samples, from one time to another, forward or backward.
  ///
  /// The field is evaluated between the two times only, and the last step ends exactly at `end`. With fixed
  /// steps, or `.sample` control, a sample's result has the same bits alone or among others.
  ///
  /// - Parameters:
  ///   - states: [count, dimension], row-major: the samples at `start`, replaced by those at `end`. Left as
  ///     they were when an error is thrown.
  ///   - observe: is lent each accepted step. What it throws ends the integration.
  ///   - normals: standard normal numbers, [dimension], for a sample (its row) and a step, counted from 0. Only a stochastic
  ///     solver asks for them.
  /// - Precondition: a stochastic solver has `normals`, and goes forward within 0…1.
  /// - Throws: `SolverError`, and whatever the field or the observer throws.
  @discardableResult
  public func integrate<Field: VelocityField & ~Copyable>(
    _ field: inout Field, from start: Double, to end: Double, states: inout [Double],
    observe: (borrowing AcceptedStep) throws -> Void = { _ in },
    normals: ((_ sample: Int, _ step: Int) -> [Double])? = nil
  ) throws -> SolverStatistics {
    let dimension = field.dimension
    precondition(start.isFinite && end.isFinite, "cannot integrate from \(start) to \(end)")
    precondition(
      dimension > 0 && states.count.isMultiple(of: dimension),
      "\(states.count) numbers are not a whole number of samples of dimension \(dimension)")
    let count = states.count / dimension
    guard count > 0, start != end else {
      let zeros = Array(repeating: 0, count: count)
      return SolverStatistics(evaluations: zeros, accepted: zeros, rejected: zeros, calls: 0)
    }

    if let i = states.firstIndex(where: { !$0.isFinite }) {
      throw SolverError.nonFiniteState(sample: i / dimension, component: i % dimension, time: start)
    }

    let (times, tableau, terms): ([Double], ButcherTableau, RungeKutta.Terms?)
    switch self {
    case .fixed(let method, let steps, let grid):
      (times, tableau, terms) = (grid.times(steps: steps, from: start, to: end), method, nil)

    case .multistep(let method, let steps, let grid):
      (times, tableau) = (grid.times(steps: steps, from: start, to: end), .euler)
      var history = MultistepMethod.History()
      terms = { [times] in
        history.terms(of: method, at: times, $0, states: $1, velocities: $2)
      }

    case .stochastic(let noise, let steps, let grid):
      precondition(noise >= 0 && noise.isFinite, "noise \(noise) is not a number from 0")
      precondition(0 <= start && start < end && end <= 1, "noise is added on the way from t = 0 to 1 alone")
      guard let normals else { preconditionFailure("a stochastic solver needs normal numbers") }
      (times, tableau) = (grid.times(steps: steps, from: start, to: end), .euler)
      terms = { [times] index, states, velocities in
        StochasticMethod.terms(
          noise: noise, from: times[index], to: times[index + 1], states: states, velocities: velocities,
          normals: { (0..<count).flatMap { normals($0, index) } })
      }

    case .adaptive(let rtol, let atol, let control, let maximumEvaluations):
      let tolerance = Tolerance(rtol: rtol, atol: atol)
      var solution = RungeKutta(
        .dormandPrince, states: states, dimension: dimension,
        rowsPerGroup: control == .batch ? count : 1, time: start)
      try solution.takeControlledSteps(
        of: &field, from: start, to: end, tolerance, maximumEvaluations: maximumEvaluations, observe)
      states = solution.states
      return solution.statistics
    }
    var solution = RungeKutta(
      tableau, states: states, dimension: dimension, rowsPerGroup: count, time: start)
    try solution.takeSteps(at: times, of: &field, adding: terms, observe)
    states = solution.states
    return solution.statistics
  }

  /// Takes samples from one time to another and returns them. Use `integrate` to follow the steps or to count the
  /// evaluations.
  ///
  /// - Parameter states: [count, dimension], row-major: the samples at `start`.
  /// - Returns: [count, dimension], the samples at `end`.
  /// - Throws: `SolverError`, and what the field throws.
  public func solve(
    _ field: some VelocityField, from states: [Double], start: Double = 0, end: Double = 1
  ) throws -> [Double] {
    var (field, states) = (field, states)
    try integrate(&field, from: start, to: end, states: &states)
    return states
  }
}

extension Solver: CustomStringConvertible {
  public var description: String {
    switch self {
    case .fixed(let tableau, let steps, let grid):
      Self.description(tableau.name, steps, grid)
    case .multistep(let method, let steps, let grid):
      Self.description(method.name, steps, grid)
    case .stochastic(let noise, let steps, let grid):
      Self.description("sde, noise \(noise)", steps, grid)
    case .adaptive(let rtol, let atol, let control, _):
      "rk45, rtol \(rtol), atol \(atol), control \(control.rawValue)"
    }
  }

  private static func description(_ method: String, _ steps: Int, _ grid: TimeGrid) -> String {
    "\(method), \(steps) step\(steps == 1 ? "" : "s")\(grid == .uniform ? "" : ", \(grid.description) grid")"
  }
}

/// What one step size is chosen for.
public enum StepControl: String, Sendable, CaseIterable {
  /// Each sample has its own steps, and its result does not depend on its neighbours.
  case sample
  /// One step size for all samples, from the error norm over all their components, as when SciPy integrates
  /// the flattened batch. A sample's result then depends on the others.
  case batch
}

/// What an integration did.
public struct SolverStatistics: Sendable, Equatable {
  /// [count] Evaluations of the field at each sample: SciPy's `nfev`, 2 + 6·attempts, where adaptive. An attempt
  /// that met something not finite ended there and has fewer.
  public var evaluations: [Int]
  /// [count] The steps taken by each sample.
  public var accepted: [Int]
  /// [count] The attempts of each sample that were not accurate enough, or not finite.
  public var rejected: [Int]
  /// Calls of the field, each with all samples that were under way.
  public var calls: Int
}

/// Why an integration stopped before its end. Samples are rows of the states given to the solver.
///
/// When an adaptive step meets a state or velocity that is not finite, a smaller step is tried. The solve ends only
/// where state or velocity are not finite at the start, or where no smaller step is left.
public enum SolverError: Error, Equatable {
  case nonFiniteVelocity(sample: Int, component: Int, time: Double)
  case nonFiniteState(sample: Int, component: Int, time: Double)
  /// The step needed fell below 10 ulp of the time.
  case stepUnderflow(samples: Range<Int>, time: Double, step: Double)
  /// The end was not reached with the evaluations allowed, but `time`.
  case tooManyEvaluations(samples: Range<Int>, limit: Int, time: Double)
}

extension SolverError {
  /// The same error in a caller's count of the samples, of which the first given to the solver is number `first`.
  public func numbered(from first: Int) -> SolverError {
    switch self {
    case .nonFiniteVelocity(let sample, let component, let time):
      .nonFiniteVelocity(sample: first + sample, component: component, time: time)
    case .nonFiniteState(let sample, let component, let time):
      .nonFiniteState(sample: first + sample, component: component, time: time)
    case .stepUnderflow(let samples, let time, let step):
      .stepUnderflow(
        samples: samples.shifted(by: first), time: time, step: step)
    case .tooManyEvaluations(let samples, let limit, let time):
      .tooManyEvaluations(samples: samples.shifted(by: first), limit: limit, time: time)
    }
  }
}

extension SolverError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .nonFiniteVelocity(let sample, let component, let time):
      "the velocity field is not finite at t = \(time) (sample \(sample), component \(component)); "
        + "check the model's weights, or that training has not diverged"
    case .nonFiniteState(let sample, let component, let time):
      "the state is not finite at t = \(time) (sample \(sample), component \(component)); "
        + "check the initial state, or take more steps if it grew during the integration"
    case .stepUnderflow(let samples, let time, let step):
      "the step size fell to \(step) at t = \(time) (\(samples.asSamples)): the field is too stiff or "
        + "discontinuous there for the tolerance; raise rtol and atol, or use a solver with fixed steps"
    case .tooManyEvaluations(let samples, let limit, let time):
      "\(limit) evaluations led only to t = \(time) (\(samples.asSamples)): the tolerance may be finer than the "
        + "field's own rounding, which for a network is about 1e-6; raise rtol and atol, or allow more evaluations"
    }
  }
}

extension Range<Int> {
  fileprivate func shifted(by count: Int) -> Range<Int> { lowerBound + count..<upperBound + count }
  fileprivate var asSamples: String { count == 1 ? "sample \(lowerBound)" : "samples \(self)" }
}
