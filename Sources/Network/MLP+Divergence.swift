import Kernels

/// The exact divergence Σ_i ∂v_i/∂x_i of a small network, by d forward tangents that travel with the values as
/// further rows, and its gradient:
///
///     ż⁽ⁱ⁾_l = W_l·σ′(z_{l−1})·ż⁽ⁱ⁾_{l−1},   (x, t)˙⁽ⁱ⁾ = e_i,   div v = Σ_i v̇⁽ⁱ⁾_i.
///
/// A micro-batch of n samples has n rows of values, then n rows of each tangent. Of a network made with
/// `carriesTangents`.
extension MLP {
  /// Values of the `count` samples, and the rows of a tangent.
  private func tangentRows(_ i: Int, _ count: Int) -> Range<Int> { (1 + i) * count..<(2 + i) * count }

  /// Reads `input` and `timesteps`; writes `output`, and the divergence of each sample.
  ///
  /// - Parameter divergences: [count].
  package func forwardWithDivergence(
    _ pass: ForwardPass, divergences: consuming MutableSpan<Float>
  ) {
    precondition(carriesTangents, "the network has no memory for tangents")
    let (activations, parameters, count) = (pass.activations, pass.parameters, pass.count)
    precondition(pass.images.lowerBound == 0 && count <= microBatchSize && divergences.count == count)
    let (values, tangents) = (0..<count, count..<(1 + dimension) * count)
    concatenate(
      activations[input[values]], activations[time[values]], pixels: count,
      into: activations.mutable(joined[values]))
    var seeds = activations.mutable(joined[tangents])
    for i in seeds.indices { seeds[i] = 0 }
    for i in 0..<dimension {
      for row in 0..<count { seeds[(i * count + row) * (dimension + 1) + i] = 1 }
    }
    for (index, layer) in layers.enumerated() {
      if index > 0 {
        let z = layers[index - 1].sum
        activation.apply(activations[z[values]], into: activations.mutable(layer.input[values]))
        for i in 0..<dimension {
          let rows = tangentRows(i, count)
          activation.multiplyByDerivative(
            activations[z[values]], activations[z[rows]], into: activations.mutable(layer.input[rows]))
        }
      }
      let weights = parameters[layer.parameters.weight]
      linear(
        activations[layer.input[values]], rows: count, weights: weights,
        bias: parameters[layer.parameters.bias], into: activations.mutable(layer.sum[values]))
      linear(
        activations[layer.input[tangents]], rows: tangents.count, weights: weights,
        into: activations.mutable(layer.sum[tangents]))
    }
    for row in 0..<count {
      var sum: Float = 0
      for i in 0..<dimension { sum += activations[output[(1 + i) * count + row]][i] }
      divergences[row] = sum
    }
  }

  /// After `forwardWithDivergence` in the same workspace: reads the gradient at `output`, adds the parameters' gradients
  /// and writes that of `input`.
  ///
  ///     dz_{l−1} = σ′·da + σ″·Σ_i ȧ-gradient⁽ⁱ⁾·ż⁽ⁱ⁾,   dż⁽ⁱ⁾_{l−1} = σ′·dȧ⁽ⁱ⁾
  ///
  /// - Parameter divergenceGradients: [count], with respect to each sample's divergence.
  package func backwardWithDivergence(_ divergenceGradients: Span<Float>, _ pass: BackwardPass) {
    let (activations, gradients, count) = (pass.activations, pass.gradients, pass.count)
    guard let parameterGradients = pass.parameterGradients else {
      preconditionFailure("the likelihood is differentiated for its parameters")
    }
    precondition(carriesTangents && divergenceGradients.count == count)
    let (values, all) = (0..<count, 0..<(1 + dimension) * count)
    for i in 0..<dimension {
      for row in 0..<count {
        var gradient = gradients.mutable(output.gradient((1 + i) * count + row))
        for j in gradient.indices { gradient[j] = i == j ? divergenceGradients[row] : 0 }
      }
    }
    for (index, layer) in layers.enumerated().reversed() {
      addLinearWeightGradient(
        activations[layer.input[all]], gradients[layer.sum.gradient(all)], rows: all.count,
        into: parameterGradients.mutable(layer.parameters.weight))
      pass.addBiasGradient(layer.sum.gradient(values), to: layer.parameters.bias)
      layer.parameters.inputGradient(
        layer.sum.gradient(all), rows: all.count, into: layer.input.gradient(all), pass)
      guard index > 0 else { break }
      let z = layers[index - 1].sum
      activation.multiplyByDerivative(
        activations[z[values]], gradients[layer.input.gradient(values)],
        into: gradients.mutable(z.gradient(values)))
      for i in 0..<dimension {
        let rows = tangentRows(i, count)
        activation.addCurvature(
          activations[z[values]], tangent: activations[z[rows]],
          tangentGradient: gradients[layer.input.gradient(rows)],
          into: gradients.mutable(z.gradient(values)))
        activation.multiplyByDerivative(
          activations[z[values]], gradients[layer.input.gradient(rows)],
          into: gradients.mutable(z.gradient(rows)))
      }
    }
    split(
      gradients[joined.gradient(values)], pixels: count, into: gradients.mutable(input.gradient(values)),
      gradients.mutable(time.gradient(values)))
  }
}
