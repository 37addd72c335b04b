import Kernels

/// y = conv3×3(SiLU(groupNorm(x))): the building block of the UNet, with nearly all of its parameters and time.
struct NormalizedConvolution: Sendable {
  let norm: GroupNorm
  let normParameters: WeightAndBias
  let convolution: PaddedConvolution
  /// [capacity, 2, channels].
  let statistics: Slice

  init(
    norm normName: String, convolution name: String, input: ImageShape, outputChannels: Int,
    groupCount: Int, eps: Float, isZero: Bool = false, plan: inout NetworkPlan
  ) {
    norm = GroupNorm(shape: input, groupCount: groupCount, eps: eps)
    normParameters = plan.parameters.norm(normName, channels: input.channels)
    convolution = PaddedConvolution(
      name,
      Convolution3x3(input: input, outputChannels: outputChannels, precision: plan.precision),
      isZero: isZero, plan: &plan)
    statistics = plan.rows(2 * input.channels)
  }

  /// The convolution's bias.
  var bias: Slice { convolution.parameters.bias }

  /// Images of fewer numbers are not shared out: an estimate of what the threads' meeting costs.
  private static let sizeWorthSharing = 8192

  private func statistics(of image: Int) -> Slice {
    statistics.part(image, length: 2 * norm.shape.channels)
  }

  /// - Parameters:
  ///   - bias: the convolution's bias, [out], or with what else is to be added, [count, out].
  ///   - addend: of y's shape, to be added to the results. Nil for none.
  func forward(
    _ x: Tensor, bias: (numbers: Weights, slice: Slice), adding addend: Tensor? = nil, into y: Tensor,
    _ pass: ForwardPass
  ) {
    for image in pass.images {
      norm.statistics(
        pass.activations[x[image]], into: pass.activations.mutable(statistics(of: image)))
      pass.forEachShare(ifLarge: x.shape.count >= Self.sizeWorthSharing, sharing: (self, x, image, pass)) {
        shared, share, _ in
        let (layer, x, image, pass) = shared
        layer.norm.forward(
          pass.activations[x[image]], statistics: pass.activations[layer.statistics(of: image)],
          weight: pass.parameters[layer.normParameters.weight],
          bias: pass.parameters[layer.normParameters.bias], activates: true, border: 1, share: share,
          into: pass.workspace.padded.mutable(layer.convolution.paddedInput(image, pass)))
      }
    }
    convolution.forward(bias: bias, adding: addend, into: y, pass)
  }

  /// Adds the parameters' gradients, but for the bias's, which is the caller's; writes the input's gradient, or adds
  /// to it.
  ///
  /// - Parameter addend: whose gradient is added to the input's. Nil for none.
  func backward(
    _ x: Tensor, _ y: Tensor, adding addend: Tensor? = nil, accumulates: Bool, _ pass: BackwardPass
  ) {
    let (padded, derivatives) = (pass.workspace.padded, pass.workspace.derivative)
    let (plain, channels) = (pass.workspace.plain, pass.workspace.channels)
    let (gradients, parameterGradients) = (pass.gradients, pass.parameterGradients)
    for (index, image) in pass.images.enumerated() {
      norm.forward(
        pass.activations[x[image]], statistics: pass.activations[statistics(of: image)],
        weight: pass.parameters[normParameters.weight], bias: pass.parameters[normParameters.bias],
        into: padded.mutable(convolution.paddedInput(image, pass.forward)),
        derivative: derivatives.mutable(derivatives.all.part(index, length: norm.shape.count)))
    }
    let activated = Slice(offset: 0, count: pass.count * norm.shape.count)
    convolution.backward(y, into: plain, activated, accumulates: false, pass)
    for (index, image) in pass.images.enumerated() {
      norm.backward(
        pass.activations[x[image]], statistics: pass.activations[statistics(of: image)],
        weight: pass.parameters[normParameters.weight],
        plain[activated.part(index, length: norm.shape.count)],
        derivative: derivatives[derivatives.all.part(index, length: norm.shape.count)],
        scratch: channels.mutable(Slice(offset: 0, count: 2 * norm.shape.channels)),
        weightGradient: parameterGradients?.mutable(normParameters.weight),
        biasGradient: parameterGradients?.mutable(normParameters.bias),
        adding: gradients[optional: addend?.gradient(image)], into: gradients.mutable(x.gradient(image)),
        accumulates: accumulates)
    }
  }
}
