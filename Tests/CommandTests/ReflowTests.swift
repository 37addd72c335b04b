import Foundation
import Imagery
import Testing

/// Reflow from the command line: rounds, an end that was not foreseen, more rounds, the report.
@Suite(.serialized) struct ReflowTests {
  private static let options = [
    "--pairs", "520", "--steps", "4", "--batch-size", "8", "--rtol", "0.1", "--atol", "0.1", "--samples",
    "64",
    "--threads", "2", "--dataset", "data",
  ]

  private func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

  /// Images of 8×8, small enough for many solves.
  ///
  /// - Parameter hasLabels: of three classes, which the classifier of the report's distances learns.
  private func makeRun(in directory: String, hasLabels: Bool = false) throws {
    try FileManager.default.createDirectory(atPath: directory + "/data", withIntermediateDirectories: false)
    for (prefix, count) in [("train", 80), ("t10k", 20)] {
      let pixels = (0..<count * 64).map { UInt8(truncatingIfNeeded: $0 * $0 / 7 % 251 * ($0 / 64 % 3)) }
      try IDXFile.write(
        IDXArray(dimensions: [count, 8, 8], bytes: pixels),
        to: "\(directory)/data/\(prefix)-images-idx3-ubyte")
      if !hasLabels { continue }
      try IDXFile.write(
        IDXArray(dimensions: [count], bytes: (0..<count).map { UInt8($0 % 3) }),
        to: "\(directory)/data/\(prefix)-labels-idx1-ubyte")
    }
    let trained = try Command.run(
      ["train", "data", "--output", "run", "--preset", "tiny", "--steps", "10", "--batch-size", "8"],
      in: directory)
    #expect(trained.status == 0, "\(trained.errors)")
  }

  @Test func roundsResumeAndReport() throws {
    try withTemporaryDirectory { directory in
      try makeRun(in: directory, hasLabels: true)
      let straight = try Command.run(
        ["reflow", "run", "--rounds", "2", "--output", "straight", "--json"] + Self.options, in: directory)
      #expect(straight.status == 0, "\(straight.errors)")
      // Progress is a line every ten seconds, and one at an end.
      #expect(straight.errors.split(separator: "\n").count < 40, "\(straight.errors)")
      let report = try object(straight.output)
      #expect(
        Set(report.keys) == [
          "dataset", "samples", "seed", "rtol", "atol", "solvers", "frechet_floor", "flows", "picture",
        ])
      let flows = try #require(report["flows"] as? [[String: Any]])
      let svg = String(decoding: try bytes(directory + "/straight/reflow.svg"), as: UTF8.self)
      #expect(flows.map { $0["name"] as? String } == ["1-RF", "2-RF", "3-RF"])
      for flow in flows {
        #expect(try #require(flow["straightness"] as? Double) >= 0)
        #expect(try #require(flow["held_out_loss"] as? Double) > 0)
        let distances = try #require(flow["frechet_distances"] as? [Double])
        #expect(distances.count == 5 && (flow["frechet_errors"] as? [Double])?.count == 5)
        // In the picture below their samples.
        for distance in distances { #expect(svg.contains(">\(String(format: "%.3f", distance))</text>")) }
        #expect(
          Set(flow.keys) == [
            "name", "run", "checkpoint", "straightness", "straightness_error", "held_out_loss",
            "frechet_distances", "frechet_errors", "evaluations",
          ])
      }
      #expect((try #require(flows[1]["run"] as? String)).hasSuffix("straight/round-1"))
      #expect(try bytes(directory + "/straight/report.json") == Data(straight.output.utf8))
      // The same figures as 'evaluate' has, here of one Euler step of the last flow.
      let evaluated = try Command.run(
        ["evaluate", "straight/round-2", "data", "--solver", "euler:1", "--count", "64", "--json"],
        in: directory)
      #expect(evaluated.status == 0, "\(evaluated.errors)")
      let found = try object(evaluated.output)
      let result = try #require((found["results"] as? [[String: Any]])?.first)
      let last = try #require(flows.last)
      for (ours, theirs) in [("frechet_distances", "frechet"), ("frechet_errors", "frechet_error")] {
        #expect((last[ours] as? [Double])?.first == result[theirs] as? Double)
      }
      #expect(report["frechet_floor"] as? Double == result["frechet_floor"] as? Double)
      for label in ["1-RF", "3-RF", "euler 1", "rk45"] { #expect(svg.contains(">\(label)</text>")) }
      let link = try #require(svg.firstMatch(of: /href="data:image\/png;base64,([^"]*)"/))
      let data = try #require(Data(base64Encoded: String(link.1)))
      let picture = try PNGImage.decode([UInt8](data))
      // Cells of 4 by 2 images, 64 wide with 1 between them; 5 by 3 cells with 24 between them.
      #expect(picture.width == 5 * (4 * 65 + 1 + 24) + 24 && picture.height == 3 * (2 * 65 + 1 + 24) + 24)

      // Killed once the first part of the first round is there.
      let process = try Command.start(["reflow", "run", "--output", "reflow"] + Self.options, in: directory)
      let part = directory + "/reflow/round-1/pairs/part-00000.safetensors"
      wait(for: process) { FileManager.default.fileExists(atPath: part) }
      kill(process.processIdentifier, SIGKILL)
      Command.finish(process)
      let made = try bytes(part)
      // What the first flow's row of the report lacks, the others have.
      try FileManager.default.removeItem(atPath: directory + "/run/metrics.jsonl")
      let resumed = try Command.run(
        ["reflow", "run", "--output", "reflow", "--resume", "--dataset", "data", "--samples", "64"],
        in: directory)
      #expect(resumed.status == 0, "\(resumed.errors)")
      let rows = resumed.table("flows")
      #expect(rows.map { $0["name"] } == ["1-RF", "2-RF"], "\(resumed.output)")
      #expect(rows.map { $0["held out loss"].flatMap(Double.init) != nil } == [false, true])
      #expect(try bytes(part) == made)

      // Another round: the first is kept.
      let checkpoint = "/round-1/checkpoints/step-00000004.safetensors"
      let first = try bytes(directory + "/reflow" + checkpoint)
      let more = try Command.run(
        [
          "reflow", "run", "--output", "reflow", "--resume", "--rounds", "2", "--dataset", "data",
          "--samples", "64",
          "--threads", "1", "--json",
        ], in: directory)
      #expect(more.status == 0, "\(more.errors)")
      #expect(more.errors.contains("round 1: kept"))
      #expect(try bytes(directory + "/reflow" + checkpoint) == first)
      for round in 1...2 {
        let weights = "/round-\(round)/model/diffusion_pytorch_model.safetensors"
        #expect(try bytes(directory + "/reflow" + weights) == bytes(directory + "/straight" + weights))
      }
      for command in [
        ["inspect", "reflow/round-2"], ["sample", "reflow/round-2", "--solver", "euler", "--steps", "1"],
      ] {
        let result = try Command.run(command, in: directory)
        #expect(result.status == 0, "\(result.errors)")
      }
    }
  }

