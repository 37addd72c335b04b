import Kernels

/// diffusers' Attention, `A(C)` of its UNet: y = x + to_out(attention(to_q(n), to_k(n), to_v(n))) with
/// n = group norm of x, over the pixels of an image as tokens.
struct AttentionBlock: Sendable {
  let input: Tensor
  let output: Tensor
  private let norm: GroupNorm
  private let normParameters: WeightAndBias
  private let attention: Attention
  private let toOutput: LinearLayer
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
    func linear(_ part: String) -> LinearLayer {
      plan.linear(
        name + part, inputChannels: channels, outputChannels: channels, precision: plan.precision)
    }
    let toQuery = linear(".to_q")
    let toKey = linear(".to_k")
    let toValue = linear(".to_v")
    toOutput = linear(".to_out.0")
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
  private let projections: [(LinearLayer, Tensor)]

  private func statistics(of image: Int) -> Slice {
    statistics.part(image, length: 2 * norm.shape.channels)
  }

  func forward(_ pass: ForwardPass) {
    let (activations, parameters) = (pass.activations, pass.parameters)
    let (scratch, rows) = (pass.workspace.attention, pass.count * attention.tokens)
    for image in pass.images {
      norm.statistics(activations[input[image]], into: activations.mutable(statistics(of: image)))
      norm.forward(
        activations[input[image]], statistics: activations[statistics(of: image)],
        weight: parameters[normParameters.weight], bias: parameters[normParameters.bias],
        activates: false, border: 0, into: activations.mutable(normalized[image]))
    }
    for (projection, tensor) in projections {
      projection.forward(normalized[pass.images], rows: rows, into: tensor[pass.images], pass)
    }
    for image in pass.images {
      attention.forward(
        activations[query[image]], activations[key[image]], activations[value[image]],
        weights: activations.mutable(weights.part(image, length: attention.weightCount)),
        scratch: scratch.mutable(scratch.all),
        into: activations.mutable(mixed[image]))
    }
    copy(activations[input[pass.images]], into: activations.mutable(output[pass.images]))
    toOutput.forward(mixed[pass.images], rows: rows, into: output[pass.images], accumulates: true, pass)
  }

  /// Writes the input's gradient.
  func backward(_ pass: BackwardPass) {
    let (activations, gradients) = (pass.activations, pass.gradients)
    let parameterGradients = pass.parameterGradients
    let (scratch, channels) = (pass.workspace.attention, pass.workspace.channels)
    let (rows, all) = (pass.count * attention.tokens, pass.images)
    let (dy, dn) = (output.gradient(all), normalized.gradient(all))
    toOutput.addGradients(mixed[all], dy, rows: rows, pass)
    toOutput.inputGradient(dy, rows: rows, into: mixed.gradient(all), pass)
    for image in all {
      attention.backward(
        activations[query[image]], activations[key[image]], activations[value[image]],
        weights: activations[weights.part(image, length: attention.weightCount)],
        gradients[mixed.gradient(image)],
        scratch: scratch.mutable(scratch.all),
        dq: gradients.mutable(query.gradient(image)), dk: gradients.mutable(key.gradient(image)),
        dv: gradients.mutable(value.gradient(image)))
    }
    for (index, (projection, tensor)) in projections.enumerated() {
      projection.addGradients(normalized[all], tensor.gradient(all), rows: rows, pass)
      projection.inputGradient(tensor.gradient(all), rows: rows, into: dn, accumulates: index > 0, pass)
    }
    for image in all {
      norm.backward(
        activations[input[image]], statistics: activations[statistics(of: image)],
        weight: pass.parameters[normParameters.weight], gradients[normalized.gradient(image)],
        derivative: nil, scratch: channels.mutable(Slice(offset: 0, count: 2 * norm.shape.channels)),
        weightGradient: parameterGradients?.mutable(normParameters.weight),
        biasGradient: parameterGradients?.mutable(normParameters.bias),
        adding: gradients[output.gradient(image)], into: gradients.mutable(input.gradient(image)),
        accumulates: false)
    }
  }
}
