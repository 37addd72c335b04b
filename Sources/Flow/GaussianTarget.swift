import Foundation

/// The marginal velocity field of the linear path from N(0, I) to data distributed as N(μ, diag s²), in
/// closed form. Flow, divergence and loss are known exactly: an oracle for solvers and training.
public struct GaussianTarget: VelocityField, Sendable {
  /// μ, [dimension].
  public let mean: [Double]
  /// s, [dimension], positive.
  public let standardDeviation: [Double]

  public init(mean: [Double], standardDeviation: [Double]) {
    precondition(mean.count == standardDeviation.count && !mean.isEmpty)
    precondition(standardDeviation.allSatisfy { $0 > 0 }, "a standard deviation must be positive")
    self.mean = mean
    self.standardDeviation = standardDeviation
  }

  public var dimension: Int { mean.count }

  /// u(x, t) = μ + (t·s² − (1 − t)) / σ_t² · (x − t·μ), where σ_t² = (1 − t)² + t²·s².
  public func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>
  ) {
    precondition(states.count == times.count * dimension && velocities.count == states.count)
    for row in times.indices {
      let t = times[row]
      for j in 0..<dimension {
        let i = row * dimension + j
        velocities[i] = mean[j] + gain(j, time: t) * (states[i] - t * mean[j])
      }
    }
  }

  /// The exact flow from t = 0 to a time: x_t = t·μ + σ_t·x₀; at t = 1, μ + s·x₀.
  ///
  /// - Parameter noise: [dimension] x₀.
  public func flow(_ noise: [Double], time: Double = 1) -> [Double] {
    precondition(noise.count == dimension)
    return (0..<dimension).map { time * mean[$0] + variance($0, time: time).squareRoot() * noise[$0] }
  }

  /// div u at any state.
  public func divergence(time: Double) -> Double {
    (0..<dimension).reduce(0) { $0 + gain($1, time: time) }
  }

  /// ∫₀¹ div u dt = Σ_j log s_j, the change of log-density along the flow with its sign turned.
  public var divergenceIntegral: Double {
    standardDeviation.reduce(0) { $0 + log($1) }
  }

  /// The flow-matching loss of the exact field with uniform t, per dimension, which no field beats: the
  /// target's variance given x_t is s²/σ_t², and ∫₀¹ s²/σ_t² dt = (π/2)·s.
  public var irreducibleLoss: Double {
    .pi / 2 * standardDeviation.reduce(0, +) / Double(dimension)
  }

  /// σ_t² of dimension j.
  private func variance(_ j: Int, time t: Double) -> Double {
    let s = standardDeviation[j]
    return (1 - t) * (1 - t) + t * t * s * s
  }

  /// ∂u_j/∂x_j.
  func gain(_ j: Int, time t: Double) -> Double {
    let s = standardDeviation[j]
    return (t * s * s - (1 - t)) / variance(j, time: t)
  }
}
