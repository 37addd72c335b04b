import Kernels

/// A linear layer, or a 1×1 convolution, with its parameters, between rows of the activations; and what each pass reads in
/// place of its weights.
struct LinearLayer: Sendable {
  let kernel: Linear
  let weight: Slice
  let bias: Slice
  /// Nil where the forward pass reads the weights themselves.
  let forward: Slice?
  let backward: Slice

  /// Fewer rows than these are not shared out: an estimate of what the threads' meeting costs.
  private static let rowsWorthSharing = 128

  /// - Parameters: x: [rows, in], y: [rows, out], among the activations; y is added to if `accumulates`.
  func forward(_ x: Slice, rows: Int, into y: Slice, accumulates: Bool = false, _ pass: ForwardPass) {
    pass.forEachShare(
      ifLarge: rows >= Self.rowsWorthSharing, sharing: (self, x, rows, y, accumulates, pass)
    ) { shared, share, scratch in
      let (layer, x, rows, y, accumulates, pass) = shared
      let part = rows * share.index / share.count..<rows * (share.index + 1) / share.count
      guard !part.isEmpty else { return }
      let weights = layer.forward.map { (pass.prepared, $0) } ?? (pass.parameters, layer.weight)
      layer.kernel.forward(
        pass.activations[x.parts(part, length: layer.kernel.inputChannels)], rows: part.count,
        weights: weights.0[weights.1], bias: pass.parameters[layer.bias],
        into: pass.activations.mutable(y.parts(part, length: layer.kernel.outputChannels)),
        accumulates: accumulates, scratch: scratch.mutable(scratch.all))
    }
  }

  /// Adds the parameters' gradients, where they are wanted.
  ///
  /// - Parameters: x: [rows, in], among the activations; dy: [rows, out], among the gradients.
  func addGradients(_ x: Slice, _ dy: Slice, rows: Int, _ pass: BackwardPass) {
    guard let parameterGradients = pass.parameterGradients else { return }
    let scratch = pass.workspace.products
    kernel.addWeightGradient(
      pass.activations[x], pass.gradients[dy], rows: rows, into: parameterGradients.mutable(weight),
      scratch: scratch.mutable(scratch.all))
    pass.addBiasGradient(dy, to: bias)
  }

  /// - Parameters: dy: [rows, out], dx: [rows, in], among the gradients; dx is added to if `accumulates`.
  func inputGradient(
    _ dy: Slice, rows: Int, into dx: Slice, accumulates: Bool = false, _ pass: BackwardPass
  ) {
    let scratch = pass.workspace.products
    kernel.inputGradient(
      pass.gradients[dy], rows: rows, weights: pass.prepared[backward], into: pass.gradients.mutable(dx),
      accumulates: accumulates, scratch: scratch.mutable(scratch.all))
  }
}
