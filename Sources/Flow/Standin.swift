extension Solver: CustomStringConvertible {
  public static let standard = Solver.adaptive(rtol: 1e-3, atol: 1e-3)
  public var description: String { "x" }
}
