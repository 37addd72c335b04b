import Foundation
import Imagery
import Testing

@Suite struct EvaluateTests {
  /// Images of 8×8 of three classes, each brighter in other rows, with a test split: `name` in `directory`.
  private func makeData(
    _ name: String, in directory: String, train: Int = 60, test: Int = 30,
    label: (Int) -> UInt8? = { UInt8($0 % 3) }
  ) throws {
    let path = directory + "/" + name
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    var state: UInt32 = 1
    for (prefix, count) in [("train", train), ("t10k", test)] {
      let pixels = (0..<count * 64).map { index -> UInt8 in
        state = state &* 1_664_525 &+ 1_013_904_223
        return UInt8(state >> 26) + (index % 64 / 24 == index / 64 % 3 ? 150 : 0)
      }
      try IDXFile.write(
        IDXArray(dimensions: [count, 8, 8], bytes: pixels), to: path + "/\(prefix)-images-idx3-ubyte")
      let labels = (0..<count).compactMap(label)
      if labels.isEmpty { continue }
      try IDXFile.write(
        IDXArray(dimensions: [count], bytes: labels), to: path + "/\(prefix)-labels-idx1-ubyte")
    }
  }

  @Test func scoresAModelAndAFile() throws {
    try withTemporaryDirectory { directory in
      func run(_ arguments: [String]) throws -> Command.Result { try Command.run(arguments, in: directory) }
      try makeData("data", in: directory)
      let trained = try run([
        "train", "data", "--output", "run", "--preset", "tiny", "--steps", "20", "--batch-size", "8",
        "--class-conditional", "--label-dropout", "0.2",
      ])
      #expect(trained.status == 0, "\(trained.errors)")

      let model =
        ["evaluate", "run", "data", "--json"]
        + ["eab3:2:edm", "sde:2:edm:0.5", "rk45:1e-1"].flatMap { ["--solver", $0] }
      let first = try run(model + ["--count", "24", "--seeds", "2", "--features", "points.safetensors"])
      #expect(first.status == 0, "\(first.errors)")
      let found = try object(first.output)
      #expect(
        Set(found.keys) == [
          "dataset", "reference_count", "classifier", "results", "floor", "held_out_nearest",
          "held_out_copies",
          "closest_pairs", "picture", "features", "verdict", "seconds",
        ])
      #expect(found["reference_count"] as? Int == 30)
      let classifier = try #require(found["classifier"] as? [String: Any])
      #expect(classifier["accuracy"] as? Double == 1 && classifier["checksum"] is String)
      let results = try #require(found["results"] as? [[String: Any]])
      #expect(results.map { $0["solver"] as? String } == ["eab3:2:edm", "sde:2:edm:0.5", "rk45:0.1"])
      for result in results {
        #expect(
          Set(result.keys) == [
            "solver", "evaluations", "count", "frechet", "frechet_error", "frechet_floor", "kid", "kid_error",
            "precision", "recall", "class_entropy", "nearer_than_held_out", "nearest", "label_agreement",
          ])
        #expect(result["count"] as? Int == 24)
      }
      #expect(results[0]["evaluations"] as? Double == 2)
      let floor = try #require(found["floor"] as? [String: Any])
      #expect(abs((floor["nearer_than_held_out"] as? Double ?? 0) - 1.0 / 31) < 1e-12)
      #expect(found["held_out_copies"] as? Int == 0)
      for file in ["run/evaluation/closest.svg", "run/evaluation/evaluation.svg", "points.safetensors"] {
        #expect(FileManager.default.fileExists(atPath: directory + "/" + file))
      }

