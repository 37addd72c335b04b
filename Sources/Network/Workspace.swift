import Kernels

/// A linear layer's parameters, and its transposed weights among the prepared ones.
package struct LinearParameters: Sendable {
  package let weight: Slice
  package let bias: Slice
  package let transposed: Slice
}

/// A 3×3 convolution's parameters, and what each pass reads in place of its weights.
package struct ConvolutionParameters: Sendable {
  package let weight: Slice
  package let bias: Slice
  /// Nil where the forward pass reads the weights themselves.
  package let forward: Slice?
  package let backward: Slice
}

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
  /// Weights in the form that a pass reads, made from the parameters whenever these have changed.
  package private(set) var forwardWeights = ArenaPlan()
  package private(set) var backwardWeights = ArenaPlan()
  private var preparations: [Preparation] = []
  private var scratch = (padded: 0, plain: 0, channels: 0, attention: 0, convolution: 0)

  package init(capacity: Int) { self.capacity = capacity }

  package mutating func tensor(_ shape: ImageShape) -> Tensor {
    Tensor(slice: activations.reserve(capacity * shape.count), shape: shape)
  }

  /// `count` floats for each image.
  package mutating func rows(_ count: Int) -> Slice { activations.reserve(capacity * count) }

  /// Scratch for a micro-batch of this shape: with a border, plain, and per channel.
  package mutating func needsScratch(for shape: ImageShape) {
    scratch.padded = max(scratch.padded, capacity * shape.padded.count)
    scratch.plain = max(scratch.plain, capacity * shape.count)
    scratch.channels = max(scratch.channels, 2 * shape.channels)
  }

  package mutating func needsScratch(for attention: Attention) {
    scratch.attention = max(scratch.attention, attention.scratchCount)
  }

  // MARK: Layers with weights

  /// A linear layer's parameters, and the place of its transposed weights.
  package mutating func linear(_ name: String, inputChannels: Int, outputChannels: Int) -> LinearParameters {
    transposed(
      parameters.linear(name, inputChannels: inputChannels, outputChannels: outputChannels), inputChannels,
      outputChannels)
  }

  /// The same for a 1×1 convolution.
  package mutating func pointwise(
    _ name: String, inputChannels: Int, outputChannels: Int
  ) -> LinearParameters {
    transposed(
      parameters.convolution(
        name, inputChannels: inputChannels, outputChannels: outputChannels, kernelSize: 1), inputChannels,
      outputChannels)
  }

  private mutating func transposed(
    _ layer: WeightAndBias, _ inputChannels: Int, _ outputChannels: Int
  ) -> LinearParameters {
    let place = backwardWeights.reserve(layer.weight.count)
    preparations.append(.transpose(layer.weight, rows: inputChannels, columns: outputChannels, into: place))
    return LinearParameters(weight: layer.weight, bias: layer.bias, transposed: place)
  }

  /// A 3×3 convolution's parameters, the places of its prepared weights, and its scratch memory.
  ///
  /// - Parameter isZero: whether the weights begin at zero.
  package mutating func convolution(
    _ name: String, _ convolution: Convolution3x3, isZero: Bool = false
  ) -> ConvolutionParameters {
    let layer = parameters.convolution(
      name, inputChannels: convolution.input.channels, outputChannels: convolution.output.channels,
      isZero: isZero)
    let forward = convolution.forwardWeightCount.map { forwardWeights.reserve($0) }
    let backward = backwardWeights.reserve(convolution.backwardWeightCount)
    preparations.append(.convolution(convolution, layer.weight, forward: forward, backward: backward))
    needsScratch(for: convolution.input)
    needsScratch(for: convolution.output)
    scratch.convolution = max(scratch.convolution, convolution.scratchCount)
    return ConvolutionParameters(
      weight: layer.weight, bias: layer.bias, forward: forward, backward: backward)
  }

  private enum Preparation: Sendable {
    case transpose(Slice, rows: Int, columns: Int, into: Slice)
    case convolution(Convolution3x3, Slice, forward: Slice?, backward: Slice)
  }

  /// Brings prepared weights up to date with the parameters.
  ///
  /// - Parameters:
  ///   - parameters: their slices.
  ///   - backward: those of the backward pass, if there will be one.
  package func prepare(
    _ parameters: Arena, forward: Arena, backward: Arena?, pool: WorkerPool
  ) {
    pool.run(preparations.count) { [preparations] index, _ in
      switch preparations[index] {
      case .transpose(let weights, let rows, let columns, let place):
        guard let backward else { return }
        transpose(parameters[weights], rows: rows, columns: columns, into: backward.mutable(place))
      case .convolution(let convolution, let weights, let forwardPlace, let backwardPlace):
        if let forwardPlace {
          convolution.prepareForward(parameters[weights], into: forward.mutable(forwardPlace))
        }
        guard let backward else { return }
        convolution.prepareBackward(parameters[weights], into: backward.mutable(backwardPlace))
      }
    }
  }

  fileprivate func scratchArenas(forTraining: Bool) -> (Arena, Arena, Arena, Arena, Arena, Arena) {
    (
      Arena(count: scratch.padded), Arena(count: forTraining ? scratch.padded : 0),
      Arena(count: forTraining ? scratch.plain : 0), Arena(count: scratch.channels),
      Arena(count: scratch.attention), Arena(count: scratch.convolution)
    )
  }
}

/// The memory in which one worker runs a micro-batch: allocated once, by a finished plan.
///
/// `gradients` is laid out like `activations`: the gradient of a tensor lies where the tensor does.
package struct Workspace: Sendable {
  package let activations: Arena
  package let gradients: Arena
  /// A micro-batch in its padded planes: the input of a convolution.
  package let padded: Arena
  /// The same for the gradient of its output.
  package let paddedGradient: Arena
  /// A micro-batch without a border: the gradient of a convolution's input.
  package let plain: Arena
  /// Two numbers a channel.
  package let channels: Arena
  package let attention: Arena
  package let convolution: Arena

  /// - Parameter forTraining: whether there will be a backward pass.
  package init(_ plan: NetworkPlan, forTraining: Bool) {
    activations = Arena(count: plan.activations.count)
    gradients = Arena(count: forTraining ? plan.activations.count : 0)
    (padded, paddedGradient, plain, channels, attention, convolution) =
      plan.scratchArenas(forTraining: forTraining)
  }
}

/// What a forward pass reads and where it works.
package struct ForwardPass {
  /// Images in this micro-batch, at most the plan's capacity.
  package let count: Int
  package let parameters: Arena
  /// Prepared weights (`NetworkPlan.prepare`).
  package let prepared: Arena
  package let workspace: Workspace

  package init(count: Int, parameters: Arena, prepared: Arena, workspace: Workspace) {
    self.count = count
    self.parameters = parameters
    self.prepared = prepared
    self.workspace = workspace
  }

  var activations: Arena { workspace.activations }
}

/// What a backward pass reads besides, and the lane of parameter gradients that it adds to.
package struct BackwardPass {
  package let forward: ForwardPass
  /// The backward pass's prepared weights.
  package let prepared: Arena
  package let parameterGradients: Arena

  package init(forward: ForwardPass, prepared: Arena, parameterGradients: Arena) {
    self.forward = forward
    self.prepared = prepared
    self.parameterGradients = parameterGradients
  }

  var count: Int { forward.count }
  var parameters: Arena { forward.parameters }
  var workspace: Workspace { forward.workspace }
  var activations: Arena { forward.workspace.activations }
  var gradients: Arena { forward.workspace.gradients }
}
