import Kernels

/// A plain 3×3 convolution with a bias: of stride 1 as the network's first layer, of stride 2 between its
/// levels (diffusers' Downsample2D with padding 1).
struct ConvolutionLayer: Sendable {
  let input: Tensor
  let output: Tensor
  private let convolution: PaddedConvolution

  init(_ name: String, input: Tensor, outputChannels: Int, stride: Int = 1, plan: inout NetworkPlan) {
    self.input = input
    convolution = PaddedConvolution(
      name, Convolution3x3(input: input.shape, outputChannels: outputChannels, stride: stride), plan: &plan)
    output = plan.tensor(convolution.output)
  }

  private func padInputs(_ pass: ForwardPass) {
    let padded = pass.workspace.padded
    for image in pass.images {
      pad(
        pass.activations[input[image]], shape: input.shape,
        into: padded.mutable(convolution.paddedInput(image, pass)))
    }
  }

  func forward(_ pass: ForwardPass) {
    padInputs(pass)
    convolution.forward(bias: (pass.parameters, convolution.parameters.bias), into: output, pass)
  }

  /// - Parameters:
  ///   - accumulates: whether the input's gradient holds another's share already.
  ///   - toInput: whether the input's gradient is wanted.
  func backward(accumulates: Bool, toInput: Bool = true, _ pass: BackwardPass) {
    padInputs(pass.forward)
    pass.addBiasGradient(output.gradient(pass.images), to: convolution.parameters.bias)
    convolution.backward(
      output, into: pass.gradients, toInput ? input.gradient(pass.images) : nil,
      accumulates: accumulates, pass)
  }
}

/// Nearest-neighbour upsampling by two, then a 3×3 convolution (diffusers' Upsample2D).
struct UpsamplingLayer: Sendable {
  let input: Tensor
  let output: Tensor
  private let convolution: PaddedConvolution

  init(_ name: String, input: Tensor, plan: inout NetworkPlan) {
    self.input = input
    convolution = PaddedConvolution(
      name, Convolution3x3(upsampling: input.shape, outputChannels: input.shape.channels), plan: &plan)
    output = plan.tensor(convolution.output)
  }

  private func upsampleInputs(_ pass: ForwardPass) {
    let padded = pass.workspace.padded
    for image in pass.images {
      upsample(
        pass.activations[input[image]], shape: input.shape,
        into: padded.mutable(convolution.paddedInput(image, pass)))
    }
  }

  func forward(_ pass: ForwardPass) {
    upsampleInputs(pass)
    convolution.forward(bias: (pass.parameters, convolution.parameters.bias), into: output, pass)
  }

  /// Writes the input's gradient.
  func backward(_ pass: BackwardPass) {
    upsampleInputs(pass.forward)
    pass.addBiasGradient(output.gradient(pass.images), to: convolution.parameters.bias)
    convolution.backward(
      output, into: pass.gradients, input.gradient(pass.images), accumulates: false, pass)
  }
}
