import Kernels

/// y = conv3×3(SiLU(groupNorm(x))): the building block of the UNet, three quarters of its parameters and nearly
/// all of its time. Runs one image at a time, so that what lies between norm and convolution stays in the cache.
struct NormalizedConvolution: Sendable {
  let norm: GroupNorm
  let normParameters: WeightAndBias
  let convolution: Convolution3x3
  let parameters: WeightAndBias
  /// [capacity, 2, channels].
  let statistics: Slice

  init(
    norm normName: String, convolution name: String, input: ImageShape, outputChannels: Int,
    groupCount: Int, eps: Float, isZero: Bool = false, plan: inout NetworkPlan
  ) {
    norm = GroupNorm(shape: input, groupCount: groupCount, eps: eps)
    normParameters = plan.parameters.norm(normName, channels: input.channels)
    convolution = Convolution3x3(input: input, outputChannels: outputChannels)
    parameters = plan.parameters.convolution(
      name, inputChannels: input.channels, outputChannels: outputChannels, isZero: isZero)
    statistics = plan.rows(2 * input.channels)
    plan.needsScratch(for: input)
    plan.needsScratch(for: convolution.output)
  }

  private func statistics(of image: Int) -> Slice {
    statistics.part(image, length: 2 * norm.shape.channels)
  }

  /// The part of the scratch image with a border that the convolution reads.
  private var paddedInput: Slice { Slice(offset: 0, count: convolution.input.padded.count) }

  /// - Parameters:
  ///   - x: image `image` of the input, in the activations.
  ///   - bias: the convolution's bias, with whatever else is to be added to every pixel.
  func forward(
    image: Int, _ x: Slice, bias: Span<Float>, into y: Slice, accumulates: Bool = false, _ pass: ForwardPass
  ) {
    norm.statistics(pass.activations[x], into: pass.activations.mutable(statistics(of: image)))
    normalize(image: image, x, pass)
    let padded = pass.workspace.padded
    convolution.forward(
      padded[paddedInput], weights: pass.parameters[parameters.weight],
      bias: bias, into: pass.activations.mutable(y), accumulates: accumulates)
  }

  /// Leaves SiLU(groupNorm(x)) in the padded scratch image.
  private func normalize(image: Int, _ x: Slice, _ pass: ForwardPass) {
    let padded = pass.workspace.padded
    norm.forward(
      pass.activations[x], statistics: pass.activations[statistics(of: image)],
      weight: pass.parameters[normParameters.weight], bias: pass.parameters[normParameters.bias],
      activates: true, border: 1,
      into: padded.mutable(paddedInput))
  }

  /// Adds the parameters' gradients, but for the bias's, which is the caller's; writes the input's gradient,
  /// or adds to it.
  ///
  /// - Parameters:
  ///   - x: the input, in the activations; its gradient lies at the same place in the gradients.
  ///   - y: the output's place, whose gradient is read.
  func backward(image: Int, _ x: Slice, _ y: Slice, accumulates: Bool, _ pass: BackwardPass) {
    let (padded, paddedGradient) = (pass.workspace.padded, pass.workspace.paddedGradient)
    let (plain, channels) = (pass.workspace.plain, pass.workspace.channels)
    normalize(image: image, x, pass.forward)
    convolution.addWeightGradient(
      padded[paddedInput], pass.gradients[y],
      into: pass.parameterGradients.mutable(parameters.weight))
    let paddedOutput = Slice(offset: 0, count: convolution.output.padded.count)
    pad(pass.gradients[y], shape: convolution.output, into: paddedGradient.mutable(paddedOutput))
    let activated = Slice(offset: 0, count: convolution.input.count)
    convolution.inputGradient(
      paddedGradient[paddedOutput], flipped: pass.derived[parameters.weight],
      into: plain.mutable(activated))
    norm.backward(
      pass.activations[x], statistics: pass.activations[statistics(of: image)],
      weight: pass.parameters[normParameters.weight], bias: pass.parameters[normParameters.bias],
      activates: true, plain.mutable(activated),
      scratch: channels.mutable(Slice(offset: 0, count: 2 * norm.shape.channels)),
      weightGradient: pass.parameterGradients.mutable(normParameters.weight),
      biasGradient: pass.parameterGradients.mutable(normParameters.bias),
      into: pass.gradients.mutable(x), accumulates: accumulates)
  }
}
