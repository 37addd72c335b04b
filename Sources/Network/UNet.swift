import Kernels

/// diffusers' `UNet2DModel`, weight-compatible, in its default block types (Ronneberger et al. 2015; Ho et al.
/// 2020): residual blocks and attention on a pyramid of levels, skip connections from each unit of the way down
/// to its mirror on the way up.
///
/// A UNet is a plan: which layers there are and where their parameters and activations lie. It holds no
/// numbers, and any number of threads may run it, each in a workspace of its own.
public struct UNet: FlowNetwork {
  /// The network is given t·1000, the scale that its sinusoidal embedding was made for.
  package var timeScale: Float { 1000 }

  public let configuration: UNetConfiguration
  /// Images in a micro-batch, a function of the configuration alone: each micro-batch reads all weights, and keeps
  /// its activations for the way back.
  package let microBatchSize: Int
  package let plan: NetworkPlan
  package var shape: ImageShape { configuration.shape }
  package var classCount: Int? { configuration.labelledClassCount }
  package var unconditionalClass: Int? { configuration.unconditionalClass }
  package let input: Tensor
  package let output: Tensor
  package var timesteps: Slice { embedding.timesteps }
  package var labels: Slice? { embedding.labels }

  private let embedding: Embedding
  private let firstConvolution: ConvolutionLayer
  private let downLevels: [DownLevel]
  private let middle: Middle
  private let upLevels: [UpLevel]
  private let last: NormalizedConvolution

  /// One unit of a level: a residual block, and attention where the level attends.
  private struct Unit: Sendable {
    /// The skip's way in, on the way up.
    var concatenation: Concatenation?
    let residual: ResidualBlock
    var attention: AttentionBlock?

    var output: Tensor { attention?.output ?? residual.output }
  }

  private struct DownLevel: Sendable {
    let shape: ImageShape
    let isFirst: Bool
    var units: [Unit] = []
    var downsampler: ConvolutionLayer?
  }

  private struct Middle: Sendable {
    let first: ResidualBlock
    let attention: AttentionBlock?
    let second: ResidualBlock
  }

  private struct UpLevel: Sendable {
    let shape: ImageShape
    var units: [Unit] = []
    var upsampler: ConvolutionLayer?
  }

  /// Floats of memory: 16 GB.
  private static let largestSize = 1 << 32

  /// - Parameter precision: of the 3×3 convolutions.
  /// - Throws: `ConfigurationError` if no network can have this shape, or the CPU lacks the precision's instruction.
  public init(
    _ configuration: UNetConfiguration, precision: Precision = .float32
  ) throws(ConfigurationError) {
    try configuration.validate()
    try precision.requireAvailable()
    self.init(sound: configuration, forTraining: true, precision)
    let floats = plan.trainingSize
    guard floats <= Self.largestSize else {
      throw ConfigurationError(
        "a network of \(configuration.blockOutputChannels) channels for images of \(shape.height)×\(shape.width) needs "
          + "\(floats >> 28) GB to be trained on one thread, at most 16 are supported; choose smaller images or fewer channels"
      )
    }
  }

  package func planned(forTraining: Bool, precision: Precision) -> UNet {
    plan.forTraining == forTraining && plan.precision == precision
      ? self : UNet(sound: configuration, forTraining: forTraining, precision)
  }

  private init(sound configuration: UNetConfiguration, forTraining: Bool, _ precision: Precision) {
    self.configuration = configuration
    let shape = configuration.shape
    // Eight of 28×28, two of 56×56.
    microBatchSize = max(1, min(8, 8 * 28 * 28 / shape.pixels))
    var plan = NetworkPlan(
      capacity: microBatchSize, forTraining: forTraining, precision: precision)
    input = plan.tensor(shape)
    let channels = configuration.blockOutputChannels
    let (groups, eps) = (configuration.normGroupCount, Float(configuration.normEps))
    let embedding = Embedding(configuration, plan: &plan)
    self.embedding = embedding

    func residual(
      _ name: String, _ input: Tensor, _ outputChannels: Int, outputLifetime: Lifetime = .pass
    ) -> ResidualBlock {
      ResidualBlock(
        name, input: input, outputChannels: outputChannels, outputLifetime: outputLifetime,
        embedding: embedding.output, groupCount: groups, eps: eps, plan: &plan)
    }
    func attention(_ name: String, _ input: Tensor, outputLifetime: Lifetime = .pass) -> AttentionBlock {
      AttentionBlock(
        name, input: input, headWidth: configuration.attentionHeadWidth, outputLifetime: outputLifetime,
        groupCount: groups, eps: eps, plan: &plan)
    }

    firstConvolution = ConvolutionLayer(
      "conv_in", input: input, outputChannels: channels[0], plan: &plan)
    var h = firstConvolution.output
    var skips = [h]
    var downLevels: [DownLevel] = []
    for (i, width) in channels.enumerated() {
      var level = DownLevel(shape: h.shape, isFirst: i == 0)
      let attends = configuration.attentionLevels[i]
      for j in 0..<configuration.layersPerBlock {
        plan.beginUnit()
        var unit = Unit(
          residual: residual(
            "down_blocks.\(i).resnets.\(j)", h, width, outputLifetime: attends ? .unit : .pass))
        if attends {
          unit.attention = attention("down_blocks.\(i).attentions.\(j)", unit.residual.output)
        }
        h = unit.output
        skips.append(h)
        level.units.append(unit)
      }
      if i < channels.count - 1 {
        let downsampler = ConvolutionLayer(
          "down_blocks.\(i).downsamplers.0.conv", input: h, outputChannels: width, stride: 2, plan: &plan)
        h = downsampler.output
        skips.append(h)
        level.downsampler = downsampler
      }
      downLevels.append(level)
    }

    plan.beginUnit()
    let first = residual("mid_block.resnets.0", h, channels[channels.count - 1], outputLifetime: .unit)
    let attends =
      configuration.midAttention
      ? attention("mid_block.attentions.0", first.output, outputLifetime: .unit) : nil
    let second = residual(
      "mid_block.resnets.1", attends?.output ?? first.output, channels[channels.count - 1])
    middle = Middle(first: first, attention: attends, second: second)
    h = second.output

    var upLevels: [UpLevel] = []
    for (i, levelChannels) in configuration.upLevelChannels.enumerated() {
      var level = UpLevel(shape: h.shape)
      let attends = configuration.attentionLevels[channels.count - 1 - i]
      for j in 0...configuration.layersPerBlock {
        plan.beginUnit()
        let concatenation = Concatenation(h, skips.removeLast(), plan: &plan)
        var unit = Unit(
          concatenation: concatenation,
          residual: residual(
            "up_blocks.\(i).resnets.\(j)", concatenation.output, levelChannels.output,
            outputLifetime: attends ? .unit : .pass))
        if attends {
          unit.attention = attention("up_blocks.\(i).attentions.\(j)", unit.residual.output)
        }
        h = unit.output
        level.units.append(unit)
      }
      if i < channels.count - 1 {
        let upsampler = ConvolutionLayer("up_blocks.\(i).upsamplers.0.conv", upsampling: h, plan: &plan)
        h = upsampler.output
        level.upsampler = upsampler
      }
      upLevels.append(level)
    }

    // Zeroed at first: the network starts as the zero field, whose loss is known.
    last = NormalizedConvolution(
      norm: "conv_norm_out", convolution: "conv_out", input: h.shape,
      outputChannels: configuration.outputChannels, groupCount: groups, eps: eps, isZero: true, plan: &plan)
    lastInput = h
    output = plan.tensor(h.shape.with(channels: configuration.outputChannels))
    self.downLevels = downLevels
    self.upLevels = upLevels
    self.plan = plan
  }

