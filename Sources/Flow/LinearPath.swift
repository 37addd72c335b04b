/// The straight path from noise x₀ (t = 0) to data x₁ (t = 1), of flow matching with optimal-transport
/// paths at σ_min = 0 (Lipman et al. 2022, section 4.1) and of rectified flow (Liu et al. 2022).
///
/// All spans are of one sample, or of any rows at the same time, and have the same count.
public enum LinearPath {
  /// x_t = (1 − t)·x₀ + t·x₁.
  public static func interpolate(
    noise: Span<Float>, data: Span<Float>, time: Float, into state: inout MutableSpan<Float>
  ) {
    precondition(noise.count == state.count && data.count == state.count)
    let t = time
    for i in state.indices { state[i] = (1 - t) * noise[i] + t * data[i] }
  }

  /// The velocity along the path, which the network is trained to predict: u = x₁ − x₀.
  public static func velocity(
    noise: Span<Float>, data: Span<Float>, into velocity: inout MutableSpan<Float>
  ) {
    precondition(noise.count == velocity.count && data.count == velocity.count)
    for i in velocity.indices { velocity[i] = data[i] - noise[i] }
  }

  /// The data that a state is expected to become: E[x₁ | x_t] = x_t + (1 − t)·u(x_t, t).
  ///
  /// The marginal field u(x, t) = E[x₁ − x₀ | x_t = x] averages over all pairs that pass through x: it is what a
  /// trained network approximates.
  public static func posteriorMean(
    state: Span<Float>, velocity: Span<Float>, time: Float, into mean: inout MutableSpan<Float>
  ) {
    precondition(state.count == mean.count && velocity.count == mean.count)
    let remaining = 1 - time
    for i in mean.indices { mean[i] = state[i] + remaining * velocity[i] }
  }
}
