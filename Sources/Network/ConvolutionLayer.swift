import Kernels

/// A plain 3×3 convolution with a bias: of stride 1 as the network's first layer, of stride 2 between the levels of
/// the way down (diffusers' Downsample2D with padding 1), and after a nearest-neighbour upsampling by two between those
/// of the way up (Upsample2D).
struct ConvolutionLayer: Sendable {
  let input: Tensor
  let output: Tensor
  private let upsamples: Bool
  private let convolution: PaddedConvolution

  init(_ name: String, input: Tensor, outputChannels: Int, stride: Int = 1, plan: inout NetworkPlan) {
    self.init(
      name, input,
      Convolution3x3(
        input: input.shape, outputChannels: outputChannels, stride: stride, precision: plan.precision),
      upsamples: false, plan: &plan)
  }

  init(_ name: String, upsampling input: Tensor, plan: inout NetworkPlan) {
    self.init(
      name, input,
      Convolution3x3(
        upsampling: input.shape, outputChannels: input.shape.channels, precision: plan.precision),
      upsamples: true, plan: &plan)
  }

  private init(
    _ name: String, _ input: Tensor, _ convolution: Convolution3x3, upsamples: Bool,
    plan: inout NetworkPlan
  ) {
    self.input = input
    self.upsamples = upsamples
    self.convolution = PaddedConvolution(name, convolution, plan: &plan)
    output = plan.tensor(convolution.output)
  }

  /// Writes the inputs, upsampled where the layer does it, into the padded planes.
  private func padInputs(_ pass: ForwardPass) {
    let padded = pass.workspace.padded
    for image in pass.images {
      let place = convolution.paddedInput(image, pass)
      if upsamples {
        upsample(pass.activations[input[image]], shape: input.shape, into: padded.mutable(place))
      } else {
        pad(pass.activations[input[image]], shape: input.shape, into: padded.mutable(place))
      }
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
