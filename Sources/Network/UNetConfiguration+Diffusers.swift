import Foundation

/// `config.json` of a diffusers directory. Reading accepts every configuration whose network this code computes
/// and refuses any other by the name of its key; writing gives all keys that `UNet2DModel` knows.
extension UNetConfiguration {
  /// The class, and its name in early versions of diffusers.
  private static let classNames = ["UNet2DModel", "UNetUnconditionalModel"]

  /// Keys that can have one value here, with it. A file may leave them out, as diffusers' defaults are these.
  private static let fixed: [(key: String, value: Fixed)] = [
    ("act_fn", .text("silu")), ("attn_norm_num_groups", .null), ("center_input_sample", .no),
    ("class_embed_type", .null), ("downsample_padding", .number(1)), ("downsample_type", .text("conv")),
    ("dropout", .number(0)), ("mid_block_scale_factor", .number(1)),
    ("mid_block_type", .text("UNetMidBlock2D")), ("num_train_timesteps", .null),
    ("resnet_time_scale_shift", .text("default")), ("time_embedding_dim", .null),
    ("time_embedding_type", .text("positional")), ("upsample_type", .text("conv")),
  ]

  private enum Fixed: Sendable {
    case text(String)
    case number(Int)
    case no
    case null

    var json: Any {
      switch self {
      case .text(let text): text
      case .number(let number): number
      case .no: false
      case .null: NSNull()
      }
    }

    func matches(_ found: Any) -> Bool {
      switch self {
      case .text(let text): found as? String == text
      case .number(let number): found as? Double == Double(number)
      case .no: found as? Bool == false
      case .null: found is NSNull
      }
    }
  }

  /// Whether another value of a fixed key gives the same network, as far as sampling goes.
  private static func isEquivalent(_ found: Any, _ key: String, in object: [String: Any]) -> Bool {
    switch key {
    // Names of one function, in any case.
    case "act_fn": return (found as? String).map { ["silu", "swish"].contains($0.lowercased()) } ?? false
    // Training's alone.
    case "dropout": return (found as? Double).map { (0...1).contains($0) } ?? false
    // The size of a learned time embedding, which a positional one doesn't have.
    case "num_train_timesteps": return found as? Int != nil
    // What diffusers takes for null.
    case "time_embedding_dim":
      guard let width = found as? Int, let first = (object["block_out_channels"] as? [Int])?.first else {
        return false
      }
      return width == 0 || width == first.multipliedReportingOverflow(by: 4).partialValue
    case "attn_norm_num_groups":
      return found as? Int != nil && found as? Int == object["norm_num_groups"] as? Int ?? 32
    default: return false
    }
  }

  /// - Parameter side: of the images, where the file doesn't state it.
  /// - Throws: `ConfigurationError` naming the key that is missing, malformed or not supported.
  public init(diffusers json: Data, side: Int? = nil) throws(ConfigurationError) {
    guard let object = try? JSONSerialization.jsonObject(with: json) as? [String: Any] else {
      throw ConfigurationError("config.json is not a JSON object")
    }
    let values = Values(object)
    guard Self.classNames.contains(try values.string("_class_name")) else {
      throw ConfigurationError("_class_name '\(try values.string("_class_name"))' is not UNet2DModel")
    }
    for (key, value) in Self.fixed {
      if let found = object[key], !value.matches(found), !Self.isEquivalent(found, key, in: object) {
        throw ConfigurationError("\(key) \(found) is not supported, only \(value.json)")
      }
    }
    let levels = try values.integers("block_out_channels")
    // In early versions all types of block had a prefix, which diffusers takes away still.
    func blockTypes(_ key: String) throws(ConfigurationError) -> [String] {
      try values.strings(key).map { $0.hasPrefix("UNetRes") ? String($0.dropFirst(7)) : $0 }
    }
    let down = try blockTypes("down_block_types")
    let up = try blockTypes("up_block_types")
    var attentionLevels: [Bool] = []
    for type in down {
      switch type {
      case "DownBlock2D": attentionLevels.append(false)
      case "AttnDownBlock2D": attentionLevels.append(true)
      default: throw ConfigurationError("down_block_types '\(type)' is not supported")
      }
    }
    guard up == attentionLevels.reversed().map({ $0 ? "AttnUpBlock2D" : "UpBlock2D" }) else {
      throw ConfigurationError("up_block_types \(up) don't mirror down_block_types \(down)")
    }
    // diffusers' own defaults for what a file leaves out, but for the sizes, which a model must state.
    let (height, width) = try values.size("sample_size", default: side)
    self.init(
      sampleHeight: height, sampleWidth: width,
      inputChannels: try values.integer("in_channels", default: 3),
      outputChannels: try values.integer("out_channels", default: 3),
      blockOutputChannels: levels, layersPerBlock: try values.integer("layers_per_block", default: 2),
      attentionLevels: attentionLevels,
      midAttention: try values.boolean("add_attention", default: true),
      attentionHeadWidth: object["attention_head_dim"] is NSNull
        ? nil : try values.integer("attention_head_dim", default: 8),
      normGroupCount: try values.integer("norm_num_groups", default: 32),
      normEps: try values.number("norm_eps", default: 1e-5),
      classCount: object["num_class_embeds"] == nil || object["num_class_embeds"] is NSNull
        ? nil : try values.integer("num_class_embeds", default: 0),
      flipSinToCos: try values.boolean("flip_sin_to_cos", default: true),
      frequencyShift: try values.number("freq_shift", default: 0))
    try validate()
  }

