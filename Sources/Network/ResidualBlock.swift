import Kernels

/// diffusers' ResnetBlock2D, `R(in, out)` of its UNet:
///
///     h = conv1(SiLU(norm1(x))) + time_emb_proj(SiLU(emb)),   y = shortcut(x) + conv2(SiLU(norm2(h)))
///
/// where the shortcut is a 1×1 convolution if in ≠ out, else x itself.
struct ResidualBlock: Sendable {
  let input: Tensor
  let output: Tensor
  private let hidden: Tensor
  private let first: NormalizedConvolution
  private let second: NormalizedConvolution
  private let timeProjection: LinearLayer
  private let shortcut: LinearLayer?
  /// [capacity, out] What h gets beside conv1's products: its bias and the time's share. Of the gradient, the sums of dh.
  private let hiddenBias: Tensor
  /// [capacity, width] SiLU(emb).
  private let embedding: Tensor

  init(
    _ name: String, input: Tensor, outputChannels: Int, outputLifetime: Lifetime, embedding: Tensor,
    groupCount: Int, eps: Float, plan: inout NetworkPlan
  ) {
    self.input = input
    self.embedding = embedding
    let shape = input.shape.with(channels: outputChannels)
    first = NormalizedConvolution(
      norm: name + ".norm1", convolution: name + ".conv1", input: input.shape,
      outputChannels: outputChannels, groupCount: groupCount, eps: eps, plan: &plan)
    timeProjection = plan.linear(
      name + ".time_emb_proj", inputChannels: embedding.shape.channels, outputChannels: outputChannels)
    second = NormalizedConvolution(
      norm: name + ".norm2", convolution: name + ".conv2", input: shape, outputChannels: outputChannels,
      groupCount: groupCount, eps: eps, plan: &plan)
    shortcut =
      input.shape.channels == outputChannels
      ? nil
      : plan.pointwise(
        name + ".conv_shortcut", inputChannels: input.shape.channels, outputChannels: outputChannels)
    hidden = plan.tensor(shape, lifetime: .unit)
    output = plan.tensor(shape, lifetime: outputLifetime)
    hiddenBias = plan.vectors(outputChannels)
  }

  private var outputChannels: Int { output.shape.channels }

  func forward(_ pass: ForwardPass) {
    let (activations, parameters) = (pass.activations, pass.parameters)
    let hiddenBias = hiddenBias[pass.images]
    timeProjection.forward(embedding[pass.images], rows: pass.count, into: hiddenBias, pass)
    addToRows(parameters[first.bias], into: activations.mutable(hiddenBias))
    first.forward(input, bias: (Weights(reading: activations), hiddenBias), into: hidden, pass)
    second.forward(
      hidden, bias: (parameters, second.bias), adding: shortcut == nil ? input : nil, into: output, pass)
    if let shortcut {
      shortcut.forward(
        input[pass.images], rows: pass.count * input.shape.pixels, into: output[pass.images],
        accumulates: true, pass)
    }
  }

  /// - Parameter accumulates: whether the input's gradient holds another's share already.
  func backward(accumulates: Bool, _ pass: BackwardPass) {
    let (dx, dy) = (input.gradient(pass.images), output.gradient(pass.images))
    pass.addBiasGradient(dy, to: second.bias)
    second.backward(hidden, output, accumulates: false, pass)
    if pass.parameterGradients != nil { backwardToTime(pass) }
    if let shortcut {
      let rows = pass.count * input.shape.pixels
      shortcut.inputGradient(dy, rows: rows, into: dx, accumulates: accumulates, pass)
      shortcut.addGradients(input[pass.images], dy, rows: rows, pass)
    }
    first.backward(
      input, hidden, adding: shortcut == nil ? output : nil, accumulates: accumulates || shortcut != nil, pass
    )
  }

  /// Reads dh. Adds the gradients of conv1's bias, of the time projection and of the embedding.
  private func backwardToTime(_ pass: BackwardPass) {
    let gradients = pass.gradients
    let dBias = hiddenBias.gradient(pass.images)
    fill(gradients.mutable(dBias), with: 0)
    for image in pass.images {
      addColumnSums(gradients[hidden.gradient(image)], into: gradients.mutable(hiddenBias.gradient(image)))
    }
    pass.addBiasGradient(dBias, to: first.bias)
    timeProjection.addGradients(embedding[pass.images], dBias, rows: pass.count, pass)
    timeProjection.inputGradient(
      dBias, rows: pass.count, into: embedding.gradient(pass.images), accumulates: true, pass)
  }
}
