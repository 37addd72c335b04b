import Kernels

/// A 3×3 convolution with its parameters, between the workspace's padded planes and the activations: what every
/// layer with a convolution has in common.
struct PaddedConvolution: Sendable {
  let convolution: Convolution3x3
  let parameters: ConvolutionParameters

  init(_ name: String, _ convolution: Convolution3x3, isZero: Bool = false, plan: inout NetworkPlan) {
    self.convolution = convolution
    parameters = plan.convolution(name, convolution, isZero: isZero)
  }

  var output: ImageShape { convolution.output }

  /// Where an image of the input goes in the padded scratch planes.
  func paddedInput(_ image: Int, _ pass: ForwardPass) -> Slice {
    let count = convolution.input.padded.count
    return Slice(offset: (image - pass.images.lowerBound) * count, count: count)
  }

  private func paddedInputs(_ count: Int) -> Slice {
    Slice(offset: 0, count: count * convolution.input.padded.count)
  }

  /// Reads the padded inputs of the micro-batch, writes to the activations.
  ///
  /// - Parameters:
  ///   - bias: [out], or [count, out].
  ///   - addend: of y's shape, to be added to the results. Nil for none.
  func forward(
    bias: (numbers: Weights, slice: Slice), adding addend: Tensor? = nil, into y: Tensor, _ pass: ForwardPass
  ) {
    pass.forEachShare(sharing: (self, bias, addend, y, pass)) { shared, share, scratch in
      let (layer, bias, addend, y, pass) = shared
      let weights =
        layer.parameters.forward.map { (pass.prepared, $0) } ?? (pass.parameters, layer.parameters.weight)
      layer.convolution.forward(
        pass.workspace.padded[layer.paddedInputs(pass.count)], count: pass.count,
        weights: weights.0[weights.1],
        bias: bias.numbers[bias.slice], adding: pass.activations[optional: addend?[pass.images]],
        into: pass.activations.mutable(y[pass.images]), share: share, scratch: scratch.mutable(scratch.all))
    }
  }

  /// Reads the padded inputs, made again, and the gradient at `y`; adds the weights' gradient, where it is wanted,
  /// and writes the input's. (The bias's is the caller's, who may have use for the sums.)
  ///
  /// - Parameters:
  ///   - arena, dx: where the gradient of the convolution's `source` goes, [count, …]; nil if it isn't wanted.
  ///   - accumulates: whether it is added to what is there.
  func backward(
    _ y: Tensor, into arena: Arena, _ dx: Slice?, accumulates: Bool, _ pass: BackwardPass
  ) {
    let (padded, paddedGradient) = (pass.workspace.padded, pass.workspace.paddedGradient)
    let (gradients, scratch) = (pass.gradients, pass.workspace.products)
    let plane = output.padded.count
    for (index, image) in pass.images.enumerated() {
      pad(
        gradients[y.gradient(image)], shape: output,
        into: paddedGradient.mutable(Slice(offset: index * plane, count: plane)))
    }
    let dy = Slice(offset: 0, count: pass.count * plane)
    if let parameterGradients = pass.parameterGradients {
      convolution.addWeightGradient(
        padded[paddedInputs(pass.count)], paddedGradient[dy], count: pass.count,
        into: parameterGradients.mutable(parameters.weight), scratch: scratch.mutable(scratch.all))
    }
    guard let dx else { return }
    convolution.inputGradient(
      paddedGradient[dy], count: pass.count, weights: pass.prepared[parameters.backward],
      into: arena.mutable(dx), accumulates: accumulates, scratch: scratch.mutable(scratch.all))
  }
}
