import Kernels

/// How much scratch memory a network's layers use in turn, in floats: the largest need of any.
struct ScratchPlan: Sendable {
  /// Some images with a border: a convolution's input, or the gradient of its output.
  var padded = 0
  /// Some images without one: the gradient of a convolution's input, or the derivative of its activation.
  var plain = 0
  /// Two numbers a channel.
  var channels = 0
  /// `Attention.scratchCount`.
  var attention = 0
  /// `Convolution3x3.scratchCount` or `Linear.scratchCount`.
  var products = 0

  /// Of all of a workspace's scratch arenas. `padded` and `plain` are there twice.
  var trainingSize: Int { 2 * padded + 2 * plain + channels + attention + products }
}

/// The memory in which one worker runs a micro-batch, allocated once by a finished plan. Only that worker may touch it.
package struct Workspace: Sendable {
  /// The network's tensors for up to a micro-batch, and their gradients.
  package let activations: Arena
  package let gradients: Arena
  /// [portion, padded height, padded width, channels] A convolution's input, and the gradient of its output.
  let padded: Arena
  let paddedGradient: Arena
  /// [portion, height, width, channels] The gradient of a convolution's input, and the derivative of the activation there.
  let plain: Arena
  let derivative: Arena
  /// [2, channels] Sums of a norm's backward pass.
  let channels: Arena
  /// `Attention.scratchCount` floats, and those of a convolution or a linear layer.
  let attention: Arena
  let products: Arena

  /// - Parameter forTraining: whether there will be a backward pass.
  package init(_ plan: NetworkPlan, forTraining: Bool) {
    func arena(_ count: Int, onlyForTraining: Bool = false) -> Arena {
      Arena(count: forTraining || !onlyForTraining ? count : 0)
    }
    activations = arena(plan.activations.count)
    gradients = arena(plan.gradients.count, onlyForTraining: true)
    padded = arena(plan.scratch.padded)
    paddedGradient = arena(plan.scratch.padded, onlyForTraining: true)
    plain = arena(plan.scratch.plain, onlyForTraining: true)
    derivative = arena(plan.scratch.plain, onlyForTraining: true)
    channels = arena(plan.scratch.channels)
    attention = arena(plan.scratch.attention)
    products = arena(plan.scratch.products)
  }
}
