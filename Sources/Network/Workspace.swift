import Kernels

/// The memory in which one worker runs a micro-batch: allocated once, by a finished plan.
package struct Workspace: Sendable {
  package let activations: Arena
  package let gradients: Arena
  /// A micro-batch in its padded planes: the input of a convolution.
  package let padded: Arena
  /// The same for the gradient of its output.
  package let paddedGradient: Arena
  /// A micro-batch without a border: the gradient of a convolution's input.
  package let plain: Arena
  /// The same for the derivative of its activation.
  package let derivative: Arena
  /// Two numbers a channel.
  package let channels: Arena
  package let attention: Arena
  package let convolution: Arena

  /// - Parameter forTraining: whether there will be a backward pass.
  package init(_ plan: NetworkPlan, forTraining: Bool) {
    activations = Arena(count: plan.activations.count)
    gradients = Arena(count: forTraining ? plan.gradients.count : 0)
    (padded, channels, attention, convolution) = plan.scratchArenas
    (paddedGradient, plain, derivative) = plan.gradientScratchArenas(forTraining: forTraining)
  }
}
