import Files
import Foundation
import Kernels
import Network
import Sampling
import Testing

/// Models as others leave them: read where that is safe, refused by name where it is not.
@Suite struct ForeignModelTests {
  // MARK: Against diffusers (`Fixtures/make_fixtures.py`)

  /// A pipeline's folder with float16 shards, whose velocity is noise − data at σ from 1 to 0: the velocity, and where
  /// the scheduler's own steps lead.
  @Test func aFlowMatchPipelineIsConverted() throws {
    let flow = try TrainedFlow(diffusers: fixture("flow_match"))
    #expect(flow.remark?.contains("converted") == true)
    let expected = try SafetensorsFile(contentsOf: fixture("flow_match/expected.safetensors"))
    let input = try expected.floats("input")
    let times = try expected.floats("timesteps").map { 1 - Double($0) / 1000 }
    let velocities = try flow.velocities(at: input, times: times)
    #expect(relativeError(velocities, try expected.floats("output").map { -$0 }) < 1e-4)

    let sigmas = try expected.floats("sigmas").map { Double($0) }
    var states = input
    for (sigma, next) in zip(sigmas, sigmas.dropFirst()) {
      let slope = try flow.velocities(at: states, times: [1 - sigma, 1 - sigma, 1 - sigma])
      for i in states.indices { states[i] += Float(sigma - next) * slope[i] }
    }
    #expect(relativeError(states, try expected.floats("samples")) < 1e-4)
    // The folder of the network alone finds its scheduler too.
    #expect(try TrainedFlow(diffusers: fixture("flow_match/unet")).checksum == flow.checksum)
  }

  /// bfloat16, old names of tensors, blocks and the class, keys without effect, no sample_size.
  @Test func aModelOfOldNamesIsReadAsDiffusersReadsIt() throws {
    let directory = try fixture("foreign")
    let error = try #require(throws: FileError.self) { _ = try TrainedFlow(diffusers: directory) }
    #expect(error.kind == .malformed && error.problem.contains("sample_size"), "\(error)")
    let flow = try TrainedFlow(diffusers: directory, side: 8)
    #expect(flow.remark?.contains("assumed") == true)
    let expected = try SafetensorsFile(contentsOf: directory + "/expected.safetensors")
    let velocities = try flow.velocities(
      at: expected.floats("input"), times: expected.floats("timesteps").map { Double($0) / 1000 })
    #expect(relativeError(velocities, try expected.floats("output")) < 1e-4)
  }

  // MARK: The convention

  @Test(arguments: [true, false]) func reversedTimeIsTheOtherWayRound(cosineFirst: Bool) throws {
    let flow = try randomFlow { $0.flipSinToCos = cosineFirst }
    let unet = try #require(flow.network as? UNet)
    let reversed = Arena(count: flow.weights.all.count)
    copy(flow.weights[flow.weights.all], into: reversed.mutable(reversed.all))
    unet.reverseTime(of: reversed)
    let times = [0, 0.125, 0.7, 1]
    let states = flow.noise(0..<4, seed: 3)
    let there = try flow.velocities(at: states, times: times)
    let back = try TrainedFlow(unet, Weights(reading: reversed)).velocities(
      at: states, times: times.map { 1 - $0 })
    #expect(relativeError(back.map { -$0 }, there) < 1e-4)
    #expect(relativeError(back, there) > 1)
  }

  @Test func aModelOfOursSaysSo() throws {
    try withTemporaryDirectory { directory in
      let flow = try randomFlow()
      try flow.write(to: directory)
      let copy = try TrainedFlow(diffusers: directory)
      #expect(copy.remark == nil && copy.checksum == flow.checksum)
      try change("config.json", in: directory) { $0["_inkflow"] = nil }
      #expect(try TrainedFlow(diffusers: directory).remark?.contains("assumed") == true)
    }
  }

