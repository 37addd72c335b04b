import Kernels

/// A multilayer perceptron v(x, t): linear layers with an activation between them,
///
///     z₁ = W₁·(x, t) + b₁,   z_l = W_l·σ(z_{l−1}) + b_l,   v = z_L,
///
/// the network of the 2-D tutorial, 3-64-64-64-2 in its default. Time is an input like any other, raw in [0, 1].
/// It starts with PyTorch's default initialisation.
package struct MLP: FlowNetwork {
  package struct Configuration: Sendable, Equatable {
    /// Numbers of one sample.
    package var dimension: Int
    /// Of each layer but the last.
    package var hiddenWidths: [Int]
    package var activation: ActivationFunction

    package init(
      dimension: Int = 2, hiddenWidths: [Int] = [64, 64, 64], activation: ActivationFunction = .elu
    ) {
      precondition(dimension > 0 && hiddenWidths.allSatisfy { $0 > 0 }, "a layer has at least one output")
      self.dimension = dimension
      self.hiddenWidths = hiddenWidths
      self.activation = activation
    }

    /// "3-64-64-64-2".
    package var widths: [Int] { [dimension + 1] + hiddenWidths + [dimension] }
  }

  package let configuration: Configuration
  package let plan: NetworkPlan
  package let input: Tensor
  package var output: Tensor { layers[layers.count - 1].sum }
  package var timesteps: Slice { time[0..<microBatchSize] }
  package var labels: Slice? { nil }
  package var timeScale: Float { 1 }
  package var shape: ImageShape { ImageShape(height: 1, width: 1, channels: configuration.dimension) }
  package var classCount: Int? { nil }
  package var unconditionalClass: Int? { nil }
  /// There is nothing to plan: it has no convolutions, and forward passes keep little.
  package func planned(forTraining: Bool, precision: Precision) -> MLP { self }
  package var microBatchSize: Int { Self.microBatchSize }
  /// Four micro-batches make a batch of 256: as many as a gradient has lanes.
  private static let microBatchSize = 64
  /// Whether rows of tangents go with the values (`forwardWithDivergence`).
  let carriesTangents: Bool

  /// A linear layer.
  struct Layer: Sendable {
    let parameters: LinearLayer
    let input: Tensor
    /// z, [rows, out].
    let sum: Tensor
  }

  let layers: [Layer]
  let time: Tensor
  /// (x, t), [rows, dimension + 1].
  let joined: Tensor
  var activation: ActivationFunction { configuration.activation }

  /// - Parameter carriesTangents: whether there is to be memory for `forwardWithDivergence`.
  package init(_ configuration: Configuration, carriesTangents: Bool = false) {
    self.configuration = configuration
    self.carriesTangents = carriesTangents
    let rows = Self.microBatchSize * (carriesTangents ? 1 + configuration.dimension : 1)
    var plan = NetworkPlan(capacity: rows, forTraining: true)
    input = plan.vectors(configuration.dimension)
    time = plan.vectors(1)
    joined = plan.vectors(configuration.dimension + 1)
    var layers: [Layer] = []
    var x = joined
    let widths = configuration.widths
    for (index, width) in widths.dropFirst().enumerated() {
      let sum = plan.vectors(width)
      layers.append(
        Layer(
          parameters: plan.linear(
            "layers.\(index)", inputChannels: widths[index], outputChannels: width), input: x, sum: sum))
      if index < widths.count - 2 { x = plan.vectors(width) }
    }
    self.layers = layers
    self.plan = plan
  }

  package func forward(_ pass: ForwardPass) {
    let (activations, rows) = (pass.activations, pass.images)
    concatenate(
      activations[input[rows]], activations[time[rows]], pixels: rows.count,
      into: activations.mutable(joined[rows]))
    for (index, layer) in layers.enumerated() {
      if index > 0 {
        activation.apply(
          activations[layers[index - 1].sum[rows]], into: activations.mutable(layer.input[rows]))
      }
      layer.parameters.forward(layer.input[rows], rows: rows.count, into: layer.sum[rows], pass)
    }
  }

  /// dW_l += σ(z_{l−1})ᵀ·dz_l,   db_l += Σ dz_l,   dz_{l−1} = σ′(z_{l−1}) ⊙ (dz_l·W_lᵀ).
  package func backward(toInput: Bool, _ pass: BackwardPass) {
    let (activations, gradients, rows) = (pass.activations, pass.gradients, pass.images)
    for (index, layer) in layers.enumerated().reversed() {
      let dz = layer.sum.gradient(rows)
      layer.parameters.addGradients(layer.input[rows], dz, rows: rows.count, pass)
      if index == 0 && !toInput { return }
      let dx = layer.input.gradient(rows)
      layer.parameters.inputGradient(dz, rows: rows.count, into: dx, pass)
      guard index > 0 else { break }
      let below = layers[index - 1].sum
      activation.multiplyByDerivative(
        activations[below[rows]], gradients[dx], into: gradients.mutable(below.gradient(rows)))
    }
    split(
      gradients[joined.gradient(rows)], pixels: rows.count, into: gradients.mutable(input.gradient(rows)),
      gradients.mutable(time.gradient(rows)))
  }
}
