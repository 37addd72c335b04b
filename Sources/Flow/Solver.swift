/// How to integrate a velocity field.
public enum Solver: Sendable {
  /// The same number of equal steps for every sample; nothing is estimated or rejected.
  case fixed(ButcherTableau, steps: Int)

  /// Dormand and Prince's pair with the step control of SciPy's `solve_ivp(method="RK45")`. A step is
  /// accepted when the root mean square of error / (atol + rtol·|y|) is below 1.
  ///
  /// - Parameters:
  ///   - rtol: relative tolerance; at least 100 ulp of 1 is used, as less cannot be reached.
  ///   - atol: absolute tolerance, positive: a component that passes zero has no other scale.
  case adaptive(rtol: Double, atol: Double, control: StepControl = .sample)

  /// Good for drawing samples, and the default of the command line.
  public static let standard = Solver.adaptive(rtol: 1e-3, atol: 1e-3)
}

extension Solver: CustomStringConvertible {
  public var description: String {
    switch self {
    case .fixed(let tableau, let steps): "\(tableau.name), \(steps) steps"
    case .adaptive(let rtol, let atol, let control):
      "rk45, rtol \(rtol), atol \(atol), control \(control.rawValue)"
    }
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
  /// [count] Evaluations of the field at each sample: SciPy's `nfev`, 2 + 6·attempts, where adaptive.
  public var evaluations: [Int]
  /// [count] The steps taken by each sample.
  public var accepted: [Int]
  /// [count] The attempts of each sample that were not accurate enough.
  public var rejected: [Int]
  /// Calls of the field, each with all samples that were under way.
  public var calls: Int
}

/// Why an integration stopped before its end. Samples are rows of the states given to the solver.
public enum SolverError: Error, Equatable {
  case nonFiniteVelocity(sample: Int, component: Int, time: Double)
  case nonFiniteState(sample: Int, component: Int, time: Double)
  /// The step needed fell below 10 ulp of the time.
  case stepUnderflow(samples: Range<Int>, time: Double, step: Double)
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
        samples: first + samples.lowerBound..<first + samples.upperBound, time: time, step: step)
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
      "the step size fell to \(step) at t = \(time) ("
        + (samples.count == 1 ? "sample \(samples.lowerBound)" : "samples \(samples)")
        + "): the field is too stiff or discontinuous there for the tolerance; "
        + "raise rtol and atol, or use a solver with fixed steps"
    }
  }
}
