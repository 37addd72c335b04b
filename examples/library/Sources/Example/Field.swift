import Flow

/// A velocity field of one's own, solved from t = 0 to 1: a quarter turn.
func quarterTurn(of point: [Double]) throws -> [Double] {
  let turn = ClosureField(dimension: 2) { x, _ in [-x[1] * .pi / 2, x[0] * .pi / 2] }
  return try Solver.standard.solve(turn, from: point)
}
