import Kernels

/// A plain 3×3 convolution with a bias: of stride 1 as the network's first layer, of stride 2 between its
/// levels (diffusers' Downsample2D with padding 1).
struct ConvolutionLayer: Sendable {
  let input: Tensor
  let output: Tensor
  private let convolution: Convolution3x3
  private let parameters: WeightAndBias

  init(_ name: String, input: Tensor, outputChannels: Int, stride: Int = 1, plan: inout NetworkPlan) {
    self.input = input
    convolution = Convolution3x3(input: input.shape, outputChannels: outputChannels, stride: stride)
    parameters = plan.parameters.convolution(
      name, inputChannels: input.shape.channels, outputChannels: outputChannels)
    output = plan.tensor(convolution.output)
    plan.needsScratch(for: input.shape)
    plan.needsScratch(for: convolution.output)
  }

  private var paddedInput: Slice { Slice(offset: 0, count: input.shape.padded.count) }

  private func padInput(image: Int, _ pass: ForwardPass) {
    let padded = pass.workspace.padded
    pad(
      pass.activations[input[image]], shape: input.shape,
      into: padded.mutable(paddedInput))
  }

  func forward(_ pass: ForwardPass) {
    let padded = pass.workspace.padded
    for image in 0..<pass.count {
      padInput(image: image, pass)
      convolution.forward(
        padded[paddedInput], weights: pass.parameters[parameters.weight],
        bias: pass.parameters[parameters.bias], into: pass.activations.mutable(output[image]))
    }
  }

  /// - Parameter accumulates: whether the input's gradient holds another's share already.
  func backward(accumulates: Bool, _ pass: BackwardPass) {
    let (padded, paddedGradient) = (pass.workspace.padded, pass.workspace.paddedGradient)
    for image in 0..<pass.count {
      let dy = output[image]
      padInput(image: image, pass.forward)
      convolution.addWeightGradient(
        padded[paddedInput], pass.gradients[dy],
        into: pass.parameterGradients.mutable(parameters.weight))
      addColumnSums(pass.gradients[dy], into: pass.parameterGradients.mutable(parameters.bias))
      let paddedOutput = Slice(offset: 0, count: output.shape.padded.count)
      pad(pass.gradients[dy], shape: output.shape, into: paddedGradient.mutable(paddedOutput))
      convolution.inputGradient(
        paddedGradient[paddedOutput], flipped: pass.derived[parameters.weight],
        into: pass.gradients.mutable(input[image]), accumulates: accumulates)
    }
  }
}

/// Nearest-neighbour upsampling by two, then a 3×3 convolution (diffusers' Upsample2D).
struct UpsamplingLayer: Sendable {
  let input: Tensor
  let output: Tensor
  private let convolution: Convolution3x3
  private let parameters: WeightAndBias

  init(_ name: String, input: Tensor, plan: inout NetworkPlan) {
    let small = input.shape
    let large = ImageShape(height: 2 * small.height, width: 2 * small.width, channels: small.channels)
    self.input = input
    convolution = Convolution3x3(input: large, outputChannels: small.channels)
    parameters = plan.parameters.convolution(
      name, inputChannels: small.channels, outputChannels: small.channels)
    output = plan.tensor(large)
    plan.needsScratch(for: large)
  }

  private var paddedInput: Slice { Slice(offset: 0, count: output.shape.padded.count) }

  private func upsampleInput(image: Int, _ pass: ForwardPass) {
    let padded = pass.workspace.padded
    upsample(
      pass.activations[input[image]], shape: input.shape,
      into: padded.mutable(paddedInput))
  }

  func forward(_ pass: ForwardPass) {
    let padded = pass.workspace.padded
    for image in 0..<pass.count {
      upsampleInput(image: image, pass)
      convolution.forward(
        padded[paddedInput], weights: pass.parameters[parameters.weight],
        bias: pass.parameters[parameters.bias], into: pass.activations.mutable(output[image]))
    }
  }

  /// Writes the input's gradient.
  func backward(_ pass: BackwardPass) {
    let (padded, paddedGradient) = (pass.workspace.padded, pass.workspace.paddedGradient)
    let plain = pass.workspace.plain
    for image in 0..<pass.count {
      let dy = output[image]
      upsampleInput(image: image, pass.forward)
      convolution.addWeightGradient(
        padded[paddedInput], pass.gradients[dy],
        into: pass.parameterGradients.mutable(parameters.weight))
      addColumnSums(pass.gradients[dy], into: pass.parameterGradients.mutable(parameters.bias))
      let paddedOutput = Slice(offset: 0, count: output.shape.padded.count)
      pad(pass.gradients[dy], shape: output.shape, into: paddedGradient.mutable(paddedOutput))
      let large = Slice(offset: 0, count: output.shape.count)
      convolution.inputGradient(
        paddedGradient[paddedOutput], flipped: pass.derived[parameters.weight],
        into: plain.mutable(large))
      upsampleGradient(
        plain[large], shape: input.shape, into: pass.gradients.mutable(input[image]))
    }
  }
}

/// [a | b] along the channels: how a skip connection joins the way up.
struct Concatenation: Sendable {
  private let a: Tensor
  private let b: Tensor
  let output: Tensor

  init(_ a: Tensor, _ b: Tensor, plan: inout NetworkPlan) {
    precondition(a.shape.with(channels: 1) == b.shape.with(channels: 1))
    self.a = a
    self.b = b
    output = plan.tensor(a.shape.with(channels: a.shape.channels + b.shape.channels))
  }

  func forward(_ pass: ForwardPass) {
    for image in 0..<pass.count {
      concatenate(
        pass.activations[a[image]], pass.activations[b[image]], pixels: output.shape.pixels,
        into: pass.activations.mutable(output[image]))
    }
  }

  /// Writes both gradients.
  func backward(_ pass: BackwardPass) {
    for image in 0..<pass.count {
      split(
        pass.gradients[output[image]], pixels: output.shape.pixels,
        into: pass.gradients.mutable(a[image]), pass.gradients.mutable(b[image]))
    }
  }
}
