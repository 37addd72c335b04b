import Kernels

/// A small convolutional classifier of images, in whose features sets of images are compared:
///
///     x → conv → R → conv↓ → R → R → conv↓ → R → R → features = mean over pixels of SiLU(groupNorm(·)) → linear → logits
///
/// where R(x) = x + conv(SiLU(groupNorm(x))) keeps the shape, and conv↓ halves the sides. Without the last norm some
/// images' features are so long that they alone decide a distance.
package struct ImageClassifier: PlannedNetwork {
  /// Channels of the three levels; the last are the features.
  package static let widths = [16, 48, 96]
  /// Sides must be multiples of it: two levels halve them.
  package static let sideMultiple = 4
  private static let blocks = [1, 2, 2]
  private static let groupCount = 8
  private static let eps: Float = 1e-5

  package let plan: NetworkPlan
  package let microBatchSize: Int
  package let shape: ImageShape
  package let input: Tensor
  /// [microBatchSize, classes] The logits.
  package let output: Tensor
  /// [microBatchSize, features]
  package let features: Tensor

  private let levels: [Level]
  private let norm: GroupNorm
  private let normParameters: WeightAndBias
  /// [microBatchSize, 2, features]
  private let statistics: Slice
  /// The last level's output after the norm, and after SiLU: [microBatchSize, height, width, features].
  private let normalized: Tensor
  private let activated: Tensor
  private let head: LinearLayer

  private struct Level: Sendable {
    let convolution: ConvolutionLayer
    /// R's convolution, and what R writes.
    var blocks: [(convolution: NormalizedConvolution, output: Tensor)] = []
    var output: Tensor { blocks.last?.output ?? convolution.output }
  }

  /// - Precondition: the sides are multiples of `sideMultiple`.
  package init(shape: ImageShape, classCount: Int) {
    precondition(shape.height % Self.sideMultiple == 0 && shape.width % Self.sideMultiple == 0)
    self.shape = shape
    microBatchSize = max(1, min(16, 16 * 28 * 28 / shape.pixels))
    var plan = NetworkPlan(capacity: microBatchSize, forTraining: true)
    input = plan.tensor(shape)
    var levels: [Level] = []
    for (index, width) in Self.widths.enumerated() {
      let name = "levels.\(index)"
      var level = Level(
        convolution: ConvolutionLayer(
          name + ".conv", input: levels.last?.output ?? input, outputChannels: width,
          stride: index == 0 ? 1 : 2, plan: &plan))
      for block in 0..<Self.blocks[index] {
        let shape = level.output.shape
        level.blocks.append(
          (
            NormalizedConvolution(
              norm: "\(name).blocks.\(block).norm", convolution: "\(name).blocks.\(block).conv", input: shape,
              outputChannels: width, groupCount: Self.groupCount, eps: Self.eps, plan: &plan),
            plan.tensor(shape)
          ))
      }
      levels.append(level)
    }
    self.levels = levels
    let last = levels[levels.count - 1].output.shape
    norm = GroupNorm(shape: last, groupCount: Self.groupCount, eps: Self.eps)
    normParameters = plan.parameters.norm("norm", channels: last.channels)
    statistics = plan.rows(2 * last.channels)
    normalized = plan.tensor(last)
    activated = plan.tensor(last)
    features = plan.vectors(last.channels)
    head = plan.linear("head", inputChannels: last.channels, outputChannels: classCount)
    output = plan.vectors(classCount)
    self.plan = plan
  }

  private var last: Tensor { levels[levels.count - 1].output }

  private func statistics(of image: Int) -> Slice { statistics.part(image, length: 2 * norm.shape.channels) }

  package func forward(_ pass: ForwardPass) {
    let (activations, parameters) = (pass.activations, pass.parameters)
    for level in levels {
      forEachPortion(pass, of: level.convolution.input) { level.convolution.forward($0) }
      forEachPortion(pass, of: level.output) { pass in
        var x = level.convolution.output
        for block in level.blocks {
          block.convolution.forward(
            x, bias: (parameters, block.convolution.bias), adding: x, into: block.output, pass)
          x = block.output
        }
      }
    }
    let share = 1 / Float(last.shape.pixels)
    for image in pass.images {
      norm.statistics(activations[last[image]], into: activations.mutable(statistics(of: image)))
      norm.forward(
        activations[last[image]], statistics: activations[statistics(of: image)],
        weight: parameters[normParameters.weight], bias: parameters[normParameters.bias], activates: false,
        border: 0, into: activations.mutable(normalized[image]))
      ActivationFunction.silu.apply(
        activations[normalized[image]], into: activations.mutable(activated[image]))
      var mean = activations.mutable(features[image])
      fill(activations.mutable(features[image]), with: 0)
      addColumnSums(activations[activated[image]], into: activations.mutable(features[image]))
      for i in mean.indices { mean[i] *= share }
    }
    head.forward(features[pass.images], rows: pass.count, into: output[pass.images], pass)
  }

  package func backward(toInput: Bool, _ pass: BackwardPass) {
    let (activations, gradients) = (pass.activations, pass.gradients)
    let dLogits = output.gradient(pass.images)
    head.addGradients(features[pass.images], dLogits, rows: pass.count, pass)
    head.inputGradient(dLogits, rows: pass.count, into: features.gradient(pass.images), pass)
    let (pixels, width) = (last.shape.pixels, last.shape.channels)
    for image in pass.images {
      // d(mean)/d(pixel) is the same for all of them.
      let dFeatures = gradients[features.gradient(image)]
      var dActivated = gradients.mutable(activated.gradient(image))
      for i in dActivated.indices { dActivated[i] = dFeatures[i % width] / Float(pixels) }
      ActivationFunction.silu.multiplyByDerivative(
        activations[normalized[image]], gradients[activated.gradient(image)],
        into: gradients.mutable(normalized.gradient(image)))
      norm.backward(
        activations[last[image]], statistics: activations[statistics(of: image)],
        weight: pass.parameters[normParameters.weight], gradients[normalized.gradient(image)],
        derivative: nil,
        scratch: pass.workspace.channels.mutable(Slice(offset: 0, count: 2 * norm.shape.channels)),
        weightGradient: pass.parameterGradients?.mutable(normParameters.weight),
        biasGradient: pass.parameterGradients?.mutable(normParameters.bias), adding: nil,
        into: gradients.mutable(last.gradient(image)), accumulates: false)
    }
    for (index, level) in levels.enumerated().reversed() {
      forEachPortion(pass.forward, of: level.output) { forward in
        var pass = pass
        pass.forward = forward
        for (block, residual) in level.blocks.enumerated().reversed() {
          let x = block == 0 ? level.convolution.output : level.blocks[block - 1].output
          pass.addBiasGradient(residual.output.gradient(pass.images), to: residual.convolution.bias)
          residual.convolution.backward(
            x, residual.output, adding: residual.output, accumulates: false, pass)
        }
      }
      forEachPortion(pass.forward, of: level.convolution.input) { forward in
        var pass = pass
        pass.forward = forward
        level.convolution.backward(accumulates: false, toInput: index > 0 || toInput, pass)
      }
    }
  }

  /// As many images at a time as scratch memory is planned for.
  private func forEachPortion(_ pass: ForwardPass, of tensor: Tensor, _ body: (ForwardPass) -> Void) {
    let size = plan.portionSize(of: tensor.shape)
    for first in stride(from: pass.images.lowerBound, to: pass.images.upperBound, by: size) {
      var portion = pass
      portion.images = first..<min(first + size, pass.images.upperBound)
      body(portion)
    }
  }
}
