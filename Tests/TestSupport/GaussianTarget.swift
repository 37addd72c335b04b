import Flow
import Foundation

/// The marginal velocity field of the linear path from N(0, I) to data distributed as N(μ, diag s²), in
/// closed form. Flow, divergence and loss are known exactly: an oracle for solvers and training.
public struct GaussianTarget: DivergenceField, DifferentiableField, Sendable {
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

  /// (1 − t)² + t²·s², the variance of x_t in a dimension.
  private func variance(_ j: Int, time t: Double) -> Double {
    (1 - t) * (1 - t) + t * t * standardDeviation[j] * standardDeviation[j]
  }

  /// (t·s² − (1 − t)) / ((1 − t)² + t²·s²), the field's slope in a dimension.
  private func gain(_ j: Int, time t: Double) -> Double {
    (t * standardDeviation[j] * standardDeviation[j] - (1 - t)) / variance(j, time: t)
  }

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
    return (0..<dimension).map { j in
      time * mean[j] + variance(j, time: time).squareRoot() * noise[j]
    }
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

  public func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>, divergences: inout MutableSpan<Double>
  ) {
    evaluate(states, times: times, samples: samples, into: &velocities)
    for row in times.indices { divergences[row] = divergence(time: times[row]) }
  }

  /// The Jacobian is diagonal: zᵀ(∂u/∂x)z = Σ_j ∂u_j/∂x_j z_j².
  public func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>, probes: Span<Double>,
    into velocities: inout MutableSpan<Double>, quadraticForms: inout MutableSpan<Double>
  ) {
    evaluate(states, times: times, samples: samples, into: &velocities)
    let probeCount = times.isEmpty ? 0 : quadraticForms.count / times.count
    for row in times.indices {
      for probe in 0..<probeCount {
        let first = (samples[row] * probeCount + probe) * dimension
        var sum = 0.0
        for j in 0..<dimension {
          let z = probes[first + j]
          sum += gain(j, time: times[row]) * z * z
        }
        quadraticForms[row * probeCount + probe] = sum
      }
    }
  }
}