  /// - Parameter notes: goes under `_inkflow`, which diffusers passes over.
  public func diffusersJSON(notes: [String: String]) -> Data {
    var object: [String: Any] = [
      "_class_name": "UNet2DModel", "_diffusers_version": "0.42.1", "_inkflow": notes,
      "sample_size": sampleHeight == sampleWidth ? sampleHeight : [sampleHeight, sampleWidth],
      "in_channels": inputChannels, "out_channels": outputChannels,
      "block_out_channels": blockOutputChannels, "layers_per_block": layersPerBlock,
      "down_block_types": attentionLevels.map { $0 ? "AttnDownBlock2D" : "DownBlock2D" },
      "up_block_types": attentionLevels.reversed().map { $0 ? "AttnUpBlock2D" : "UpBlock2D" },
      "add_attention": midAttention, "attention_head_dim": attentionHeadWidth ?? NSNull() as Any,
      "norm_num_groups": normGroupCount, "norm_eps": normEps,
      "num_class_embeds": classCount ?? NSNull() as Any, "flip_sin_to_cos": flipSinToCos,
      "freq_shift": frequencyShift == frequencyShift.rounded() ? Int(frequencyShift) : frequencyShift as Any,
    ]
    for (key, value) in Self.fixed { object[key] = value.json }
    do {
      return try JSONSerialization.data(
        withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
    } catch {
      preconditionFailure("a dictionary of plain values is JSON: \(error)")
    }
  }
}

/// Typed access to a JSON object, with errors that name the key.
private struct Values {
  private let object: [String: Any]

  init(_ object: [String: Any]) { self.object = object }

  /// A number, but not a Boolean, which Foundation would bridge to one.
  private func number(_ value: Any) -> NSNumber? {
    guard let number = value as? NSNumber, String(cString: number.objCType) != "c" else { return nil }
    return number
  }

  func integer(_ key: String, default fallback: Int) throws(ConfigurationError) -> Int {
    guard let value = object[key] else { return fallback }
    guard let number = number(value), let integer = Int(exactly: number.doubleValue) else {
      throw ConfigurationError("\(key) must be a whole number, not \(value)")
    }
    return integer
  }

  func number(_ key: String, default fallback: Double) throws(ConfigurationError) -> Double {
    guard let value = object[key] else { return fallback }
    guard let number = number(value) else {
      throw ConfigurationError("\(key) must be a number, not \(value)")
    }
    return number.doubleValue
  }

  func boolean(_ key: String, default fallback: Bool) throws(ConfigurationError) -> Bool {
    guard let value = object[key] else { return fallback }
    guard let boolean = value as? Bool else {
      throw ConfigurationError("\(key) must be true or false, not \(value)")
    }
    return boolean
  }

  func string(_ key: String) throws(ConfigurationError) -> String {
    guard let value = object[key] as? String else {
      throw ConfigurationError("config.json has no text under \(key)")
    }
    return value
  }

  func strings(_ key: String) throws(ConfigurationError) -> [String] {
    guard let values = object[key] as? [String] else {
      throw ConfigurationError("config.json has no list of texts under \(key)")
    }
    return values
  }

  func integers(_ key: String) throws(ConfigurationError) -> [Int] {
    guard let values = object[key] as? [Any] else {
      throw ConfigurationError("config.json has no list of numbers under \(key)")
    }
    var integers: [Int] = []
    for value in values {
      guard let number = number(value), let integer = Int(exactly: number.doubleValue) else {
        throw ConfigurationError("\(key) must be whole numbers, not \(value)")
      }
      integers.append(integer)
    }
    return integers
  }

  /// One side of a square, or [height, width].
  func size(_ key: String, default fallback: Int?) throws(ConfigurationError) -> (height: Int, width: Int) {
    if object[key] is [Any] {
      let sides = try integers(key)
      guard sides.count == 2 else { throw ConfigurationError("\(key) must be one side or two, not \(sides)") }
      return (sides[0], sides[1])
    }
    if object[key] == nil || object[key] is NSNull {
      guard let fallback else {
        throw ConfigurationError(
          "it has no \(key), the side of the images; write it there, or pass --side where a command takes it")
      }
      return (fallback, fallback)
    }
    let side = try integer(key, default: 0)
    return (side, side)
  }
}
