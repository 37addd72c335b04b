import Kernels

/// The embedding of time and, in a conditional network, of the class:
///
///     emb = linear_2(SiLU(linear_1(sinusoids(timestep)))) + class_embedding[label]
struct Embedding: Sendable {
  /// [capacity], on the network's scale: t·1000.
  let timesteps: Slice
  /// [capacity], in a conditional network: the number of each image's class.
  let labels: Slice?
  /// [capacity, width] SiLU(emb): what the residual blocks read.
  let output: Tensor
  private let frequencyShift: Double
  private let cosineFirst: Bool
  private let sinusoidCount: Int
  private let (first, second): (LinearLayer, LinearLayer)
  private let classes: Slice?
  /// [capacity, sinusoidCount]
  private let sinusoids: Tensor
  /// [capacity, width]: linear_1's result, its SiLU, and emb.
  private let (hidden, activatedHidden, embedded): (Tensor, Tensor, Tensor)

  init(_ configuration: UNetConfiguration, plan: inout NetworkPlan) {
    let width = configuration.timeEmbeddingWidth
    sinusoidCount = configuration.blockOutputChannels[0]
    frequencyShift = configuration.frequencyShift
    cosineFirst = configuration.flipSinToCos
    first = plan.linear(
      "time_embedding.linear_1", inputChannels: sinusoidCount, outputChannels: width)
    second = plan.linear(
      "time_embedding.linear_2", inputChannels: width, outputChannels: width)
    classes = configuration.classCount.map {
      plan.parameters.embedding("class_embedding", count: $0, width: width)
    }
    timesteps = plan.rows(1)
    labels = classes.map { _ in plan.rows(1) }
    sinusoids = plan.vectors(sinusoidCount)
    hidden = plan.vectors(width)
    activatedHidden = plan.vectors(width)
    embedded = plan.vectors(width)
    output = plan.vectors(width)
  }

  func forward(_ pass: ForwardPass) {
    let (activations, parameters, count) = (pass.activations, pass.parameters, pass.count)
    let all = pass.images
    sinusoidalEmbedding(
      activations[timesteps[0..<count]], frequencyShift: frequencyShift, cosineFirst: cosineFirst,
      into: activations.mutable(sinusoids[all]))
    first.forward(sinusoids[all], rows: count, into: hidden[all], pass)
    ActivationFunction.silu.apply(activations[hidden[all]], into: activations.mutable(activatedHidden[all]))
    second.forward(activatedHidden[all], rows: count, into: embedded[all], pass)
    for image in all {
      if let row = classEmbedding(of: image, pass) {
        add(parameters[row], into: activations.mutable(embedded[image]))
      }
    }
    ActivationFunction.silu.apply(
      activations[embedded[all]], into: activations.mutable(output[all]))
  }

  private func classEmbedding(of image: Int, _ pass: ForwardPass) -> Slice? {
    guard let classes, let labels else { return nil }
    let label = pass.activations[labels][image]
    return classes.part(Int(label), length: output.shape.channels)
  }

  /// The residual blocks add to the gradient of `output`: it starts at zero.
  func prepareGradient(_ pass: BackwardPass) {
    fill(pass.gradients.mutable(output.gradient(pass.images)), with: 0)
  }

  /// Adds the parameters' gradients. There is no input that another layer computes.
  func backward(_ pass: BackwardPass) {
    let (activations, gradients, count) = (pass.activations, pass.gradients, pass.count)
    guard let parameterGradients = pass.parameterGradients else { return }
    let all = pass.images
    ActivationFunction.silu.multiplyByDerivative(
      activations[embedded[all]], gradients[output.gradient(all)],
      into: gradients.mutable(embedded.gradient(all)))
    for image in all {
      if let row = classEmbedding(of: image, pass.forward) {
        add(gradients[embedded.gradient(image)], into: parameterGradients.mutable(row))
      }
    }
    second.addGradients(activatedHidden[all], embedded.gradient(all), rows: count, pass)
    second.inputGradient(embedded.gradient(all), rows: count, into: activatedHidden.gradient(all), pass)
    ActivationFunction.silu.multiplyByDerivative(
      activations[hidden[all]], gradients[activatedHidden.gradient(all)],
      into: gradients.mutable(hidden.gradient(all)))
    first.addGradients(sinusoids[all], hidden.gradient(all), rows: count, pass)
  }
}
