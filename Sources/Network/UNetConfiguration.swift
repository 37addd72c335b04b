import Kernels

/// The shape of a UNet: the keys of diffusers' `UNet2DModel` that vary here, under Swift names.
public struct UNetConfiguration: Sendable, Equatable, Codable {
  /// Height and width of an image.
  public var sampleHeight: Int
  public var sampleWidth: Int
  public var inputChannels: Int
  public var outputChannels: Int
  /// Channels of each level, finest first.
  public var blockOutputChannels: [Int]
  /// Residual blocks of a level on the way down; one more on the way up.
  public var layersPerBlock: Int
  /// Which levels attend, finest first.
  public var attentionLevels: [Bool]
  /// Whether the middle attends.
  public var midAttention: Bool
  /// Channels of an attention head; nil for one head.
  public var attentionHeadWidth: Int?
  public var normGroupCount: Int
  public var normEps: Double
  /// Classes of the embedding, the one that stands for no class included; nil for an unconditional network.
  public var classCount: Int?
  /// The class, the last one, that stands for no class at all, as guidance needs it; nil where there is none.
  public var unconditionalClass: Int?
  public var flipSinToCos: Bool
  public var frequencyShift: Double

  public init(
    sampleHeight: Int, sampleWidth: Int, inputChannels: Int, outputChannels: Int,
    blockOutputChannels: [Int], layersPerBlock: Int, attentionLevels: [Bool], midAttention: Bool = true,
    attentionHeadWidth: Int? = nil, normGroupCount: Int = 8, normEps: Double = 1e-5,
    classCount: Int? = nil, flipSinToCos: Bool = true, frequencyShift: Double = 0
  ) {
    self.sampleHeight = sampleHeight
    self.sampleWidth = sampleWidth
    self.inputChannels = inputChannels
    self.outputChannels = outputChannels
    self.blockOutputChannels = blockOutputChannels
    self.layersPerBlock = layersPerBlock
    self.attentionLevels = attentionLevels
    self.midAttention = midAttention
    self.attentionHeadWidth = attentionHeadWidth
    self.normGroupCount = normGroupCount
    self.normEps = normEps
    self.classCount = classCount
    self.flipSinToCos = flipSinToCos
    self.frequencyShift = frequencyShift
  }

  /// Named sizes. Attention is on the coarsest level only.
  public enum Preset: String, Sendable, Codable, CaseIterable {
    /// One residual block a level; for a demonstration within minutes.
    case tiny
    /// The default, 1.6 M parameters.
    case small
    /// Twice small's width.
    case base
    /// For colour pictures of 32×32, 64×64 and 128×128: each doubling of the side adds a level, so that the coarsest
    /// has 8×8 pixels, and keeps the work of a level by half the width of the one below.
    case color32 = "color-32"
    case color64 = "color-64"
    case color128 = "color-128"

    var blockOutputChannels: [Int] {
      switch self {
      case .tiny: [16, 32, 32]
      case .small: [32, 64, 64]
      case .base: [64, 128, 128]
      case .color32: [64, 96, 128]
      case .color64: [32, 64, 96, 128]
      case .color128: [16, 32, 64, 96, 128]
      }
    }

    var layersPerBlock: Int { self == .tiny ? 1 : 2 }

    /// The images that it was made for; it takes others too, of sides that its levels divide.
    public var standardImage: (side: Int, channels: Int) {
      switch self {
      case .tiny, .small, .base: (28, 1)
      case .color32: (32, 3)
      case .color64: (64, 3)
      case .color128: (128, 3)
      }
    }
  }

  /// An unconditional network of a preset's size for images of this shape.
  public init(_ preset: Preset, height: Int, width: Int, channels: Int) {
    self.init(
      sampleHeight: height, sampleWidth: width, inputChannels: channels, outputChannels: channels,
      blockOutputChannels: preset.blockOutputChannels, layersPerBlock: preset.layersPerBlock,
      attentionLevels: preset.blockOutputChannels.indices.map {
        $0 == preset.blockOutputChannels.count - 1
      })
  }

  /// Classes that one can ask for.
  public var labelledClassCount: Int? { unconditionalClass ?? classCount }
  var timeEmbeddingWidth: Int { 4 * blockOutputChannels[0] }
  var levelCount: Int { blockOutputChannels.count }
  /// Each level but the last halves the image.
  public var sideMultiple: Int { 1 << (levelCount - 1) }

  /// Of one image.
  public var shape: ImageShape {
    ImageShape(height: sampleHeight, width: sampleWidth, channels: inputChannels)
  }

