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
  private let timeProjection: LinearParameters
  private let shortcut: LinearParameters?
  /// The time embedding's share of h and, in the forward pass, conv1's bias with it: [capacity, out].
  private let time: Slice
  private let embedding: Embedding.Output

  init(
    _ name: String, input: Tensor, outputChannels: Int, embedding: Embedding.Output, groupCount: Int,
    eps: Float, plan: inout NetworkPlan
  ) {
    self.input = input
    self.embedding = embedding
    let shape = input.shape.with(channels: outputChannels)
    first = NormalizedConvolution(
      norm: name + ".norm1", convolution: name + ".conv1", input: input.shape,
      outputChannels: outputChannels, groupCount: groupCount, eps: eps, plan: &plan)
    timeProjection = plan.linear(
      name + ".time_emb_proj", inputChannels: embedding.width, outputChannels: outputChannels)
    second = NormalizedConvolution(
      norm: name + ".norm2", convolution: name + ".conv2", input: shape, outputChannels: outputChannels,
      groupCount: groupCount, eps: eps, plan: &plan)
    shortcut =
      input.shape.channels == outputChannels
      ? nil
      : plan.pointwise(
        name + ".conv_shortcut", inputChannels: input.shape.channels, outputChannels: outputChannels)
    hidden = plan.tensor(shape)
    output = plan.tensor(shape)
    time = plan.rows(outputChannels)
  }

  private var outputChannels: Int { output.shape.channels }
  private func time(of image: Int) -> Slice { time.part(image, length: outputChannels) }

  func forward(_ pass: ForwardPass) {
    let (activations, parameters) = (pass.activations, pass.parameters)
    let time = time[0..<pass.count * outputChannels]
    linear(
      activations[embedding.activated[0..<pass.count * embedding.width]], rows: pass.count,
      weights: parameters[timeProjection.weight], bias: parameters[timeProjection.bias],
      into: activations.mutable(time))
    addToRows(parameters[first.bias], into: activations.mutable(time))
    first.forward(input, bias: activations[time], into: hidden, pass)
    let (x, y) = (
      input.slice[0..<pass.count * input.shape.count], output.slice[0..<pass.count * output.shape.count]
    )
    if let shortcut {
      linear(
        activations[x], rows: pass.count * input.shape.pixels, weights: parameters[shortcut.weight],
        bias: parameters[shortcut.bias], into: activations.mutable(y))
    } else {
      copy(activations[x], into: activations.mutable(y))
    }
    second.forward(hidden, bias: parameters[second.bias], into: output, accumulates: true, pass)
  }

  /// - Parameter accumulates: whether the input's gradient holds another's share already.
  func backward(accumulates: Bool, _ pass: BackwardPass) {
    let (activations, gradients, parameterGradients) = (
      pass.activations, pass.gradients, pass.parameterGradients
    )
    let (x, y) = (
      input.slice[0..<pass.count * input.shape.count], output.slice[0..<pass.count * output.shape.count]
    )
    addColumnSums(gradients[y], into: parameterGradients.mutable(second.bias))
    second.backward(hidden, output, accumulates: false, pass)
    let time = time[0..<pass.count * outputChannels]
    fill(gradients.mutable(time), with: 0)
    for image in 0..<pass.count {
      addColumnSums(gradients[hidden[image]], into: gradients.mutable(self.time(of: image)))
    }
    addColumnSums(gradients[time], into: parameterGradients.mutable(first.bias))
    if let shortcut {
      let rows = pass.count * input.shape.pixels
      linear(
        gradients[y], rows: rows, weights: pass.prepared[shortcut.transposed], into: gradients.mutable(x),
        accumulates: accumulates)
      addLinearWeightGradient(
        activations[x], gradients[y], rows: rows, into: parameterGradients.mutable(shortcut.weight))
      addColumnSums(gradients[y], into: parameterGradients.mutable(shortcut.bias))
    } else if accumulates {
      add(gradients[y], into: gradients.mutable(x))
    } else {
      copy(gradients[y], into: gradients.mutable(x))
    }
    first.backward(input, hidden, accumulates: true, pass)
    let embedded = embedding.activated[0..<pass.count * embedding.width]
    addLinearWeightGradient(
      activations[embedded], gradients[time], rows: pass.count,
      into: parameterGradients.mutable(timeProjection.weight))
    addColumnSums(gradients[time], into: parameterGradients.mutable(timeProjection.bias))
    linear(
      gradients[time], rows: pass.count, weights: pass.prepared[timeProjection.transposed],
      into: gradients.mutable(embedded), accumulates: true)
  }
}
