import ArgumentParser
import Flow

/// A solver as `evaluate --solver` names it: heun:10, rk45:1e-3.
struct SolverChoice: ExpressibleByArgument {
  let method: SolverOptions.Method
  let solver: Solver
  let text: String

  static let standard = SolverChoice(.rk45, .standard, "rk45:0.001")

  private init(_ method: SolverOptions.Method, _ solver: Solver, _ text: String) {
    (self.method, self.solver, self.text) = (method, solver, text)
  }

  init?(argument: String) {
    let parts = argument.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard parts.count <= 2, let method = SolverOptions.Method(rawValue: parts[0]) else { return nil }
    if method == .rk45 {
      guard let tolerance = parts.count == 2 ? Double(parts[1]) : 1e-3, tolerance > 0, tolerance <= 1 else {
        return nil
      }
      self.init(method, .adaptive(rtol: tolerance, atol: tolerance), "rk45:\(tolerance)")
    } else {
      guard let steps = parts.count == 2 ? Int(parts[1]) : 50, (1...1_000_000).contains(steps) else {
        return nil
      }
      self.init(method, .fixed(method.tableau, steps: steps), "\(method.rawValue):\(steps)")
    }
  }
}
