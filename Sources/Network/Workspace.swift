import Kernels

/// An activation of the network: where it lies in a workspace, for up to a micro-batch of images.
package struct Tensor: Sendable {
  /// [capacity, height, width, channels].
  package let slice: Slice
  /// Of one image.
  package let shape: ImageShape

  /// The part of image `index`.
  package subscript(index: Int) -> Slice { slice.part(index, length: shape.count) }
}

/// Plans a network's buffers while its layers are made: parameters, activations (one slice each, for a whole
/// micro-batch, none shared) and the scratch memory that every layer uses in turn.
package struct NetworkPlan: Sendable {
  /// Images in a micro-batch.
  package let capacity: Int
  package var parameters = ParameterPlan()
  package private(set) var activations = ArenaPlan()
  package private(set) var paddedCount = 0
  package private(set) var plainCount = 0
  package private(set) var channelCount = 0
  package private(set) var attentionCount = 0

  package init(capacity: Int) { self.capacity = capacity }

  package mutating func tensor(_ shape: ImageShape) -> Tensor {
    Tensor(slice: activations.reserve(capacity * shape.count), shape: shape)
  }

  /// `count` floats for each image.
  package mutating func rows(_ count: Int) -> Slice { activations.reserve(capacity * count) }

  /// Scratch for one image of this shape: with a border, plain, and per channel.
  package mutating func needsScratch(for shape: ImageShape) {
    paddedCount = max(paddedCount, shape.padded.count)
    plainCount = max(plainCount, shape.count)
    channelCount = max(channelCount, 2 * shape.channels)
  }

  package mutating func needsScratch(for attention: Attention) {
    attentionCount = max(attentionCount, attention.scratchCount)
  }
}

/// The memory in which one worker runs a micro-batch: allocated once, by a finished plan.
///
/// `gradients` is laid out like `activations`: the gradient of a tensor lies where the tensor does.
package struct Workspace: Sendable {
  package let activations: Arena
  package let gradients: Arena
  /// One image with its zero border: the input of a convolution.
  package let padded: Arena
  /// The same for the gradient of its output.
  package let paddedGradient: Arena
  /// One image without a border: the gradient of a convolution's input.
  package let plain: Arena
  /// Two numbers a channel.
  package let channels: Arena
  package let attention: Arena

  /// - Parameter forTraining: whether there will be a backward pass.
  package init(_ plan: NetworkPlan, forTraining: Bool) {
    activations = Arena(count: plan.activations.count)
    gradients = Arena(count: forTraining ? plan.activations.count : 0)
    padded = Arena(count: plan.paddedCount)
    paddedGradient = Arena(count: forTraining ? plan.paddedCount : 0)
    plain = Arena(count: forTraining ? plan.plainCount : 0)
    channels = Arena(count: plan.channelCount)
    attention = Arena(count: plan.attentionCount)
  }
}

/// What a forward pass reads and where it works.
package struct ForwardPass {
  /// Images in this micro-batch, at most the plan's capacity.
  package let count: Int
  package let parameters: Arena
  package let workspace: Workspace

  package init(count: Int, parameters: Arena, workspace: Workspace) {
    self.count = count
    self.parameters = parameters
    self.workspace = workspace
  }

  var activations: Arena { workspace.activations }
}

/// What a backward pass reads besides, and the lane of parameter gradients that it adds to.
package struct BackwardPass {
  package let forward: ForwardPass
  /// Transposed and flipped weights (`Parameter.derive`).
  package let derived: Arena
  package let parameterGradients: Arena

  package init(forward: ForwardPass, derived: Arena, parameterGradients: Arena) {
    self.forward = forward
    self.derived = derived
    self.parameterGradients = parameterGradients
  }

  var count: Int { forward.count }
  var parameters: Arena { forward.parameters }
  var workspace: Workspace { forward.workspace }
  var activations: Arena { forward.workspace.activations }
  var gradients: Arena { forward.workspace.gradients }
}
