import ArgumentParser
import Flow
import Sampling

/// How the differential equation is solved.
struct SolverOptions: ParsableArguments {
  enum Method: String, ExpressibleByArgument, CaseIterable {
    case euler, midpoint, heun, rk4, rk45

    var tableau: ButcherTableau {
      switch self {
      case .euler: .euler
      case .midpoint: .midpoint
      case .heun: .heun
      case .rk4: .rk4
      case .rk45: .dormandPrince
      }
    }
  }

  @Option(help: "The method by which the differential equation is solved.")
  var solver = Method.rk45

  @Option(help: "Steps of euler, midpoint, heun and rk4. (default: 50)")
  var steps: Int?

  @Option(help: "Relative tolerance of rk45. (default: 1e-3)")
  var rtol: Double?

  @Option(help: "Absolute tolerance of rk45. (default: 1e-3)")
  var atol: Double?

  @Option(help: "What rk45 chooses a step size for: each sample, or the whole batch. (default: sample)")
  var control: StepControl?

  func validate() throws {
    if solver == .rk45 {
      try require(
        steps == nil, "--steps goes with euler, midpoint, heun and rk4; rk45 takes --rtol and --atol.")
    } else {
      try require(
        rtol == nil && atol == nil && control == nil,
        "--rtol, --atol and --control go with rk45; \(solver.rawValue) takes --steps.")
    }
    try require(steps.map { (1...1_000_000).contains($0) } ?? true, "--steps must be from 1 to 1000000.")
    try requireTolerances(rtol: rtol, atol: atol)
  }

  var resolved: Solver {
    solver == .rk45
      ? .adaptive(rtol: rtol ?? 1e-3, atol: atol ?? 1e-3, control: control ?? .sample)
      : .fixed(solver.tableau, steps: steps ?? 50)
  }

  var text: String {
    solver == .rk45
      ? "rk45, rtol \(rtol ?? 1e-3), atol \(atol ?? 1e-3), control \((control ?? .sample).rawValue)"
      : "\(solver.rawValue), \(steps ?? 50) steps"
  }
}

extension StepControl: ExpressibleByArgument {}

/// A usage error unless `holds`.
func require(_ holds: Bool, _ message: String) throws {
  if !holds { throw ValidationError(message) }
}

func requireTolerances(rtol: Double?, atol: Double?) throws {
  try require(rtol.map { $0 >= 0 && $0 <= 1 } ?? true, "--rtol must be from 0 to 1.")
  try require(atol.map { $0 > 0 && $0 <= 1 } ?? true, "--atol must be more than 0, at most 1.")
}

extension Sampler.Samples {
  /// What the solver did for each image: "26 to 44 evaluations an image (mean 31.2), …".
  var workText: String {
    func range(_ values: [Int]) -> String {
      let (low, high) = (values.min() ?? 0, values.max() ?? 0)
      return low == high ? "\(low)" : "\(low) to \(high)"
    }
    let mean = Double(evaluations.reduce(0, +)) / Double(evaluations.count)
    return "\(range(evaluations)) evaluations an image (mean \(Terminal.fixed(mean, 1))), steps accepted "
      + "\(range(accepted)), rejected \(range(rejected))"
  }
}
