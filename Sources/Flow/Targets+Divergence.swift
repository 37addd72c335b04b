import Foundation

extension GaussianTarget: DivergenceField, DifferentiableField {
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

extension GaussianMixtureTarget: DivergenceField {
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
      let total = logDensity(state, time: t)
      var divergence = 0.0
      for component in components {
        let responsibility = exp(component.logJointDensity(states, first: first, time: t) - total)
        let (gain, variance) = (component.gain(time: t), component.variance(time: t))
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
}