      // The same again, by the classifier and the samples that were kept: no file of theirs is written anew.
      func numbers() throws -> [Int] {
        let samples = try FileManager.default.subpathsOfDirectory(
          atPath: directory + "/run/evaluation/samples")
        let kept = try FileManager.default.contentsOfDirectory(atPath: directory + "/data")
        return try
          (samples.sorted().map { "run/evaluation/samples/" + $0 } + kept.sorted().map { "data/" + $0 })
          .compactMap {
            try FileManager.default.attributesOfItem(atPath: directory + "/" + $0)[.systemFileNumber] as? Int
          }
      }
      let sets = try FileManager.default.contentsOfDirectory(atPath: directory + "/run/evaluation/samples")
      #expect(sets.count == 6 && sets.allSatisfy { $0.contains("-labels-as-test-") })
      let before = try numbers()
      // Six sets of one part, each a directory with two files; four IDX files and the classifier.
      #expect(before.count == 6 * 3 + 5)
      let second = try run(model + ["--count", "24", "--seeds", "2", "--threads", "1"])
      #expect(try numbers() == before)
      let again = try #require(try object(second.output)["results"] as? [[String: Any]])
      #expect(NSArray(array: results) == NSArray(array: again))

      // One class is compared with its own images.
      let two = try run(["evaluate", "run", "data", "--solver", "euler:2", "--label", "2", "--json"])
      #expect(try object(two.output)["reference_count"] as? Int == 10, "\(two.errors)")

      // With guidance, each evaluation of the field is two of the network.
      let guided = try run([
        "evaluate", "run", "data", "--solver", "euler:2", "--guidance", "2", "--count", "24", "--json",
      ])
      let rows = try object(guided.output)["results"] as? [[String: Any]]
      #expect(rows?.first?["evaluations"] as? Double == 4, "\(guided.errors)")

