import Foundation
import Imagery
import Kernels
import Network
import Sampling
import Testing

@Suite struct LikelihoodCommandTests {
  private func train(_ output: String, _ options: [String] = []) -> [String] {
    [
      "train", "data", "--output", output, "--preset", "tiny", "--steps", "30", "--batch-size", "8",
    ] + options
  }

  @Test func measuresAndRefuses() throws {
    try withTemporaryDirectory { directory in
      func run(_ arguments: [String]) throws -> Command.Result { try Command.run(arguments, in: directory) }
      #expect(try run(["synthesize", "data", "--count", "200"]).status == 0)
      for arguments in [train("run", ["--dequantize"]), train("undithered")] {
        let trained = try run(arguments)
        #expect(trained.status == 0, "\(trained.errors)")
      }

      // The same number on any number of threads, with an error bar and the check of the solver.
      let options = ["--count", "4", "--draws", "2", "--rtol", "1e-2", "--atol", "1e-2"]
      var outputs: [[String: Any]] = []
      for threads in 1...3 {
        let measured = try run(["likelihood", "run", "data", "--threads", "\(threads)", "--json"] + options)
        #expect(measured.status == 0 && !measured.errors.contains("--dequantize"), "\(measured.errors)")
        outputs.append(try object(measured.output))
      }
      let bits = try outputs.map { try #require($0["bits_per_dimension"] as? Double) }
      #expect(Set(bits).count == 1 && (4..<9.5).contains(bits[0]))
      let difference = try #require(outputs[0]["difference"] as? Double)
      let coarse = try #require(outputs[0]["coarse_bits_per_dimension"] as? Double)
      #expect(difference > 0 && difference >= abs(coarse - bits[0]) - 1e-12)
      #expect(outputs[0]["standard_error"] is Double && outputs[0]["standard_error_of_draws"] is Double)
      #expect(outputs[0]["trained_with_dequantize"] as? Bool == true)
      #expect(
        Set(outputs[0].keys) == [
          "bits_per_dimension", "bits_by_image", "standard_error", "standard_error_of_draws",
          "coarse_bits_per_dimension", "difference", "allowed_difference", "checkpoint", "weights",
          "trained_with_dequantize", "dataset", "split", "first", "count", "draws", "probes", "probe", "seed",
          "rtol", "atol", "evaluations", "seconds",
        ])
      #expect((outputs[0]["evaluations"] as? [Int])?.count == 8)

      // Drawn in the order of what they take.
      let drawn = try run(["likelihood", "run", "data", "--json", "--output", "sheet.png"] + options)
      let byImage = try #require(try object(drawn.output)["bits_by_image"] as? [Double])
      #expect(byImage.count == 4 && abs(byImage.reduce(0, +) / 4 - bits[0]) < 1e-12)
      let order = (0..<4).sorted { byImage[$0] < byImage[$1] }
      let data = try ImageDataset.load(directory + "/data", split: .test)
      let sheet = try PNGImage.decode(
        Array(try Data(contentsOf: URL(fileURLWithPath: directory + "/sheet.png"))))
      #expect(
        sheet
          == ContactSheet.image(
            pixels: order.flatMap { data.pixels[$0 * 784..<($0 + 1) * 784] }, height: 28, width: 28,
            channels: 1,
            columns: 20))

      // In words; probes, seed, images and split matter.
      let words = try run(["likelihood", "run", "data"] + options)
      #expect(words.status == 0, "\(words.errors)")
      for (name, value) in [
        ("bits per dimension", String(format: "%.4f", bits[0])), ("dataset", "data"), ("split", "test"),
        ("first", "0"), ("count", "4"), ("draws", "2"), ("trained with dequantize", "yes"),
        ("difference", String(format: "%.4f", difference)),
      ] {
        #expect(words.value(name) == value, "\(name) in: \(words.output)")
      }
      for note in ["standard error: over 4 images", "coarse: at the tolerances given"] {
        #expect(words.output.contains(note), "\(words.output)")
      }
      for change in [
        ["--seed", "4"], ["--first", "2"], ["--split", "train"], ["--probe", "gaussian"], ["--probes", "3"],
        ["--weights", "raw"],
      ] {
        let other = try run(["likelihood", "run", "data", "--json"] + options + change)
        #expect(other.status == 0, "\(change): \(other.errors)")
        #expect(try object(other.output)["bits_per_dimension"] as? Double != bits[0], "\(change)")
      }

      // What it wasn't trained for is said.
      let undithered = try run(["likelihood", "undithered", "data"] + options)
      #expect(undithered.errors.contains("not trained with --dequantize"))
      let known = try run(["likelihood", "run/model", "data"] + options)
      #expect(known.status == 0 && !known.errors.contains("--dequantize"))
      let unknown = try run(["likelihood", "undithered/model", "data"] + options)
      #expect(unknown.errors.contains("doesn't say"))

      // A solve that is too coarse for its field gives no number, nor does one that fails.
      for (scale, options, status, part) in [
        (300, ["--rtol", "1", "--atol", "1"], 65, "smaller --rtol"), (3e38, [], 70, "not finite"),
      ] {
        let trained = try TrainedFlow(diffusers: directory + "/run/model")
        let steep = Arena(count: trained.weights.all.count)
        copy(trained.weights[trained.weights.all], into: steep.mutable(steep.all))
        for parameter in trained.network.parameters where parameter.name == "conv_out.weight" {
          var weights = steep.mutable(parameter.slice)
          for i in weights.indices { weights[i] *= Float(scale) }
        }
        try TrainedFlow(trained.network, Weights(reading: steep)).write(to: directory + "/steep")
        let refused = try run(["likelihood", "steep", "data", "--count", "2"] + options)
        #expect(refused.status == Int32(status) && refused.output.isEmpty, "\(refused)")
        #expect(refused.errors.contains(part), "\(refused.errors)")
      }

      try FileManager.default.createDirectory(
        atPath: directory + "/small", withIntermediateDirectories: false)
      try IDXFile.write(
        IDXArray(dimensions: [4, 8, 8], bytes: Array(repeating: 1, count: 256)),
        to: directory + "/small/images")
      for (arguments, status, part) in [
        (["run", "small"], 78, "'small' has images of 8×8×1, but the model was trained on 28×28×1"),
        (["run", "data", "--count", "5000"], 78, "has the images 0 to 19"),
        (["nowhere", "data"], 66, "'nowhere'"), (["run", "nowhere"], 66, "nowhere"),
        (["run/model", "data", "--weights", "raw"], 65, "--weights"),
        (["run", "data", "--output", "nowhere/sheet.png"], 73, "nowhere"),
        (["run", "data", "--count", "0"], 64, "--count"), (["run", "data", "--atol", "0"], 64, "--atol"),
        (["run", "data", "--rtol", "nan"], 64, "--rtol"),
        (["run", "data", "--probes", "0"], 64, "--probes"),
        (["run", "data", "--draws", "-1"], 64, "--draws"),
        (["run", "data", "--probe", "uniform"], 64, "uniform"),
        (["run", "data", "--split", "valid"], 64, "valid"), (["run"], 64, "dataset"),
      ] {
        let result = try run(["likelihood"] + arguments)
        #expect(result.status == Int32(status), "\(arguments): \(result.status), \(result.errors)")
        #expect(result.errors.contains(part), "\(arguments): \(result.errors)")
        #expect(result.output.isEmpty)
      }
    }
  }
}
