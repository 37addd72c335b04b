import Files
import Foundation
import Kernels
import Network
import Sampling
import Testing

/// Files of weights under other names, in other types and in several parts.
@Suite struct ForeignWeightsTests {
  private static let standardName = "diffusion_pytorch_model.safetensors"

  private struct Tensor {
    var name: String
    var shape: [Int]
    var values: [Float]
  }

  private func tensors(in model: String) throws -> [Tensor] {
    let file = try SafetensorsFile(contentsOf: model + "/" + Self.standardName)
    return try file.entries.map { Tensor(name: $0.name, shape: $0.shape, values: try file.floats($0.name)) }
  }

  private func write(_ tensors: [Tensor], to path: String) throws {
    try SafetensorsFile.write(
      tensors.map { SafetensorsTensor($0.name, shape: $0.shape, values: $0.values) }, to: path)
  }

  /// A file with 16 bits a number, as our own writer makes none.
  private func writeHalf(
    _ tensors: [Tensor], as type: String, to path: String, bits: (Float) -> UInt16
  ) throws {
    var (members, payload) = ([String](), [UInt8]())
    for tensor in tensors {
      let start = payload.count
      for value in tensor.values { withUnsafeBytes(of: bits(value).littleEndian) { payload += $0 } }
      members.append(
        "\"\(tensor.name)\":{\"dtype\":\"\(type)\",\"shape\":\(tensor.shape),\"data_offsets\":[\(start),\(payload.count)]}"
      )
    }
    let header = Array("{\(members.joined(separator: ","))}".utf8)
    let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Array($0) }
    try Data(length + header + payload).write(to: URL(fileURLWithPath: path))
  }

  private func refusal(_ model: String) throws -> FileError {
    try #require(throws: FileError.self) { _ = try TrainedFlow(diffusers: model) }
  }

  // MARK: Read

  @Test(arguments: ["F16", "BF16"]) func halfPrecisionIsReadToTheBit(type: String) throws {
    func bits(_ value: Float) -> UInt16 {
      type == "F16" ? Float16(value).bitPattern : UInt16(value.bitPattern >> 16)
    }
    func rounded(_ value: Float) -> Float {
      type == "F16" ? Float(Float16(value)) : Float(bitPattern: value.bitPattern & 0xFFFF_0000)
    }
    try withModel(isOurs: true) { model in
      var all = try tensors(in: model)
      // A subnormal number, a zero with a sign and a large one. One in front puts the rest at an odd multiple of 2.
      all[0].values.replaceSubrange(0..<3, with: [3e-7, -0, -60000])
      let path = model + "/" + Self.standardName
      try write(all.map { Tensor(name: $0.name, shape: $0.shape, values: $0.values.map(rounded)) }, to: path)
      let expected = try TrainedFlow(diffusers: model).checksum
      try FileManager.default.removeItem(atPath: path)
      try writeHalf(
        all, as: type, to: model + "/diffusion_pytorch_model.\(type == "F16" ? "fp16" : "bf16").safetensors",
        bits: bits)
      #expect(try TrainedFlow(diffusers: model).checksum == expected)

      all[0].values[1] = .infinity
      try writeHalf(all, as: type, to: path, bits: bits)
      #expect(try refusal(model).problem.contains("inf in tensor '\(all[0].name)' at element 1"))
    }
  }

  @Test(arguments: ["_orig_mod.", "module.", "module._orig_mod."]) func prefixesAreTakenAway(prefix: String)
    throws
  {
    try withModel(isOurs: true) { model in
      let flow = try TrainedFlow(diffusers: model)
      var all = try tensors(in: model)
      let path = model + "/" + Self.standardName
      try write(all.map { Tensor(name: prefix + $0.name, shape: $0.shape, values: $0.values) }, to: path)
      #expect(try TrainedFlow(diffusers: model).checksum == flow.checksum)
      // As where single blocks were compiled.
      try write(
        all.map {
          let name = $0.name.replacingOccurrences(of: "blocks.0.", with: "blocks.0._orig_mod.")
          return Tensor(name: name, shape: $0.shape, values: $0.values)
        }, to: path)
      #expect(try TrainedFlow(diffusers: model).checksum == flow.checksum)
      // Nothing is passed over.
      all.append(Tensor(name: prefix + "conv_in.bias", shape: [8], values: Array(repeating: 1, count: 8)))
      try write(all, to: path)
      #expect(try refusal(model).problem.contains("conv_in.bias"))
      all[all.count - 1].name = prefix + "other"
      try write(all, to: path)
      #expect(try refusal(model).problem.contains("'\(prefix)other' that its config.json knows nothing of"))
    }
  }

  @Test func shardsAreReadAsOneFile() throws {
    try withModel(isOurs: true) { model in
      let flow = try TrainedFlow(diffusers: model)
      let all = try tensors(in: model)
      try FileManager.default.removeItem(atPath: model + "/" + Self.standardName)
      let names = ["a.safetensors", "b.safetensors"]
      try write(Array(all.prefix(20)), to: model + "/a.safetensors")
      try write(Array(all.dropFirst(20)), to: model + "/b.safetensors")
      let index = model + "/diffusion_pytorch_model.safetensors.index.json"
      func writeIndex(_ names: [String]) throws {
        let map = all.enumerated().map { ($1.name, names[$0 < 20 ? 0 : 1]) }
        try NetworkTests.write(["weight_map": Dictionary(uniqueKeysWithValues: map)], to: index)
      }
      try writeIndex(names)
      #expect(try TrainedFlow(diffusers: model).checksum == flow.checksum)
      // As a weight_map leaves a file away whose tensors are then missing.
      try writeIndex(["a.safetensors", "a.safetensors"])
      #expect(try refusal(model).problem.contains("has no tensor"))
      for other in ["c.safetensors", "../b.safetensors"] {
        try writeIndex(["a.safetensors", other])
        let error = try refusal(model)
        #expect(error.kind == .missing && error.problem.contains(other), "\(error)")
      }
      // Two sets of weights, one of which is out of date.
      try writeIndex(names)
      try write(all, to: model + "/" + Self.standardName)
      #expect(try refusal(model).problem.contains("side by side"))
      try FileManager.default.removeItem(atPath: model + "/" + Self.standardName)
      try NetworkTests.write(["weight_map": 3], to: index)
      #expect(try refusal(model).problem.contains("weight_map"))
    }
  }

  @Test func othersNamesOfTheFileAreKnown() throws {
    try withModel(isOurs: true) { model in
      let flow = try TrainedFlow(diffusers: model)
      let manager = FileManager.default
      try manager.moveItem(atPath: model + "/" + Self.standardName, toPath: model + "/model.safetensors")
      #expect(try TrainedFlow(diffusers: model).checksum == flow.checksum)
      try manager.moveItem(atPath: model + "/model.safetensors", toPath: model + "/mine.safetensors")
      let error = try refusal(model)
      #expect(error.problem.contains("'mine.safetensors'"), "\(error)")
      // A pipeline's folder.
      try manager.moveItem(atPath: model + "/mine.safetensors", toPath: model + "/" + Self.standardName)
      let pipeline = (model as NSString).deletingLastPathComponent
      try manager.moveItem(atPath: model, toPath: pipeline + "/unet")
      #expect(TrainedFlow.isDiffusersDirectory(pipeline))
      #expect(try TrainedFlow(diffusers: pipeline).checksum == flow.checksum)
    }
  }

  // MARK: Refused

  /// What lies there is said, and the command that converts it.
  @Test func otherFormatsAreNamed() throws {
    let zip: [UInt8] = [0x50, 0x4B, 3, 4, 0, 0, 8, 8, 0, 0, 0, 0]
    let pickle: [UInt8] = [0x80, 2, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8]
    let pointer = Array("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 34\n".utf8)
    try withModel(isOurs: true) { model in
      let path = model + "/" + Self.standardName
      for (bytes, problem, remedy) in [
        (zip, "Python pickle", "python3 -c"), (pickle, "Python pickle", "python3 -c"),
        (pointer, "Git LFS", "git lfs pull"), (Array("<!DOCTYPE html>".utf8), "web page", "download"),
        ([0x89, 0x50, 0x4E, 0x47, 13, 10, 26, 10, 0], "a picture", "checkpoint"),
        ([0, 0, 8, 3, 0, 0, 0, 1, 0], "an IDX file", "checkpoint"),
        (Array("# A readme\n".utf8), "a text", "checkpoint"),
      ] {
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        let error = try refusal(model)
        #expect(error.kind == .malformed && error.path == path, "\(error)")
        #expect(error.problem.contains(problem) && error.remedy.contains(remedy), "\(error)")
      }
      try FileManager.default.removeItem(atPath: path)
      #expect(try refusal(model).kind == .missing)
      for name in ["diffusion_pytorch_model.bin", "unet.ckpt"] {
        try Data(zip).write(to: URL(fileURLWithPath: model + "/" + name))
        let error = try refusal(model)
        #expect(error.problem.contains("'\(name)'") && error.remedy.contains("python3 -c"), "\(error)")
        try FileManager.default.removeItem(atPath: model + "/" + name)
      }
    }
  }

  // MARK: Keys

  /// What diffusers takes for the same, and what it doesn't.
  @Test func keysWithoutEffectAreAccepted() throws {
    try withModel(isOurs: true) { model in
      let flow = try TrainedFlow(diffusers: model)
      for (key, values, others) in [
        ("act_fn", ["swish", "SiLU"], ["gelu", 1]), ("dropout", [0.1, 0.5], [1.5, "0"]),
        ("num_train_timesteps", [1000], ["many"]), ("time_embedding_dim", [32], [16, 0.5]),
        ("attn_norm_num_groups", [4], [2, 8]), ("sample_size", [[4, 4]], [0, "4", NSNull()]),
        ("downsample_padding", [1], [0]), ("mid_block_scale_factor", [1.0], [2]),
      ] as [(String, [Any], [Any])] {
        for value in values {
          try change("config.json", in: model) { $0[key] = value }
          #expect(try TrainedFlow(diffusers: model).configuration == flow.configuration, "\(key) \(value)")
        }
        for value in others {
          try change("config.json", in: model) { $0[key] = value }
          #expect(
            try refusal(model).problem.contains(key == "sample_size" && value as? Int == 0 ? "image" : key))
        }
        try flow.write(to: model)
      }
    }
  }
}
