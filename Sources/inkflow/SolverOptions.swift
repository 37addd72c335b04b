import ArgumentParser
import Flow

extension StepControl: ExpressibleByArgument {}
extension TimeGrid: ExpressibleByArgument {}

/// How the differential equation is solved.
struct SolverOptions: ParsableArguments {
  enum Method: String, ExpressibleByArgument, CaseIterable {
    case euler, midpoint, heun, rk4, ab2
    case dpmpp2M = "dpmpp-2m"
    case eab3, sde, rk45

    /// The names of those with fixed steps, for texts.
    static var fixed: String {
      let names = allCases.filter { $0 != .rk45 }.map(\.rawValue)
      return "\(names.dropLast().joined(separator: ", ")) and \(names.last ?? "")"
    }

    /// nil for rk45, which has no fixed steps.
    func solver(steps: Int, grid: TimeGrid, noise: Double) -> Solver? {
      switch self {
      case .euler: .fixed(.euler, steps: steps, grid: grid)
      case .midpoint: .fixed(.midpoint, steps: steps, grid: grid)
      case .heun: .fixed(.heun, steps: steps, grid: grid)
      case .rk4: .fixed(.rk4, steps: steps, grid: grid)
      case .ab2: .multistep(.adamsBashforth2, steps: steps, grid: grid)
      case .dpmpp2M: .multistep(.dpmSolver2M, steps: steps, grid: grid)
      case .eab3: .multistep(.exponentialAdamsBashforth3, steps: steps, grid: grid)
      case .sde: .stochastic(noise: noise, steps: steps, grid: grid)
      case .rk45: nil
      }
    }
  }

  /// What `sde` may add.
  static let noises = 0.0...1000

  @Option(
    help: "The method by which the differential equation is solved. Of these, sde adds new noise on the way.")
  var solver = Method.rk45

  @Option(help: "Steps of the other methods than rk45. (default: 50)")
  var steps: Int?

  @Option(
    help:
      "Where these steps lie: uniform, or with short ones near the noise and near the data: logit, which serves few steps best, or edm, whose are shortest. (default: uniform)"
  )
  var grid: TimeGrid?

  @Option(
    help:
      "The noise that sde adds: c of the variance c(1 - t) for each unit of time; 0 is euler. (default: 1)")
  var noise: Double?

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
        steps == nil && grid == nil,
        "--steps and --grid go with \(Method.fixed); rk45 takes --rtol and --atol.")
    } else {
      try require(
        rtol == nil && atol == nil && control == nil && maxEvaluations == nil,
        "--rtol, --atol, --control and --max-evaluations go with rk45; \(solver.rawValue) takes --steps and --grid."
      )
    }
    try require(noise == nil || solver == .sde, "--noise goes with sde, not with \(solver.rawValue).")
    try require("steps", steps, in: 1...1_000_000)
    try require("noise", noise, in: Self.noises)
    try require("max-evaluations", maxEvaluations, in: 8...1_000_000_000)
    try requireTolerances(rtol: rtol, atol: atol)
  }

  func noteFineTolerance() {
    if solver == .rk45 { inkflow.noteFineTolerance(rtol: rtol ?? 1e-3, atol: atol ?? 1e-3) }
  }

  var resolved: Solver {
    solver.solver(steps: steps ?? 50, grid: grid ?? .uniform, noise: noise ?? 1)
      ?? .adaptive(
        rtol: rtol ?? 1e-3, atol: atol ?? 1e-3, control: control ?? .sample,
        maximumEvaluations: maxEvaluations ?? Solver.standardMaximumEvaluations)
  }
}