  private let lastInput: Tensor

  package func forward(_ pass: ForwardPass) {
    precondition(pass.count <= microBatchSize, "more images than a micro-batch holds")
    embedding.forward(pass)
    for level in downLevels {
      forEachPortion(pass, of: level.shape) { pass in
        if level.isFirst { firstConvolution.forward(pass) }
        for unit in level.units {
          unit.residual.forward(pass)
          unit.attention?.forward(pass)
        }
        level.downsampler?.forward(pass)
      }
    }
    forEachPortion(pass, of: middle.first.output.shape) { pass in
      middle.first.forward(pass)
      middle.attention?.forward(pass)
      middle.second.forward(pass)
    }
    for level in upLevels {
      forEachPortion(pass, of: level.shape) { pass in
        for unit in level.units {
          unit.concatenation?.forward(pass)
          unit.residual.forward(pass)
          unit.attention?.forward(pass)
        }
        if let upsampler = level.upsampler {
          forEachPortion(pass, of: upsampler.output.shape) { upsampler.forward($0) }
        } else {
          last.forward(lastInput, bias: (pass.parameters, last.bias), into: output, pass)
        }
      }
    }
  }

  package func backward(toInput: Bool, _ pass: BackwardPass) {
    embedding.prepareGradient(pass)
    for level in upLevels.reversed() {
      forEachPortion(pass, of: level.shape) { pass in
        if let upsampler = level.upsampler {
          forEachPortion(pass, of: upsampler.output.shape) { upsampler.backward(accumulates: false, $0) }
        } else {
          pass.addBiasGradient(output.gradient(pass.images), to: last.bias)
          last.backward(lastInput, output, accumulates: false, pass)
        }
        for unit in level.units.reversed() {
          unit.concatenation?.forward(pass.forward)
          unit.attention?.backward(pass)
          unit.residual.backward(accumulates: false, pass)
          unit.concatenation?.backward(pass)
        }
      }
    }
    forEachPortion(pass, of: middle.first.output.shape) { pass in
      middle.second.backward(accumulates: false, pass)
      middle.attention?.backward(pass)
      // From here on every tensor is a skip too, whose gradient has come from the way up already.
      middle.first.backward(accumulates: true, pass)
    }
    for level in downLevels.reversed() {
      forEachPortion(pass, of: level.shape) { pass in
        level.downsampler?.backward(accumulates: true, pass)
        for unit in level.units.reversed() {
          unit.attention?.backward(pass)
          unit.residual.backward(accumulates: true, pass)
        }
        if level.isFirst { firstConvolution.backward(accumulates: false, toInput: toInput, pass) }
      }
    }
    embedding.backward(pass)
  }

  private func forEachPortion(_ pass: ForwardPass, of shape: ImageShape, _ body: (ForwardPass) -> Void) {
    for first in stride(
      from: pass.images.lowerBound, to: pass.images.upperBound, by: plan.portionSize(of: shape))
    {
      var portion = pass
      portion.images = first..<min(first + plan.portionSize(of: shape), pass.images.upperBound)
      body(portion)
    }
  }

  private func forEachPortion(_ pass: BackwardPass, of shape: ImageShape, _ body: (BackwardPass) -> Void) {
    forEachPortion(pass.forward, of: shape) { forward in
      var portion = pass
      portion.forward = forward
      body(portion)
    }
  }
}
