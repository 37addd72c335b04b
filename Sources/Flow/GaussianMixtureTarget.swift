import Foundation

/// The marginal velocity field of the linear path from N(0, I) to a mixture of isotropic Gaussians,
/// Σ_k w_k N(μ_k, s_k² I), in closed form.
public struct GaussianMixtureTarget: DivergenceField, Sendable {
  /// One Gaussian of the mixture.
  public struct Component: Sendable {
    /// w, positive; the weights of a mixture sum to 1.
    public let weight: Double
    /// μ, [dimension].
    public let mean: [Double]
    /// s, positive, of every dimension.
    public let standardDeviation: Double

    public init(weight: Double, mean: [Double], standardDeviation: Double) {
      precondition(weight > 0 && standardDeviation > 0, "weight and standard deviation must be positive")
      self.weight = weight
      self.mean = mean
      self.standardDeviation = standardDeviation
    }

    /// S = (1 − t)² + t²·s², the variance of x_t in a dimension where the noise has variance 1 and the data s².
    func variance(time t: Double) -> Double {
      (1 - t) * (1 - t) + t * t * standardDeviation * standardDeviation
    }

    /// g = (t·s² − (1 − t)) / S, the slope of the marginal field where noise and data are normal.
    func gain(time t: Double) -> Double {
      (t * standardDeviation * standardDeviation - (1 - t)) / variance(time: t)
    }

    /// log(w·N(x; t·μ, S·I)) of a state x, [dimension].
    func logJointDensity(_ state: Span<Double>, time t: Double) -> Double {
      let variance = variance(time: t)
      var distance = 0.0
      for j in mean.indices {
        let difference = state[j] - t * mean[j]
        distance += difference * difference
      }
      return log(weight) - (Double(mean.count) * log(2 * .pi * variance) + distance / variance) / 2
    }
  }

  public let components: [Component]

  public init(_ components: [Component]) {
    precondition(!components.isEmpty && !components[0].mean.isEmpty)
    precondition(
      components.allSatisfy { $0.mean.count == components[0].mean.count },
      "the means must have the same dimension")
    let total = components.reduce(0) { $0 + $1.weight }
    precondition(abs(total - 1) < 1e-9, "the weights sum to \(total); they must sum to 1")
    self.components = components
  }

  public var dimension: Int { components[0].mean.count }

  /// u(x, t) = Σ_k γ_k [μ_k + (t·s_k² − (1 − t)) / S_k · (x − t·μ_k)], where
  /// γ_k ∝ w_k N(x; t·μ_k, S_k I) is the probability that x came from component k, and S_k = (1 − t)² + t²·s_k².
  public func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>
  ) {
    precondition(states.count == times.count * dimension && velocities.count == states.count)
    for row in times.indices {
      let (t, first) = (times[row], row * dimension)
      let state = states.extracting(first..<first + dimension)
      for j in 0..<dimension { velocities[first + j] = 0 }
      for (component, responsibility) in zip(components, responsibilities(state, time: t)) {
        let gain = component.gain(time: t)
        for j in 0..<dimension {
          let mean = component.mean[j]
          velocities[first + j] += responsibility * (mean + gain * (state[j] - t * mean))
        }
      }
    }
  }

  /// log p_t(x), of the data at t = 1.
  ///
  /// - Parameter state: [dimension] x.
  public func logDensity(_ state: Span<Double>, time: Double = 1) -> Double {
    precondition(state.count == dimension)
    let logs = components.map { $0.logJointDensity(state, time: time) }
    // Far from all components every density underflows; relative to the largest they do not.
    let largest = logs.reduce(-.infinity, max)
    return largest + log(logs.reduce(0) { $0 + exp($1 - largest) })
  }

  /// With u = Σ_k γ_k v_k, v_k = μ_k + g_k (x − t·μ_k), and the components' scores s_k = −(x − t·μ_k)/S_k, of which
  /// ∇γ_k = γ_k (s_k − Σ_l γ_l s_l):
  ///
  ///     div u = Σ_k γ_k (d·g_k + s_k·(v_k − u)).
  public func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>, divergences: inout MutableSpan<Double>
  ) {
    evaluate(states, times: times, samples: samples, into: &velocities)
    for row in times.indices {
      let (t, first) = (times[row], row * dimension)
      let state = states.extracting(first..<first + dimension)
      var divergence = 0.0
      for (component, responsibility) in zip(components, responsibilities(state, time: t)) {
        let gain = component.gain(time: t)
        let variance = component.variance(time: t)
        var sum = Double(dimension) * gain
        for j in 0..<dimension {
          let mean = component.mean[j]
          let offset = state[j] - t * mean
          sum -= offset / variance * (mean + gain * offset - velocities[first + j])
        }
        divergence += responsibility * sum
      }
      divergences[row] = divergence
    }
  }

  /// [components] γ_k at a state.
  private func responsibilities(_ state: Span<Double>, time: Double) -> [Double] {
    let total = logDensity(state, time: time)
    return components.map { exp($0.logJointDensity(state, time: time) - total) }
  }
}
