import Kernels

/// diffusers' Attention, `A(C)` of its UNet: y = x + to_out(attention(to_q(n), to_k(n), to_v(n))) with
/// n = group norm of x, over the pixels of an image as tokens.
struct AttentionBlock: Sendable {
  let input: Tensor
  let output: Tensor
  private let norm: GroupNorm
  private let normParameters: WeightAndBias
  private let attention: Attention
  private let toOutput: LinearParameters
  /// [capacity, 2, channels]
  private let statistics: Slice
  /// [capacity, height, width, channels]: n, q, k, v, and what attention makes of v.
  private let (normalized, query, key, value, mixed): (Tensor, Tensor, Tensor, Tensor, Tensor)
  /// The attention's weights, [capacity, heads, tokens, tokens].
  private let weights: Slice

  /// - Parameters:
  ///   - headWidth: channels of a head; nil for one head.
  init(
    _ name: String, input: Tensor, headWidth: Int?, outputLifetime: Lifetime, groupCount: Int, eps: Float,
    plan: inout NetworkPlan
  ) {
    let (shape, channels) = (input.shape, input.shape.channels)
    let width = headWidth ?? channels
    self.input = input
    norm = GroupNorm(shape: shape, groupCount: groupCount, eps: eps)
    attention = Attention(tokens: shape.pixels, headCount: channels / width, headWidth: width)
    normParameters = plan.parameters.norm(name + ".group_norm", channels: channels)
    let toQuery = plan.linear(name + ".to_q", inputChannels: channels, outputChannels: channels)
    let toKey = plan.linear(name + ".to_k", inputChannels: channels, outputChannels: channels)
    let toValue = plan.linear(name + ".to_v", inputChannels: channels, outputChannels: channels)
    toOutput = plan.linear(name + ".to_out.0", inputChannels: channels, outputChannels: channels)
    statistics = plan.rows(2 * channels)
    normalized = plan.tensor(shape, lifetime: .unit)
    query = plan.tensor(shape, lifetime: .unit)
    key = plan.tensor(shape, lifetime: .unit)
    value = plan.tensor(shape, lifetime: .unit)
    projections = [(toQuery, query), (toKey, key), (toValue, value)]
    mixed = plan.tensor(shape, lifetime: .unit)
    output = plan.tensor(shape, lifetime: outputLifetime)
    weights = plan.rows(attention.weightCount)
    plan.needsScratch(for: attention)
    plan.needsScratch(for: shape)
  }

  /// Stored, as a new array for each image would be memory from the heap.
  private let projections: [(LinearParameters, Tensor)]

  private func statistics(of image: Int) -> Slice {
    statistics.part(image, length: 2 * norm.shape.channels)
  }

  func forward(_ pass: ForwardPass) {
    let (activations, parameters) = (pass.activations, pass.parameters)
    let scratch = pass.workspace.attention
    for image in pass.images {
      let (x, y, n) = (input[image], output[image], normalized[image])
      norm.statistics(activations[x], into: activations.mutable(statistics(of: image)))
      norm.forward(
        activations[x], statistics: activations[statistics(of: image)],
        weight: parameters[normParameters.weight], bias: parameters[normParameters.bias],
        activates: false, border: 0, into: activations.mutable(n))
      for (projection, tensor) in projections {
        linear(
          activations[n], rows: attention.tokens, weights: parameters[projection.weight],
          bias: parameters[projection.bias], into: activations.mutable(tensor[image]))
      }
      attention.forward(
        activations[query[image]], activations[key[image]], activations[value[image]],
        weights: activations.mutable(weights.part(image, length: attention.weightCount)),
        scratch: scratch.mutable(scratch.all),
        into: activations.mutable(mixed[image]))
      copy(activations[x], into: activations.mutable(y))
      linear(
        activations[mixed[image]], rows: attention.tokens, weights: parameters[toOutput.weight],
        bias: parameters[toOutput.bias], into: activations.mutable(y), accumulates: true)
    }
  }

  /// Writes the input's gradient.
  func backward(_ pass: BackwardPass) {
    let (activations, gradients) = (pass.activations, pass.gradients)
    let parameterGradients = pass.parameterGradients
    let (scratch, channels) = (pass.workspace.attention, pass.workspace.channels)
    let rows = attention.tokens
    for image in pass.images {
      let (x, n) = (input[image], normalized[image])
      let (dx, dy, dn) = (input.gradient(image), output.gradient(image), normalized.gradient(image))
      pass.addGradients(of: toOutput, input: mixed[image], dy, rows: rows)
      linear(
        gradients[dy], rows: rows, weights: pass.prepared[toOutput.transposed],
        into: gradients.mutable(mixed.gradient(image)))
      attention.backward(
        activations[query[image]], activations[key[image]], activations[value[image]],
        weights: activations[weights.part(image, length: attention.weightCount)],
        gradients[mixed.gradient(image)],
        scratch: scratch.mutable(scratch.all),
        dq: gradients.mutable(query.gradient(image)), dk: gradients.mutable(key.gradient(image)),
        dv: gradients.mutable(value.gradient(image)))
      fill(gradients.mutable(dn), with: 0)
      for (projection, tensor) in projections {
        pass.addGradients(of: projection, input: n, tensor.gradient(image), rows: rows)
        linear(
          gradients[tensor.gradient(image)], rows: rows, weights: pass.prepared[projection.transposed],
          into: gradients.mutable(dn), accumulates: true)
      }
      norm.backward(
        activations[x], statistics: activations[statistics(of: image)],
        weight: pass.parameters[normParameters.weight], gradients[dn], derivative: nil,
        scratch: channels.mutable(Slice(offset: 0, count: 2 * norm.shape.channels)),
        weightGradient: parameterGradients?.mutable(normParameters.weight),
        biasGradient: parameterGradients?.mutable(normParameters.bias),
        adding: gradients[dy], into: gradients.mutable(dx), accumulates: false)
    }
  }
}
