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
  /// [capacity, height, width, channels], among the activations.
  private let values: Slice
  /// The same, among the gradients.
  private let gradients: Slice
  /// Of one image.
  package let shape: ImageShape

  init(values: Slice, gradients: Slice, shape: ImageShape) {
    self.values = values
    self.gradients = gradients
    self.shape = shape
  }

  package subscript(image: Int) -> Slice { values.part(image, length: shape.count) }
  package subscript(images: Range<Int>) -> Slice { values.parts(images, length: shape.count) }

  package func gradient(_ image: Int) -> Slice { gradients.part(image, length: shape.count) }
  package func gradient(_ images: Range<Int>) -> Slice { gradients.parts(images, length: shape.count) }
}

/// Memory that the steps of a network use in turn.
private struct StepMemory: Sendable {
  private var free: [Slice] = []
  private var used: [Slice] = []

  mutating func reserve(_ count: Int, in plan: inout ArenaPlan) -> Slice {
    let fitting = free.indices.filter { free[$0].count >= count }
    let smallest = fitting.min { free[$0].count < free[$1].count }
    let slice = smallest.map { free.remove(at: $0) } ?? plan.reserve(count)
    used.append(slice)
    return slice[0..<count]
  }

  mutating func beginStep() {
    free += used
    used = []
  }
}

/// Plans a network's buffers while its layers are made: parameters, activations and their gradients for a
/// micro-batch, and the scratch memory that every layer uses in turn.
///
/// What only one step of the network reads and writes shares its memory with the other steps', and so stays near the
/// cache: the gradients of tensors local to a step, and where no backward pass will follow, these tensors themselves.
package struct NetworkPlan: Sendable {
  /// Images in a micro-batch.
  package let capacity: Int
  package var parameters = ParameterPlan()
  package private(set) var activations = ArenaPlan()
  package private(set) var gradients = ArenaPlan()
  private let forTraining: Bool
  private var stepActivations = StepMemory()
  private var stepGradients = StepMemory()
  /// Weights in the form that a pass reads, made from the parameters whenever these have changed.
  package private(set) var forwardWeights = ArenaPlan()
  package private(set) var backwardWeights = ArenaPlan()
  private var preparations: [Preparation] = []
  private var scratch = (padded: 0, plain: 0, channels: 0, attention: 0, convolution: 0)

  /// - Parameter forTraining: whether there will be backward passes.
  package init(capacity: Int, forTraining: Bool) {
    self.capacity = capacity
    self.forTraining = forTraining
  }

  /// - Parameters:
  ///   - isLocal: whether only layers of the current step read and write it.
  ///   - isRemade: whether, besides, the step's backward pass begins by making it again.
  package mutating func tensor(
    _ shape: ImageShape, isLocal: Bool = false, isRemade: Bool = false
  ) -> Tensor {
    let count = capacity * shape.count
    let isShared = isRemade || isLocal && !forTraining
    return Tensor(
      values: isShared ? stepActivations.reserve(count, in: &activations) : activations.reserve(count),
      gradients: isLocal ? stepGradients.reserve(count, in: &gradients) : gradients.reserve(count),
      shape: shape)
  }

  /// Begins the next step: what was local to the last one may be overwritten.
  package mutating func beginStep() {
    stepActivations.beginStep()
    stepGradients.beginStep()
  }

  /// `count` floats for each image, among the activations.
  package mutating func rows(_ count: Int) -> Slice { activations.reserve(capacity * count) }

  /// The same with a gradient.
  package mutating func vectors(_ count: Int) -> Tensor {
    tensor(ImageShape(height: 1, width: 1, channels: count))
  }

  /// Images of a micro-batch that a level takes at a time: few of a large size, so that one step finds in the
  /// second-level cache what the last one wrote; all of a small size, so that each weight read serves many.
  package func chunkSize(of shape: ImageShape) -> Int {
    max(1, min(capacity, Self.chunkPixels / shape.pixels))
  }
  private static let chunkPixels = 2 * 28 * 28

  /// Scratch for a chunk of this shape: with a border, plain, and per channel.
  package mutating func needsScratch(for shape: ImageShape) {
    let count = chunkSize(of: shape)
    scratch.padded = max(scratch.padded, count * shape.padded.count)
    scratch.plain = max(scratch.plain, count * shape.count)
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
    pool.run(preparations.count, sharing: (preparations, parameters, forward, backward)) { shared, index, _ in
      let (preparations, parameters, forward, backward) = shared
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

  var scratchArenas: (Arena, Arena, Arena, Arena) {
    (
      Arena(count: scratch.padded), Arena(count: scratch.channels), Arena(count: scratch.attention),
      Arena(count: scratch.convolution)
    )
  }

  func gradientScratchArenas(forTraining: Bool) -> (Arena, Arena, Arena) {
    (
      Arena(count: forTraining ? scratch.padded : 0), Arena(count: forTraining ? scratch.plain : 0),
      Arena(count: forTraining ? scratch.plain : 0)
    )
  }
}
