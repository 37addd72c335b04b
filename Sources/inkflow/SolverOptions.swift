import ArgumentParser
import Flow

extension StepControl: ExpressibleByArgument {}

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

  @Option(help: "Evaluations that rk45 may take for one image. (default: 10000)")
  var maxEvaluations: Int?

  func validate() throws {
    if solver == .rk45 {
      try require(
        steps == nil, "--steps goes with euler, midpoint, heun and rk4; rk45 takes --rtol and --atol.")
    } else {
      try require(
        rtol == nil && atol == nil && control == nil && maxEvaluations == nil,
        "--rtol, --atol, --control and --max-evaluations go with rk45; \(solver.rawValue) takes --steps.")
    }
    try require("steps", steps, in: 1...1_000_000)
    try require("max-evaluations", maxEvaluations, in: 8...1_000_000_000)
    try requireTolerances(rtol: rtol, atol: atol)
  }

  func noteFineTolerance() {
    if solver == .rk45 { inkflow.noteFineTolerance(rtol: rtol ?? 1e-3, atol: atol ?? 1e-3) }
  }

  var resolved: Solver {
    solver == .rk45
      ? .adaptive(
        rtol: rtol ?? 1e-3, atol: atol ?? 1e-3, control: control ?? .sample,
        maximumEvaluations: maxEvaluations ?? Solver.standardMaximumEvaluations)
      : .fixed(solver.tableau, steps: steps ?? 50)
  }
}