  /// Where no tolerance is given, few steps make the pairs; the round learns at the noise, by a loss that forgives.
  @Test func pairsByFewSteps() throws {
    try withTemporaryDirectory { directory in
      try makeRun(in: directory)
      let options = Self.options.filter { !["--rtol", "--atol", "0.1"].contains($0) }
      let made = try Command.run(["reflow", "run"] + options, in: directory)
      #expect(made.status == 0, "\(made.errors)")
      #expect(made.errors.contains("10.0 evaluations each"), "\(made.errors)")
      #expect(made.errors.contains("no distances") && made.errors.contains("no labels"), "\(made.errors)")
      func read(_ path: String) throws -> [String: Any] {
        try object(String(contentsOfFile: directory + "/run/reflow/" + path, encoding: .utf8))
      }
      #expect(try read("reflow.json")["pair_steps"] as? Int == 10)
      let settings = try #require(try read("round-1/run.json")["settings"] as? [String: Any])
      #expect(
        settings["times"] as? String == "mostly-noise-end" && settings["loss"] as? String == "pseudo-huber")
      #expect(settings["learning_rate"] as? Double == 5e-4 && settings["precision"] as? String == "float32")
      let inspected = try Command.run(["inspect", "run/reflow/round-1", "--json"], in: directory)
      let said = try object(inspected.output)
      #expect(said["times"] as? String == "mostly-noise-end" && said["loss"] as? String == "pseudo-huber")
      let other = try Command.run(
        ["reflow", "run", "--dataset", "data", "--resume", "--atol", "0.1"], in: directory)
      #expect(other.status == 78 && other.errors.contains("10 steps of eab3"), "\(other.errors)")
    }
  }

  /// The plan of the rounds is a file that may have been damaged: each number is looked at before it is used.
  @Test func numbersThatCannotBeInThePlanAreNamed() throws {
    try withTemporaryDirectory { directory in
      try makeRun(in: directory)
      // Of one round, as its length can't be: so that nothing but the plan is made.
      let path = directory + "/run/reflow/reflow.json"
      let process = try Command.start(["reflow", "run"] + Self.options, in: directory)
      wait(for: process) { FileManager.default.fileExists(atPath: path) }
      kill(process.processIdentifier, SIGKILL)
      Command.finish(process)
      let plan = try object(try String(contentsOfFile: path, encoding: .utf8))
      #expect(plan["rounds"] as? Int == 1 && plan["batch_size"] as? Int == 8)
      let huge = ["-9223372036854775808", "-1", "9223372036854775807"]
      let beyond = ["1e300", "18446744073709551616", "0.5"]
      var cases: [(key: String, number: String, said: String)] = []
      for (key, numbers) in [
        ("rounds", ["0", "41", "43"]), ("pairs", ["0", "1"]), ("samples", ["0", "63"]), ("steps", ["0"]),
        ("batch_size", ["0", "495", "1000000000"]),
      ] {
        for number in numbers + huge { cases.append((key, number, key)) }
        for number in beyond { cases.append((key, number, "no record of a reflow")) }
      }
      for key in ["rtol", "atol", "learning_rate", "minutes"] {
        for number in ["-1", "1e300"] + (key == "rtol" ? [] : ["0"]) { cases.append((key, number, key)) }
      }
      cases.append(("seed", "-1", "no record of a reflow"))
      for (key, number, said) in cases {
        var changed = plan
        changed[key] = "@"
        let text = String(decoding: try JSONSerialization.data(withJSONObject: changed), as: UTF8.self)
        try text.replacingOccurrences(of: "\"@\"", with: number)
          .write(toFile: path, atomically: false, encoding: .utf8)
        let result = try Command.run(["reflow", "run", "--dataset", "data", "--resume"], in: directory)
        #expect(result.status == 65, "\(key) \(number): \(result.status), \(result.errors)")
        #expect(result.errors.contains(said), "\(key) \(number): \(result.errors)")
      }
    }
  }

  @Test func badInputIsRefusedWithTheRightStatus() throws {
    try withTemporaryDirectory { directory in
      try makeRun(in: directory)
      let reflow = ["reflow", "run"]
      let done = try Command.run(reflow + Self.options, in: directory)
      #expect(done.status == 0, "\(done.errors)")
      let other = try Command.run(["synthesize", "other", "--count", "20"], in: directory)
      #expect(other.status == 0)
      // A network of classes, but in run.json alone.
      let copy = directory + "/classes"
      try FileManager.default.copyItem(atPath: directory + "/run", toPath: copy)
      let record = try String(contentsOfFile: copy + "/run.json", encoding: .utf8)
      let changed = record.replacingOccurrences(
        of: #""network" : {"#, with: #""network" : { "class_count": 3,"#)
      #expect(changed != record)
      try changed.write(toFile: copy + "/run.json", atomically: false, encoding: .utf8)
      let data = ["--dataset", "data"]
      for (arguments, status, part) in [
        (["reflow", "nowhere"], 66, "'nowhere'"),
        (["reflow", "run/model"], 66, "no run"),
        (["reflow", "classes"] + data, 65, "of another network"),
        (reflow + data, 73, "--resume"),
        (reflow, 78, "--dataset"),
        (reflow + ["--dataset", "other", "--resume"], 78, "not the data"),
        (reflow + data + ["--output", "none", "--resume"], 66, "leave out --resume"),
        (reflow + data + ["--resume", "--pairs", "90"], 78, "--pairs is 90"),
        (reflow + data + ["--resume", "--rtol", "0.2"], 78, "--rtol is 0.2"),
        (reflow + data + ["--output", "few", "--pairs", "9", "--batch-size", "9"], 78, "8 pairs"),
        (reflow + ["--rounds", "0"], 64, "--rounds"),
        (reflow + ["--pairs", "1"], 64, "--pairs"),
        (reflow + ["--steps", "2", "--minutes", "1"], 64, "only one"),
        (reflow + ["--atol", "0"], 64, "--atol"),
        (reflow + ["--samples", "3"], 64, "--samples"),
      ] {
        let result = try Command.run(arguments, in: directory)
        #expect(result.status == Int32(status), "\(arguments): \(result.status), \(result.errors)")
        #expect(result.errors.contains(part), "\(arguments): \(result.errors)")
      }
      #expect(!FileManager.default.fileExists(atPath: directory + "/few"))

      // The flow has been trained on since: its pairs are no longer its own.
      let longer = try Command.run(
        ["train", "data", "--output", "run", "--resume", "--steps", "12"], in: directory)
      #expect(longer.status == 0, "\(longer.errors)")
      let stale = try Command.run(reflow + data + ["--resume"], in: directory)
      #expect(stale.status == 78 && stale.errors.contains("other weights"), "\(stale.errors)")
    }
  }
}