  /// - Throws: `ConfigurationError` if no network can have this shape.
  public func validate() throws(ConfigurationError) {
    func require(_ holds: Bool, _ message: @autoclosure () -> String) throws(ConfigurationError) {
      if !holds { throw ConfigurationError(message()) }
    }
    try require(
      !blockOutputChannels.isEmpty && blockOutputChannels.allSatisfy { (1...4096).contains($0) },
      "block_out_channels must be one or more numbers from 1 to 4096, not \(blockOutputChannels)")
    try require(levelCount <= 8, "block_out_channels has \(levelCount) levels, at most 8 are supported")
    try require(
      attentionLevels.count == levelCount,
      "\(attentionLevels.count) block types for \(levelCount) levels in block_out_channels")
    try require(
      (1...16).contains(layersPerBlock), "layers_per_block must be from 1 to 16, not \(layersPerBlock)")
    try require(
      (1...64).contains(inputChannels) && (1...64).contains(outputChannels),
      "in_channels and out_channels must be from 1 to 64, not \(inputChannels) and \(outputChannels)")
    try require(
      (1...4096).contains(sampleHeight) && (1...4096).contains(sampleWidth),
      "an image of \(sampleHeight)×\(sampleWidth) is outside 1 to 4096")
    try require(
      sampleHeight % sideMultiple == 0 && sampleWidth % sideMultiple == 0,
      "images of \(sampleHeight)×\(sampleWidth) can't be halved \(levelCount - 1) times; sides must be "
        + "multiples of \(sideMultiple): \(nearestSides(sampleHeight)) by \(nearestSides(sampleWidth)) would do"
    )
    try require(
      blockOutputChannels[0] % 2 == 0,
      "the first of block_out_channels (\(blockOutputChannels[0])) must be even, for its sines and cosines")
    try require(normGroupCount > 0, "norm_num_groups must be positive, not \(normGroupCount)")
    for channels in normWidths {
      try require(
        channels % normGroupCount == 0,
        "norm_num_groups \(normGroupCount) doesn't divide a norm's \(channels) channels")
    }
    if let width = attentionHeadWidth {
      let attending = zip(blockOutputChannels, attentionLevels).filter(\.1).map(\.0)
      for channels in attending + (midAttention ? [blockOutputChannels[levelCount - 1]] : []) {
        try require(
          width > 0 && channels % width == 0,
          "attention_head_dim \(width) doesn't divide \(channels) channels")
      }
    }
    for (level, attends) in attentionLevels.enumerated()
    where attends || midAttention && level == levelCount - 1 {
      let (tokens, width) = (shape.pixels >> (2 * level), blockOutputChannels[level])
      try require(
        width / (attentionHeadWidth ?? width) * tokens * tokens <= Self.largestAttention,
        "attention over \(tokens) pixels, in level \(level) of images of \(sampleHeight)×\(sampleWidth), would need "
          + "more than 2 GB an image; let only coarser levels attend")
    }
    try require(normEps > 0 && normEps <= 1, "norm_eps must be more than 0, at most 1, not \(normEps)")
    try require(
      Double(blockOutputChannels[0] / 2) > frequencyShift && frequencyShift >= 0,
      "freq_shift \(frequencyShift) must be from 0 to less than half of \(blockOutputChannels[0])")
    try require(
      classCount.map { (1...1_000_000).contains($0) } ?? true,
      "num_class_embeds must be from 1 to 1000000, not \(classCount ?? 0)")
    try require(
      unconditionalClass.map { $0 + 1 == classCount && $0 > 0 } ?? true,
      "the class that stands for no class must be the last of num_class_embeds and not the only one")
  }

  /// Floats of the weights of one attention, [heads, tokens, tokens].
  private static let largestAttention = 1 << 29

  private func nearestSides(_ side: Int) -> String {
    let below = side / sideMultiple * sideMultiple
    return side % sideMultiple == 0
      ? "\(side)" : below == 0 ? "\(sideMultiple)" : "\(below) or \(below + sideMultiple)"
  }

  /// The widths of all group norms, those over concatenations among them.
  private var normWidths: [Int] {
    let channels = blockOutputChannels
    return channels
      + upLevelChannels.flatMap { level in
        (0...layersPerBlock).map { level.inputChannels(layer: $0, of: layersPerBlock) }
      }
  }

  /// Channels of one level of the way up (diffusers' up_blocks).
  struct UpLevelChannels {
    let previous: Int
    let output: Int
    let skip: Int

    /// Those that the level's `layer`-th residual block reads: what came before and the skip beside it.
    func inputChannels(layer: Int, of layersPerBlock: Int) -> Int {
      (layer == 0 ? previous : output) + (layer == layersPerBlock ? skip : output)
    }
  }

  /// Coarsest first.
  var upLevelChannels: [UpLevelChannels] {
    let reversed = Array(blockOutputChannels.reversed())
    return reversed.indices.map { i in
      UpLevelChannels(
        previous: reversed[max(i - 1, 0)], output: reversed[i],
        skip: reversed[min(i + 1, reversed.count - 1)])
    }
  }
}

/// A configuration that no network can have, or that is not supported.
public struct ConfigurationError: Error, CustomStringConvertible, Equatable {
  public let description: String

  public init(_ description: String) { self.description = description }
}

extension Precision {
  /// - Throws: `ConfigurationError` where this build, and so most likely the CPU, has no instruction for it.
  package func requireAvailable() throws(ConfigurationError) {
    guard isAvailable else {
      throw ConfigurationError(
        "precision \(rawValue) needs a CPU that multiplies bf16 numbers (AVX512_BF16, or NEON's bf16), and a build made "
          + "there; this build is for \(buildFlavour) without. Pass --precision float32; a run that was "
          + "begun in \(rawValue) can only be resumed on such a CPU")
    }
  }
}
