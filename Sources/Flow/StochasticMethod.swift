import Foundation

/// Steps that take noise out and put new noise in. For any w_t ≥ 0 the solutions of
///
///     dx = [v(x, t) + ½·w_t·s(x, t)] dt + √w_t dW,   s = ∇ log p_t
///
/// have at every t the distribution p_t that those of dx = v dt have (Ma et al. 2024, SiT, arXiv 2401.08740): the
/// drift's second term takes away what the noise adds. On the straight path s = −ε/(1 − t), where ε = x − t·v is the noise that
/// is expected in x. With w_t = c·(1 − t) and data prediction D = x + (1 − t)·v held through a step, ε follows an
/// Ornstein–Uhlenbeck process, whose step is known exactly:
///
///     x_{n+1} = t_{n+1}·D + (1 − t_{n+1})·(√r·ε + √(1 − r)·z),   r = ((1 − t_{n+1})/(1 − t_n))^c,   z standard normal
///
/// It is finite up to t = 1, where no noise is left, and is Euler's step for c = 0. One evaluation a step, weak order 1.
/// (It is a step of DDIM, whose σ here is (1 − t_{n+1})·√(1 − r): Song et al. 2021, arXiv 2010.02502, equation 12.)
enum StochasticMethod {
  /// What the step from `start` to `end` has beyond Euler's.
  ///
  /// - Parameters:
  ///   - noise: c.
  ///   - states, velocities, normals: x, v and z, each [count, dimension].
  static func terms(
    noise: Double, from start: Double, to end: Double, states: [Double], velocities: [Double],
    normals: () -> [Double]
  ) -> [(Double, [Double])] {
    let r = pow((1 - end) / (1 - start), noise)
    if r == 1 || end == 1 { return [] }
    let expected = zip(states, velocities).map { $0 - start * $1 }
    return [((1 - end) * (r.squareRoot() - 1), expected), ((1 - end) * (1 - r).squareRoot(), normals())]
  }
}
