import Foundation
import Kernels
import Network
import Sampling
import Testing

/// Models of others from the command line.
@Suite struct ModelTests {
  private static let configuration = UNetConfiguration(
    sampleHeight: 8, sampleWidth: 8, inputChannels: 1, outputChannels: 1, blockOutputChannels: [8, 8],
    layersPerBlock: 1, attentionLevels: [false, false], normGroupCount: 4)

  /// Passes a directory with a small model in `model`, and a function that changes its config.json.
  private func withModel(
    _ body: (_ directory: String, _ change: ((inout [String: Any]) -> Void) throws -> Void) throws -> Void
  ) throws {
    try withTemporaryDirectory { directory in
      let unet = try UNet(Self.configuration)
      try TrainedFlow(unet, Weights(reading: unet.initialParameters(seed: 0))).write(to: directory + "/model")
      let path = URL(fileURLWithPath: directory + "/model/config.json")
      try body(directory) { change in
        var config = try object(String(contentsOf: path, encoding: .utf8))
        change(&config)
        try JSONSerialization.data(withJSONObject: config).write(to: path)
      }
    }
  }

  private let sample = ["sample", "model", "--count", "1", "--solver", "euler", "--steps", "1"]

  @Test func whatIsAssumedOfAModelIsSaid() throws {
    try withModel { directory, change in
      let ours = try Command.run(sample, in: directory)
      #expect(ours.status == 0 && ours.errors.isEmpty, "\(ours.errors)")
      let inspected = try Command.run(["inspect", "model"], in: directory)
      #expect(inspected.value("convention")?.hasPrefix("stated") == true)

      try change { $0["_inkflow"] = nil }
      let assumed = try Command.run(sample, in: directory)
      #expect(assumed.status == 0 && assumed.errors.contains("note: 'model': assumed: no file says"))
      let again = try Command.run(["inspect", "model", "--json"], in: directory)
      #expect((try object(again.output)["convention"] as? String)?.hasPrefix("assumed") == true)
      let begun = try Command.run(
        ["train", "synthetic", "--init", "model", "--steps", "1", "--threads", "1"], in: directory)
      #expect(begun.status == 78 && begun.errors.contains("assumed"), "\(begun.errors)")
      #expect(begun.errors.contains("sample_height is 8, not 28"), "\(begun.errors)")

      let scheduler = Data(#"{"_class_name":"DDPMScheduler","prediction_type":"epsilon"}"#.utf8)
      try scheduler.write(to: URL(fileURLWithPath: directory + "/model/scheduler_config.json"))
      for arguments in [sample, ["inspect", "model"]] {
        let refused = try Command.run(arguments, in: directory)
        #expect(refused.status == 65 && refused.output.isEmpty, "\(refused)")
        #expect(refused.errors.contains("DDPMScheduler with prediction_type 'epsilon'"), "\(refused.errors)")
      }
    }
  }

  @Test func aSideIsForModelsThatStateNone() throws {
    try withModel { directory, change in
      let side = ["--side", "4"]
      for arguments in [sample + side, ["inspect", "model"] + side] {
        let refused = try Command.run(arguments, in: directory)
        #expect(refused.status == 78 && refused.errors.contains("states images of 8×8"), "\(refused.errors)")
      }
      try change { $0["sample_size"] = NSNull() }
      for arguments in [sample, ["inspect", "model"]] {
        let refused = try Command.run(arguments, in: directory)
        #expect(refused.status == 65 && refused.errors.contains("pass --side"), "\(refused.errors)")
        let done = try Command.run(arguments + side, in: directory)
        #expect(done.status == 0, "\(done.errors)")
      }
    }
  }
}