  /// Whose files name another way of training, wherever they lie, is refused; also where a model of ours went on in
  /// diffusers, which keeps our words in config.json.
  @Test(arguments: [
    "scheduler_config.json", "scheduler/scheduler_config.json", "../scheduler/scheduler_config.json",
  ]) func aModelOfAnotherKindIsRefused(place: String) throws {
    for isOurs in [true, false] {
      for (scheduler, part) in [
        (
          ["_class_name": "DDPMScheduler", "prediction_type": "epsilon"],
          "DDPMScheduler with prediction_type 'epsilon'"
        ),
        (["_class_name": "EDMEulerScheduler"], "EDMEulerScheduler"),
        ([:], "no class"),
        (
          ["_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 500],
          "num_train_timesteps 500"
        ),
      ] as [([String: Any], String)] {
        try withModel(isOurs: isOurs) { model in
          try write(scheduler, to: model + "/" + place)
          // A setting that is not supported either is the lesser problem.
          try change("config.json", in: model) { $0["downsample_padding"] = 0 }
          let error = try #require(throws: FileError.self) { _ = try TrainedFlow(diffusers: model) }
          #expect(error.kind == .malformed && error.problem.contains(part), "\(error)")
          #expect(error.path.hasSuffix("scheduler_config.json"))
        }
      }
    }
  }

  @Test func flowMatchingNextToOurWordsIsAContradiction() throws {
    try withModel(isOurs: true) { model in
      try write(["_class_name": "FlowMatchEulerDiscreteScheduler"], to: model + "/scheduler_config.json")
      let error = try #require(throws: FileError.self) { _ = try TrainedFlow(diffusers: model) }
      #expect(error.problem.contains("_inkflow"))
    }
  }

  /// With inverted sigmas, time and velocity run as ours: where the scheduler's steps lead with the same weights.
  @Test func invertedSigmasNeedNoConversion() throws {
    try withTemporaryDirectory { directory in
      let model = directory + "/model"
      try FileManager.default.copyItem(atPath: fixture("flow_match/unet"), toPath: model)
      try write(
        ["_class_name": "FlowMatchEulerDiscreteScheduler", "invert_sigmas": true],
        to: model + "/scheduler_config.json")
      let flow = try TrainedFlow(diffusers: model)
      let expected = try SafetensorsFile(contentsOf: fixture("flow_match/expected.safetensors"))
      let times = try expected.floats("inverted_sigmas").map { Double($0) }
      var states = try expected.floats("input")
      for (time, next) in zip(times, times.dropFirst()) {
        let slope = try flow.velocities(at: states, times: [time, time, time])
        for i in states.indices { states[i] += Float(next - time) * slope[i] }
      }
      #expect(times.first == 0 && times.last == 1)
      #expect(relativeError(states, try expected.floats("inverted_samples")) < 1e-4)
    }
    try withModel(isOurs: false) { model in
      let plain = try TrainedFlow(diffusers: model)
      let path = model + "/scheduler_config.json"
      try write(["_class_name": "FlowMatchEulerDiscreteScheduler", "invert_sigmas": true], to: path)
      let stated = try TrainedFlow(diffusers: model)
      #expect(stated.checksum == plain.checksum && stated.remark?.contains("invert_sigmas") == true)
      try write(["_class_name": "FlowMatchEulerDiscreteScheduler"], to: path)
      #expect(try TrainedFlow(diffusers: model).checksum != plain.checksum)
    }
  }

  @Test func aPipelineThatCannotBeSampledIsRefused() throws {
    for (index, part) in [
      (["vqvae": ["diffusers", "VQModel"]], "'vqvae'"),
      (["scheduler": ["diffusers", "DDPMScheduler"]], "DDPMScheduler"),
    ] {
      try withModel(isOurs: false) { model in
        try write(index, to: model + "/../model_index.json")
        let error = try #require(throws: FileError.self) { _ = try TrainedFlow(diffusers: model) }
        #expect(error.problem.contains(part), "\(error)")
      }
    }
  }

  @Test func wordsOfOursThatAreNotKnownAreRefused() throws {
    try withModel(isOurs: true) { model in
      try change("config.json", in: model) {
        var words = $0["_inkflow"] as? [String: String]
        words?["prediction"] = "x1"
        $0["_inkflow"] = words
      }
      let error = try #require(throws: FileError.self) { _ = try TrainedFlow(diffusers: model) }
      #expect(error.problem.contains("prediction: 'x1'"))
    }
  }
}

// MARK: Help

func fixture(_ name: String) throws -> String {
  try #require(Bundle.module.resourceURL).appending(path: "Fixtures/\(name)").path
}

/// ‖a − b‖ / ‖b‖ in Double.
func relativeError(_ a: [Float], _ b: [Float]) -> Double {
  precondition(a.count == b.count)
  var (difference, size) = (0.0, 0.0)
  for (x, y) in zip(a, b) {
    difference += (Double(x) - Double(y)) * (Double(x) - Double(y))
    size += Double(y) * Double(y)
  }
  return (difference / size).squareRoot()
}

/// A small flow with random weights, its last layer's among them.
func randomFlow(_ change: (inout UNetConfiguration) -> Void = { _ in }) throws -> TrainedFlow {
  var configuration = UNetConfiguration(
    sampleHeight: 4, sampleWidth: 4, inputChannels: 1, outputChannels: 1, blockOutputChannels: [8, 8],
    layersPerBlock: 1, attentionLevels: [false, true], normGroupCount: 4)
  change(&configuration)
  let unet = try UNet(configuration)
  let parameters = unet.initialParameters(seed: 1)
  for parameter in unet.parameters where parameter.name.hasPrefix("conv_out") {
    Philox(seed: 2, purpose: .initialization).fillNormals(parameters.mutable(parameter.slice))
  }
  return TrainedFlow(unet, Weights(reading: parameters))
}

/// Passes the directory of a small model, alone in a directory that is gone afterwards.
func withModel(isOurs: Bool, _ body: (String) throws -> Void) throws {
  try withTemporaryDirectory { directory in
    let model = directory + "/model"
    try randomFlow().write(to: model)
    if !isOurs { try change("config.json", in: model) { $0["_inkflow"] = nil } }
    try body(model)
  }
}

func withTemporaryDirectory(_ body: (String) throws -> Void) throws {
  let directory = FileManager.default.temporaryDirectory.appending(path: "inkflow-\(UUID())").path
  try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
  defer { try? FileManager.default.removeItem(atPath: directory) }
  try body(directory)
}

/// Writes a JSON file, and the folder in which it is to lie.
func write(_ object: [String: Any], to path: String) throws {
  let url = URL(fileURLWithPath: path)
  try FileManager.default.createDirectory(
    at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
  try JSONSerialization.data(withJSONObject: object).write(to: url)
}

/// Changes a JSON file.
func change(_ name: String, in directory: String, _ body: (inout [String: Any]) -> Void) throws {
  let data = Data(try readFile(directory + "/" + name))
  var object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
  body(&object)
  try write(object, to: directory + "/" + name)
}