      // The training images are taken for copies of themselves; the test images for good samples.
      for (file, verdict) in [
        ("train", "100 % of the samples are copies"), ("t10k", "the samples can hardly be told from"),
      ] {
        let scored = try run(["evaluate", "--samples", "data/\(file)-images-idx3-ubyte", "data"])
        #expect(scored.status == 0 && scored.output.contains(verdict), "\(scored.errors)\(scored.output)")
        let rows = scored.table("results")
        #expect(rows.map { $0["solver"] } == ["file", "floor"])
        #expect(rows.first?["precision"] == "1.000" || file == "train")
      }
    }
  }

  /// What lies in the way of the results is met before the work, or takes no other result with it.
  @Test func resultsAreNotLost() throws {
    try withTemporaryDirectory { directory in
      try makeData("data", in: directory, test: 8)
      func run(_ arguments: [String]) throws -> Command.Result {
        try Command.run(
          ["evaluate", "--samples", "data/train-images-idx3-ubyte", "data"] + arguments, in: directory)
      }
      // More samples than test images: as many of both are shown, eight a row.
      let first = try run(["--features", "points.safetensors"])
      #expect(first.status == 0, "\(first.errors)")
      let sheet = try String(contentsOfFile: directory + "/evaluation/closest.svg", encoding: .utf8)
      // Four rows: the sheet is half as high as wide.
      let size = sheet.matches(of: /<image [^>]*>/).first.map { String($0.output) } ?? ""
      func side(_ name: String) -> Double {
        size.split(separator: " ").first { $0.hasPrefix(name + "=") }.flatMap {
          Double($0.split(separator: "\"")[1])
        } ?? 0
      }
      #expect(
        side("width") > 1.7 * side("height") && side("width") < 2.1 * side("height"), "\(size.prefix(200))")

      // Our own file may be replaced; any other may not, and nothing is worked on before.
      #expect(try run(["--features", "points.safetensors"]).status == 0)
      try FileManager.default.removeItem(atPath: directory + "/evaluation")
      let checkpoint = Data("a checkpoint".utf8)
      try checkpoint.write(to: URL(fileURLWithPath: directory + "/model.safetensors"))
      for (path, words) in [
        ("model.safetensors", "no file of features"), ("nowhere/points.safetensors", "no writable directory"),
        ("data", "is a directory"),
      ] {
        let refused = try run(["--features", path])
        #expect(refused.status == 73 && refused.errors.contains(words), "\(refused.errors)")
        #expect(refused.output.isEmpty)
      }
      #expect(try Data(contentsOf: URL(fileURLWithPath: directory + "/model.safetensors")) == checkpoint)
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory + "/evaluation") == [])
      try Data("a photograph".utf8).write(to: URL(fileURLWithPath: directory + "/evaluation/closest.svg"))
      let picture = try run([])
      #expect(picture.status == 73 && picture.errors.contains("no picture that Inkflow drew"))

      // A name that is too long fails when the file is written: the figures are printed all the same.
      let long = try run(["--output", "other", "--features", String(repeating: "x", count: 300)])
      #expect(long.status == 74 && long.table("results").count == 2, "\(long.errors)")
    }
  }

  @Test func refuses() throws {
    try withTemporaryDirectory { directory in
      try makeData("data", in: directory)
      try makeData("unlabelled", in: directory, label: { _ in nil })
      try FileManager.default.createDirectory(
        atPath: directory + "/trained", withIntermediateDirectories: false)
      try Data("{}".utf8).write(to: URL(fileURLWithPath: directory + "/trained/run.json"))
      try makeData("single", in: directory, label: { _ in 4 })
      try makeData("few", in: directory, test: 5)
      let images = "data/t10k-images-idx3-ubyte"
      try IDXFile.write(
        IDXArray(dimensions: [9, 4, 8], bytes: Array(repeating: 0, count: 288)), to: directory + "/flat.idx")
      try IDXFile.write(
        IDXArray(dimensions: [7, 8, 8], bytes: Array(repeating: 0, count: 448)), to: directory + "/seven.idx")
      for (arguments, status, words) in [
        (["--samples", "seven.idx", "data"], 78, "'seven.idx' has 7 images; evaluate needs at least 8"),
        (["--samples", "seven.idx", "data", "--count", "8"], 78, "'seven.idx' has 7 images"),
        (["run", "data", "--solver", "heun:10", "--solver", "heun:10"], 64, "heun:10 is given twice"),
        (["run", "data", "--solver", "rk45", "--solver", "rk45:1e-3"], 64, "rk45:0.001 is given twice"),
        (["--samples", images, "unlabelled"], 78, "has no labels"),
        (["--samples", images, "single"], 78, "have label 4"),
        (["--samples", images, "few"], 78, "at least 8 of each"),
        (["--samples", "flat.idx", "data"], 65, "has dimensions [9, 4, 8]"),
        (["--samples", "absent.idx", "data"], 66, "absent.idx"),
        (["--samples", images, "data", "--count", "31"], 78, "from 8 to 30"),
        (["--samples", images, "data", "--count", "7"], 64, "--count must be from 8"),
        (["data", "trained"], 78, "the order is: inkflow evaluate MODEL DATASET"),
        (["--samples", images, "data", "--seeds", "2"], 64, "go with a MODEL"),
        (["--samples", images, "run", "data"], 64, "give the DATASET alone"),
        (["data"], 64, "give a MODEL and a DATASET"),
        (["run", "data", "--solver", "rk45:0"], 64, "rk45:0"),
        (["run", "data", "--solver", "rk45:1e-3:edm"], 64, "rk45:1e-3:edm"),
        (["run", "data", "--solver", "eab3:10:odd"], 64, "eab3:10:odd"),
        (["run", "data", "--solver", "eab3:10:edm:1"], 64, "eab3:10:edm:1"),
        (["run", "data", "--solver", "sde:5:edm:nan"], 64, "sde:5:edm:nan"),
      ] as [([String], Int32, String)] {
        let result = try Command.run(["evaluate"] + arguments, in: directory)
        #expect(result.status == status && result.errors.contains(words), "\(arguments): \(result.errors)")
      }
    }
  }

  /// While the classifier is trained: the end comes at once, and the same command goes on.
  @Test func interruptionEndsAtOnce() throws {
    try withTemporaryDirectory { directory in
      try makeData("data", in: directory, train: 2000)
      let arguments = ["evaluate", "--samples", "data/t10k-images-idx3-ubyte", "data"]
      let process = try Command.start(arguments, in: directory)
      wait(for: process, until: { Command.catches(SIGINT, process) })
      kill(process.processIdentifier, SIGINT)
      Command.finish(process)
      #expect(process.terminationStatus == 130)
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory + "/data").count == 4)
      #expect(try Command.run(arguments, in: directory).status == 0)
    }
  }
}
