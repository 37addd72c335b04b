import Kernels

/// A 3×3 convolution's parameters, and what each pass reads in place of its weights.
struct ConvolutionParameters: Sendable {
  let weight: Slice
  let bias: Slice
  /// Nil where the forward pass reads the weights themselves.
  let forward: Slice?
  let backward: Slice
}

/// Plans a network's buffers while its layers are made: parameters, activations and their gradients for a
/// micro-batch, prepared weights, and the scratch memory that every layer uses in turn.
package struct NetworkPlan: Sendable {
  /// Images in a micro-batch.
  package let capacity: Int
  package var parameters = ParameterPlan()
  package private(set) var activations = ArenaPlan()
  package private(set) var gradients = ArenaPlan()
  package let forTraining: Bool
  /// Of the convolutions, and of attention's linear layers.
  package let precision: Precision
  private var unitActivations = UnitMemory()
  private var unitGradients = UnitMemory()
  /// Weights in the form that a pass reads, made from the parameters whenever these have changed.
  package private(set) var forwardWeights = ArenaPlan()
  package private(set) var backwardWeights = ArenaPlan()
  private var preparations: [Preparation] = []
  private(set) var scratch = ScratchPlan()

  /// - Parameter forTraining: whether there will be backward passes.
  package init(capacity: Int, forTraining: Bool, precision: Precision = .float32) {
    self.precision = precision
    self.capacity = capacity
    self.forTraining = forTraining
  }

  /// [capacity, height, width, channels], with a gradient.
  mutating func tensor(_ shape: ImageShape, lifetime: Lifetime = .pass) -> Tensor {
    let count = capacity * shape.count
    let sharesValues = lifetime == .recomputed || lifetime == .unit && !forTraining
    return Tensor(
      values: sharesValues
        ? unitActivations.reserve(count, in: &activations) : activations.reserve(count),
      gradients: lifetime == .pass
        ? gradients.reserve(count) : unitGradients.reserve(count, in: &gradients),
      shape: shape)
  }

  /// Begins the network's next unit: what only the last one needed may be overwritten.
  mutating func beginUnit() {
    unitActivations.beginUnit()
    unitGradients.beginUnit()
  }

  /// [capacity, count], among the activations, without a gradient.
  mutating func rows(_ count: Int) -> Slice { activations.reserve(capacity * count) }

  /// [capacity, count] with a gradient.
  mutating func vectors(_ count: Int) -> Tensor {
    tensor(ImageShape(height: 1, width: 1, channels: count))
  }

  /// Images of a portion, which a level takes through its layers at a time: few of a large size, so that one layer
  /// finds in the second-level cache what the last one wrote; all of a small size, so that each weight read serves many.
  package func portionSize(of shape: ImageShape) -> Int {
    max(1, min(capacity, 2 * 28 * 28 / shape.pixels))
  }

  /// Scratch for a portion of images of this shape.
  mutating func needsScratch(for shape: ImageShape) {
    let count = portionSize(of: shape)
    scratch.padded = max(scratch.padded, count * shape.padded.count)
    scratch.plain = max(scratch.plain, count * shape.count)
    scratch.channels = max(scratch.channels, 2 * shape.channels)
  }

  mutating func needsScratch(for attention: Attention) {
    scratch.attention = max(scratch.attention, attention.scratchCount)
  }

  /// Floats of memory that training on one thread takes: a workspace, prepared weights, and eight times the parameters:
  /// themselves, their moving average, two moments, and four sums of gradients.
  var trainingSize: Int {
    activations.count + gradients.count + scratch.trainingSize + forwardWeights.count
      + backwardWeights.count + 8 * parameters.count
  }

  // MARK: Layers with weights

  /// A linear layer with its parameters, the places of its prepared weights, and its scratch memory.
  ///
  /// - Parameter precision: the embeddings' layers, which have one row an image, are left in Float32.
  mutating func linear(
    _ name: String, inputChannels: Int, outputChannels: Int, precision: Precision = .float32
  ) -> LinearLayer {
    prepared(
      parameters.linear(name, inputChannels: inputChannels, outputChannels: outputChannels),
      Linear(inputChannels: inputChannels, outputChannels: outputChannels, precision: precision))
  }

  /// The same for a 1×1 convolution.
  mutating func pointwise(
    _ name: String, inputChannels: Int, outputChannels: Int
  ) -> LinearLayer {
    prepared(
      parameters.convolution(
        name, inputChannels: inputChannels, outputChannels: outputChannels, kernelSize: 1),
      Linear(inputChannels: inputChannels, outputChannels: outputChannels, precision: precision))
  }

  private mutating func prepared(_ parameters: WeightAndBias, _ kernel: Linear) -> LinearLayer {
    let forward = kernel.forwardWeightCount.map { forwardWeights.reserve($0) }
    let backward = backwardWeights.reserve(kernel.backwardWeightCount)
    preparations.append(.linear(kernel, parameters.weight, forward: forward, backward: backward))
    scratch.products = max(scratch.products, kernel.scratchCount)
    return LinearLayer(
      kernel: kernel, weight: parameters.weight, bias: parameters.bias, forward: forward, backward: backward)
  }

  /// A 3×3 convolution's parameters, the places of its prepared weights, and its scratch memory.
  ///
  /// - Parameter isZero: whether the weights begin at zero.
  mutating func convolution(
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
    scratch.products = max(scratch.products, convolution.scratchCount)
    return ConvolutionParameters(
      weight: layer.weight, bias: layer.bias, forward: forward, backward: backward)
  }

  private enum Preparation: Sendable {
    case linear(Linear, Slice, forward: Slice?, backward: Slice)
    case convolution(Convolution3x3, Slice, forward: Slice?, backward: Slice)
  }

  /// Brings prepared weights up to date with the parameters.
  ///
  /// - Parameter backward: those of the backward pass, if there will be one.
  package func prepare(
    _ parameters: Weights, forward: Arena, backward: Arena?, pool: WorkerPool
  ) {
    pool.run(preparations.count, sharing: (preparations, parameters, forward, backward)) { shared, index, _ in
      let (preparations, parameters, forward, backward) = shared
      switch preparations[index] {
      case .linear(let layer, let weights, let forwardPlace, let backwardPlace):
        if let forwardPlace {
          layer.prepareForward(parameters[weights], into: forward.mutable(forwardPlace))
        }
        guard let backward else { return }
        layer.prepareBackward(parameters[weights], into: backward.mutable(backwardPlace))
      case .convolution(let convolution, let weights, let forwardPlace, let backwardPlace):
        if let forwardPlace {
          convolution.prepareForward(parameters[weights], into: forward.mutable(forwardPlace))
        }
        guard let backward else { return }
        convolution.prepareBackward(parameters[weights], into: backward.mutable(backwardPlace))
      }
    }
  }
}
