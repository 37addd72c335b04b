import Foundation
import Imagery
import Kernels
import Testing

/// Classes from the command line: pictures in folders, training, samples of a class, reflow.
@Suite(.serialized) struct ClassCommandTests {
  private static let euler = ["--solver", "euler", "--steps", "2"]

  /// 8×8 images of one grey each, by their label: a data set in IDX files.
  private func makeData(_ path: String, labels: [UInt8], test: [UInt8], names: [String]? = nil) throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    for (prefix, labels) in [("train", labels), ("t10k", test)] {
      let pixels = labels.enumerated().flatMap { Array(repeating: $1 * 60 + UInt8($0 % 7), count: 64) }
      try IDXFile.write(
        IDXArray(dimensions: [labels.count, 8, 8], bytes: pixels), to: "\(path)/\(prefix)-images-idx3-ubyte")
      try IDXFile.write(
        IDXArray(dimensions: [labels.count], bytes: labels), to: "\(path)/\(prefix)-labels-idx1-ubyte")
    }
    if let names {
      try JSONEncoder().encode(names).write(to: URL(fileURLWithPath: path + "/classes.json"))
    }
  }

  private func train(_ output: String, _ more: [String] = [], data: String = "data") -> [String] {
    [
      "train", data, "--output", output, "--preset", "tiny", "--steps", "3", "--batch-size", "8", "--threads",
      "2",
    ] + more
  }

  private func run(_ arguments: [String], in directory: String) throws -> Command.Result {
    let result = try Command.run(arguments, in: directory)
    #expect(result.status == 0, "\(arguments): \(result.errors)")
    return result
  }

  private func samples(_ arguments: [String], in directory: String) throws -> ([UInt8], [String: Any]) {
    let result = try run(
      ["sample"] + arguments + Self.euler + ["--idx", "samples", "--output", "sheet.png", "--json"],
      in: directory)
    return (try IDXFile.read(directory + "/samples").bytes, try object(result.output))
  }

  private func sheet(in directory: String) throws -> PNGImage {
    try PNGImage.decode(Array(try Data(contentsOf: URL(fileURLWithPath: directory + "/sheet.png"))))
  }

  /// Four labels, one of which no image has; a name that is another's label.
  private func makeRun(in directory: String, trainCount: Int = 60, testCount: Int = 4) throws {
    try makeData(
      directory + "/data", labels: (0..<trainCount).map { [0, 1, 3][$0 % 3] },
      test: (0..<testCount).map { [0, 1, 3, 3][$0 % 4] },
      names: ["3", "Shoe", "none", "shirt"])
    _ = try run(train("run", ["--class-conditional"]), in: directory)
  }

  @Test func samplesOfAClass() throws {
    try withTemporaryDirectory { directory in
      try makeRun(in: directory)
      let (all, summary) = try samples(["run"], in: directory)
      #expect(summary["count"] as? Int == 24 && summary["guidance"] as? Double == 1)
      #expect(summary["labels"] as? [Int] == (0..<24).map { [0, 1, 3][$0 % 3] })
      // A row a class, eight in each; the scale is 8.
      #expect(try (sheet(in: directory).width, sheet(in: directory).height) == (8 * 66 + 2, 3 * 66 + 2))
      // By name, whatever its case; a name before a number; a number that is no name.
      for (asked, label) in [("shirt", 3), ("SHOE", 1), ("1", 1), ("3", 0), ("0", 0)] {
        let (one, summary) = try samples(["run", "--label", asked, "--count", "7"], in: directory)
        #expect(summary["labels"] as? [Int] == Array(repeating: label, count: 7), "\(asked)")
        let number = [0: 0, 1: 1, 3: 2][label] ?? 0
        for number in stride(from: number, to: 7, by: 3) {
          #expect(one[number * 64..<(number + 1) * 64] == all[number * 64..<(number + 1) * 64])
        }
      }
      // Numbers that the classes don't divide: image 5 and on; rows of two, the last one short.
      let (some, uneven) = try samples(
        ["run", "--label", "all", "--first", "5", "--count", "5"], in: directory)
      #expect(uneven["labels"] as? [Int] == [3, 0, 1, 3, 0] && some == Array(all[5 * 64..<10 * 64]))
      let picture = try sheet(in: directory)
      let order = [1, 4, 2, nil, 0, 3]
      let expected = ContactSheet.image(
        pixels: some, of: ImageShape(height: 8, width: 8, channels: 1), order: order, columns: 2)
      #expect(picture == expected && (picture.width, picture.height) == (2 * 66 + 2, 3 * 66 + 2))
      #expect(picture.pixels[(66 + 10) * picture.width + 66 + 10] == ContactSheet.background)

      // The model's directory and the checkpoint are the same flow, guided or not.
      var drawn: Set<[UInt8]> = []
      for guidance in ["0", "1", "3"] {
        let each = try ["run", "run/model", "run/checkpoints/step-00000003.safetensors"].map {
          try samples([$0, "--guidance", guidance, "--count", "6"], in: directory)
        }
        #expect(each.allSatisfy { $0.0 == each[0].0 && $0.1["labels"] as? [Int] == [0, 1, 3, 0, 1, 3] })
        #expect(each.allSatisfy { $0.1["guidance"] as? Double == Double(guidance) })
        drawn.insert(each[0].0)
      }
      #expect(drawn.count == 3)

      for path in ["run", "run/model", "run/checkpoints/step-00000003.safetensors"] {
        let inspected = try run(["inspect", path], in: directory)
        #expect(inspected.value("classes") == "3, Shoe, shirt", "\(inspected.output)")
        let report = try object(run(["inspect", path, "--json"], in: directory).output)
        #expect(report["classes"] as? [String] == ["3", "Shoe", "", "shirt"])
      }

      // The images' own labels, where they have them.
      let coarse = ["--rtol", "1e-1", "--atol", "1e-1", "--json"]
      let inverted = try object(
        run(["invert", "run", "data", "--count", "4", "--guidance", "2"] + coarse, in: directory).output)
      #expect(inverted["labels"] as? [Int] == [0, 1, 3, 3] && inverted["guidance"] as? Double == 2)
      let likely = try object(
        run(["likelihood", "run", "data", "--count", "4", "--guidance", "2"] + coarse, in: directory).output)
      #expect(likely["labels"] as? [Int] == [0, 1, 3, 3] && likely["guidance"] as? Double == 2)
      let between = try object(
        run(
          ["interpolate", "run", "--rows", "2", "--label", "shirt", "--frames", "2", "--json"] + Self.euler,
          in: directory
        ).output)
      #expect(between["labels"] as? [Int] == [3, 3])
    }
  }

  @Test func whatIsNoClassIsRefused() throws {
    try withTemporaryDirectory { directory in
      try makeRun(in: directory)
      _ = try run(train("plain"), in: directory)
      _ = try run(train("certain", ["--class-conditional", "--label-dropout", "0"]), in: directory)
      try makeData(directory + "/strange", labels: [0, 1, 0, 1], test: [0, 2])
      let list = "the model's classes are 0 (3), 1 (Shoe), 3 (shirt)"
      let cases: [([String], Int32, String)] = [
        // The label without images is no class, and neither is the one that stands for none.
        (["sample", "run", "--label", "2"], 78, list),
        (["sample", "run", "--label", "none"], 78, list),
        (["sample", "run", "--label", ""], 78, list),
        (["sample", "run", "--label", "4"], 78, list),
        (["sample", "run", "--label=-1"], 78, list),
        (["sample", "run/model", "--label", "2"], 78, list),
        (["sample", "run", "--guidance", "101"], 64, "--guidance"),
        (["sample", "run", "--guidance", "nan"], 64, "--guidance"),
        (["sample", "run", "--count", "2001", "--animate", "a.png"], 64, "1000"),
        (["sample", "plain", "--label", "all"], 78, "--label all: the model was trained without classes"),
        (
          ["sample", "plain", "--guidance", "1"], 78, "--guidance 1.0: the model was trained without classes"
        ),
        (
          ["sample", "plain", "--guidance", "2"], 78, "--guidance 2.0: the model was trained without classes"
        ),
        (
          ["sample", "certain", "--guidance", "2"], 78,
          "--guidance 2.0: the model was trained without --label-dropout"
        ),
        (["sample", "certain/model", "--guidance", "2"], 78, "without --label-dropout"),
        (["invert", "run", "photo.png"], 78, "pass --label with one class"),
        (["invert", "run", "data", "--label", "all"], 78, "pass --label with one class"),
        (["invert", "run", "strange"], 78, "an image has label 2"),
        (["interpolate", "run", "--dataset", "data"], 64, "--label"),
        (["reflow", "plain", "--dataset", "data", "--label", "1"], 78, "without classes"),
        (["reflow", "certain", "--dataset", "data", "--guidance", "2"], 78, "without --label-dropout"),
        (["reflow", "run", "--dataset", "data", "--pairs", "3", "--batch-size", "1"], 78, "3 classes"),
        (
          train("other", ["--class-conditional"], data: "strange"), 78, "label 2, which no training image has"
        ),
        (train("other", ["--label-dropout", "0.1"]), 78, "goes with --class-conditional"),
        (train("other", ["--label-dropout", "1"]), 64, "--label-dropout"),
        (train("other", ["--class-conditional", "--init", "plain"]), 78, "class_count is null, not 5"),
        (train("other", ["--init", "run"]), 78, "class_count is 5, not null"),
        (
          ["train", "data", "--output", "plain", "--resume", "--class-conditional"], 78,
          "--class-conditional is true"
        ),
        (
          ["train", "data", "--output", "run", "--resume", "--label-dropout", "0.2"], 78,
          "--label-dropout is 0.2"
        ),
        (["train", "strange", "--output", "run", "--resume"], 78, "label 2"),
      ]
      try PNGImage(width: 8, height: 8, channels: 1, pixels: Array(repeating: 1, count: 64))
        .write(to: directory + "/photo.png")
      for (arguments, status, part) in cases {
        let result = try Command.run(arguments, in: directory)
        #expect(result.status == status, "\(arguments): \(result.status), \(result.errors)")
        #expect(result.errors.contains(part), "\(arguments): \(result.errors)")
      }
      for name in ["/other", "/plain/reflow", "/certain/reflow", "/run/reflow", "/a.png"] {
        #expect(!FileManager.default.fileExists(atPath: directory + name), "\(name)")
      }
      // Without dropped labels a class can be asked for all the same.
      let (_, summary) = try samples(
        ["certain", "--label", "1", "--guidance", "1", "--count", "2"], in: directory)
      #expect(summary["labels"] as? [Int] == [1, 1])
    }
  }

  /// What is learnt of classes is taken over by --config and --init, and gone on with by --resume.
  @Test func runsThatGoOn() throws {
    try withTemporaryDirectory { directory in
      try makeRun(in: directory)
      let checkpoint = "/checkpoints/step-00000003.safetensors"
      func bytes(_ path: String) throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: directory + "/" + path))
      }
      _ = try run(
        ["train", "data", "--output", "again", "--config", "run/run.json", "--threads", "1"], in: directory)
      #expect(try bytes("again" + checkpoint) == bytes("run" + checkpoint))
      _ = try run(train("further", ["--class-conditional", "--init", "run/model"]), in: directory)
      #expect(try bytes("further" + checkpoint) != bytes("run" + checkpoint))
      _ = try run(["train", "data", "--output", "run", "--resume", "--steps", "5"], in: directory)
      let record = try object(String(decoding: bytes("run/run.json"), as: UTF8.self))
      let settings = try #require(record["settings"] as? [String: Any])
      #expect(settings["label_dropout"] as? Double == 0.1 && settings["steps"] as? Int == 5)
      let network = try #require(record["network"] as? [String: Any])
      #expect(network["class_count"] as? Int == 5 && network["unconditional_class"] as? Int == 4)
      let data = try #require(record["dataset"] as? [String: Any])
      #expect(data["classes"] as? [String] == ["3", "Shoe", "", "shirt"])
      // Other names are no other data.
      try JSONEncoder().encode(["a", "b", "", "c"]).write(
        to: URL(fileURLWithPath: directory + "/data/classes.json"))
      _ = try run(["train", "data", "--output", "run", "--resume", "--steps", "6"], in: directory)
      // Another label, and it is.
      var labels = try IDXFile.read(directory + "/data/train-labels-idx1-ubyte")
      labels = IDXArray(
        dimensions: labels.dimensions, bytes: labels.bytes.map { $0 == 0 ? 1 : $0 == 1 ? 0 : $0 })
      try IDXFile.write(labels, to: directory + "/data/train-labels-idx1-ubyte")
      let refused = try Command.run(
        ["train", "data", "--output", "run", "--resume", "--steps", "9"], in: directory)
      #expect(refused.status == 78 && refused.errors.contains("not the data"), "\(refused.errors)")
      #expect(refused.errors.components(separatedBy: "labels with").count == 3, "\(refused.errors)")
    }
  }

  @Test func picturesInFolders() throws {
    try withTemporaryDirectory { directory in
      for (grey, name) in [(40, "shirt"), (220, "rain boots")] {
        let folder = "\(directory)/pictures/\(name)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        for number in 0..<20 {
          let pixels = Array(repeating: UInt8(grey + number), count: 81)
          try PNGImage(width: 9, height: 9, channels: 1, pixels: pixels).write(to: "\(folder)/\(number).png")
        }
      }
      _ = try run(["import-images", "pictures", "--size", "8", "--output", "data"], in: directory)
      _ = try run(train("run", ["--class-conditional"]), in: directory)
      for model in ["run", "run/model"] {
        for (name, label) in [("rain boots", 0), ("Shirt", 1)] {
          let (_, summary) = try samples([model, "--label", name, "--count", "2"], in: directory)
          #expect(summary["labels"] as? [Int] == [label, label])
        }
      }
    }
  }

  /// Reflow's pairs go through the classes, are made guided in the first round alone, and train a flow of classes.
  @Test func reflowOfClasses() throws {
    try withTemporaryDirectory { directory in
      try makeRun(in: directory, trainCount: 72, testCount: 24)
      func reflow(_ output: String, _ more: [String]) -> [String] {
        ["reflow", "run", "--dataset", "data", "--output", output, "--json"] + more
      }
      let small = [
        "--pairs", "40", "--steps", "2", "--batch-size", "8", "--rtol", "0.1", "--atol", "0.1", "--samples",
        "64",
      ]
      let done = try run(reflow("rounds", small + ["--rounds", "2", "--guidance", "2"]), in: directory)
      let report = try object(done.output)
      #expect(report["classes"] as? [Int] == [0, 1, 3] && report["guidance"] as? Double == 2)
      // As 'evaluate' has it, with classes in the proportions of the test images.
      let evaluated = try object(
        try run(
          ["evaluate", "rounds/round-2", "data", "--solver", "euler:2", "--count", "64", "--json"],
          in: directory
        ).output)
      let distances = try #require(
        (report["flows"] as? [[String: Any]])?.last?["frechet_distances"] as? [Double])
      let result = try #require((evaluated["results"] as? [[String: Any]])?.first)
      #expect(distances[1] == result["frechet"] as? Double)
      let plan = try object(String(contentsOfFile: directory + "/rounds/reflow.json", encoding: .utf8))
      #expect(plan["classes"] as? [Int] == [0, 1, 3] && plan["guidance"] as? Double == 2)
      for (round, guidance) in [(1, "2.0"), (2, "1.0")] {
        let path = "\(directory)/rounds/round-\(round)/pairs/part-00000.safetensors"
        let text = String(
          decoding: try Data(contentsOf: URL(fileURLWithPath: path)).prefix(600), as: UTF8.self)
        #expect(
          text.contains(#""classes":"0 1 3""#) && text.contains(#""guidance":"\#(guidance)""#), "\(text)")
        let (_, summary) = try samples(["rounds/round-\(round)", "--label", "shirt"], in: directory)
        #expect(summary["labels"] as? [Int] == Array(repeating: 3, count: 64))
      }
      let pairs = try Command.run(
        reflow("rounds", ["--resume", "--guidance", "2", "--label", "all"]), in: directory)
      #expect(pairs.status == 0 && pairs.errors.contains("round 1: kept"), "\(pairs.errors)")

      // Of one class: no other is known afterwards, and the distance is from images of this one.
      let one = try run(reflow("shirts", small + ["--label", "shirt"]), in: directory)
      let ofShirts = try object(one.output)
      #expect(ofShirts["classes"] as? [Int] == [3] && ofShirts["frechet_floor"] is Double)
      let refused = try Command.run(["sample", "shirts/round-1", "--label", "shoe"], in: directory)
      #expect(
        refused.status == 78 && refused.errors.contains("the model's classes are 3 (shirt)"),
        "\(refused.errors)")
      for (output, more, part) in [
        ("rounds", ["--guidance", "1.5"], "--guidance is 1.5, but the rounds were begun with 2"),
        ("rounds", ["--label", "shirt"], "--label is 3, but the rounds were begun with 0, 1, 3"),
        ("shirts", ["--label", "all"], "--label is 0, 1, 3, but the rounds were begun with 3"),
      ] {
        let result = try Command.run(reflow(output, ["--resume"] + more), in: directory)
        #expect(result.status == 78 && result.errors.contains(part), "\(result.errors)")
      }
      let path = directory + "/shirts/reflow.json"
      let text = try String(contentsOfFile: path, encoding: .utf8)
      for (key, value) in [
        ("\"classes\":[3]", "\"classes\":[2]"), ("\"classes\":[3]", "\"classes\":[]"),
        ("\"classes\":[3]", "\"classes\":[-1]"),
        ("\"classes\":[3]", "\"other\":1"), ("\"guidance\":1", "\"guidance\":-1"),
        ("\"guidance\":1", "\"guidance\":1e9"),
      ] {
        #expect(text.contains(key))
        try text.replacingOccurrences(of: key, with: value).write(
          toFile: path, atomically: false, encoding: .utf8)
        let result = try Command.run(reflow("shirts", ["--resume"]), in: directory)
        #expect(result.status == 65 && result.errors.contains("reflow.json"), "\(value): \(result.errors)")
      }
    }
  }
}
