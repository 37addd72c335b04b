import Foundation
import Network
import Testing

/// Numbers that come from files: any may be there, and none may end the process.
@Suite struct ConfigurationTests {
  private static let tooSmall = ["-9223372036854775808", "-1", "0", "-1e300"]
  private static let tooLarge = ["9223372036854775807", "18446744073709551616", "1e300"]

  /// A sound `config.json` with a number in place of another.
  private func configuration(_ key: String, _ json: String) throws -> Data {
    let directory = try #require(Bundle.module.resourceURL).appending(path: "Fixtures/unconditional")
    let sound = try Data(contentsOf: directory.appending(path: "config.json"))
    var object = try #require(try JSONSerialization.jsonObject(with: sound) as? [String: Any])
    object[key] = "@"
    let text = String(decoding: try JSONSerialization.data(withJSONObject: object), as: UTF8.self)
    return Data(text.replacingOccurrences(of: "\"@\"", with: json).utf8)
  }

  @Test(arguments: [
    "sample_size", "in_channels", "out_channels", "layers_per_block", "attention_head_dim", "norm_num_groups",
    "norm_eps", "num_class_embeds", "freq_shift",
  ]) func hugeNumbersOfAConfigurationFileAreRefused(key: String) throws {
    for json in Self.tooSmall + Self.tooLarge where (key, json) != ("freq_shift", "0") {
      let data = try configuration(key, json)
      let error = #expect(throws: ConfigurationError.self, "\(key) \(json)") {
        try UNetConfiguration(diffusers: data)
      }
      let text = error?.description ?? ""
      #expect(text.contains(key) || key == "sample_size" && text.contains("image"), "\(text)")
    }
  }

  @Test func hugeNumbersInListsAreRefused() throws {
    for number in Self.tooSmall + Self.tooLarge {
      for (key, json) in [
        ("sample_size", "[8, \(number)]"), ("sample_size", "[\(number), 8]"),
        ("block_out_channels", "[4, 8, \(number)]"), ("block_out_channels", "[\(number), 8, 8]"),
      ] {
        let data = try configuration(key, json)
        #expect(throws: ConfigurationError.self, "\(key) \(json)") { try UNetConfiguration(diffusers: data) }
      }
    }
  }

  /// The weights of attention grow with the fourth power of the side, beyond any memory and then beyond 64 bits.
  @Test func attentionOverTooManyPixelsIsRefused() throws {
    for json in ["4096", "[4096, 4096]", "1024"] {
      var data = String(decoding: try configuration("sample_size", json), as: UTF8.self)
      // At the first level in place of the last.
      for (list, mirrored) in [
        (
          ["DownBlock2D", "DownBlock2D", "AttnDownBlock2D"],
          ["AttnDownBlock2D", "DownBlock2D", "DownBlock2D"]
        ),
        (["AttnUpBlock2D", "UpBlock2D", "UpBlock2D"], ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D"]),
      ] {
        func text(_ list: [String]) -> String { list.map { "\"\($0)\"" }.joined(separator: ",") }
        #expect(data.contains(text(list)))
        data = data.replacingOccurrences(of: text(list), with: text(mirrored))
      }
      let error = #expect(throws: ConfigurationError.self) {
        try UNetConfiguration(diffusers: Data(data.utf8))
      }
      #expect(error?.description.contains("attention") == true, "\(error?.description ?? "")")
    }
  }

  /// diffusers looks at a head's width only where something attends.
  @Test func headsOfANetworkWithoutAttentionDoNotMatter() throws {
    var configuration = UNetConfiguration(
      sampleHeight: 8, sampleWidth: 8, inputChannels: 1, outputChannels: 1, blockOutputChannels: [8, 8],
      layersPerBlock: 1, attentionLevels: [false, false], midAttention: false, attentionHeadWidth: 3,
      normGroupCount: 4)
    #expect(throws: Never.self) { try UNet(configuration) }
    configuration.midAttention = true
    #expect(throws: ConfigurationError.self) { try UNet(configuration) }
  }

  /// As `run.json` and checkpoints bring them, without the checks of config.json.
  @Test func aNetworkOfHugeNumbersIsRefused() throws {
    let sound = UNetConfiguration(
      sampleHeight: 8, sampleWidth: 8, inputChannels: 1, outputChannels: 1, blockOutputChannels: [8, 16],
      layersPerBlock: 1, attentionLevels: [false, true], normGroupCount: 4)
    #expect(throws: Never.self) { try UNet(sound) }
    func refuses(_ what: String, _ change: (inout UNetConfiguration) -> Void) {
      var changed = sound
      change(&changed)
      #expect(throws: ConfigurationError.self, "\(what)") { try UNet(changed) }
    }
    for number in [Int.min, -1, 0, 1 << 40, 1 << 62, .max] {
      refuses("height \(number)") { $0.sampleHeight = number }
      refuses("width \(number)") { $0.sampleWidth = number }
      refuses("sides \(number)") { ($0.sampleHeight, $0.sampleWidth) = (number, number) }
      refuses("input channels \(number)") { $0.inputChannels = number }
      refuses("output channels \(number)") { $0.outputChannels = number }
      refuses("layers \(number)") { $0.layersPerBlock = number }
      refuses("head width \(number)") { $0.attentionHeadWidth = number }
      refuses("groups \(number)") { $0.normGroupCount = number }
      refuses("classes \(number)") { $0.classCount = number }
      for level in 0...1 { refuses("level \(level): \(number)") { $0.blockOutputChannels[level] = number } }
    }
    for number in [-Double.infinity, -1e300, -1, 1e300, .infinity, .nan] {
      refuses("eps \(number)") { $0.normEps = number }
      refuses("shift \(number)") { $0.frequencyShift = number }
    }
    refuses("levels") {
      ($0.blockOutputChannels, $0.attentionLevels) = (
        Array(repeating: 16, count: 70), Array(repeating: false, count: 70)
      )
    }
    // Half a billion parameters, with gradients, moments and Winograd's weights sixteen times as many numbers.
    refuses("parameters") {
      ($0.sampleHeight, $0.sampleWidth, $0.blockOutputChannels) = (4, 4, [2048])
      $0.attentionLevels = [false]
    }
    // Each number by itself may be, but there is no memory for all of them.
    refuses("sizes") {
      ($0.sampleHeight, $0.sampleWidth, $0.blockOutputChannels) = (4096, 4096, [4096, 4096])
      ($0.attentionLevels, $0.midAttention) = ([false, false], false)
    }
  }
}
