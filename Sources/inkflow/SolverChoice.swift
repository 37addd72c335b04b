import ArgumentParser
import Flow

/// A solver as `evaluate --solver` names it: heun:10, ab2:10:edm, sde:50:uniform:0.5, rk45:1e-3.
struct SolverChoice: ExpressibleByArgument {
  let method: SolverOptions.Method
  /// Uniform where it plays no part.
  let grid: TimeGrid
  let solver: Solver
  let text: String

  static let standard = SolverChoice(.rk45, .uniform, .standard, "rk45:0.001")

  private init(_ method: SolverOptions.Method, _ grid: TimeGrid, _ solver: Solver, _ text: String) {
    (self.method, self.grid, self.solver, self.text) = (method, grid, solver, text)
  }

  init?(argument: String) {
    let parts = argument.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard let method = SolverOptions.Method(rawValue: parts[0]) else { return nil }
    if method == .rk45 {
      guard parts.count <= 2, let tolerance = parts.count == 2 ? Double(parts[1]) : 1e-3, tolerance > 0,
        tolerance <= 1
      else {
        return nil
      }
      self.init(.rk45, .uniform, .adaptive(rtol: tolerance, atol: tolerance), "rk45:\(tolerance)")
    } else {
      guard parts.count <= (method == .sde ? 4 : 3), let steps = parts.count > 1 ? Int(parts[1]) : 50,
        (1...1_000_000).contains(steps),
        let grid = parts.count > 2 ? TimeGrid(rawValue: parts[2]) : .uniform,
        let noise = parts.count > 3 ? Double(parts[3]) : 1, SolverOptions.noises.contains(noise),
        let solver = method.solver(steps: steps, grid: grid, noise: noise)
      else { return nil }
      let suffix = noise == 1 ? grid == .uniform ? "" : ":\(grid.rawValue)" : ":\(grid.rawValue):\(noise)"
      self.init(method, grid, solver, "\(method.rawValue):\(steps)\(suffix)")
    }
  }
}
