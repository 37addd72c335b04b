import Sampling

/// Work stops with its task, before the next evaluation of the network.
func isCancelled(_ flow: TrainedFlow) async -> Bool {
  let drawing = Task { try flow.sample(10_000) }
  drawing.cancel()
  do {
    _ = try await drawing.value
    return false
  } catch {
    return error is CancellationError
  }
}
