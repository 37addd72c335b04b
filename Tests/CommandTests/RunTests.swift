import Foundation
import Imagery
import Kernels
import Testing
import Training

/// The main job from the command line: train, be killed, resume, sample, inspect.
@Suite(.serialized) struct RunTests {
  private func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

  private func train(_ output: String, steps: Int, threads: Int, batch: Int = 8) -> [String] {
    [
      "train", "data", "--output", output, "--preset", "tiny", "--steps", "\(steps)", "--batch-size",
      "\(batch)", "--checkpoint-every", "20", "--threads", "\(threads)",
    ]
  }

  private func makeData(in directory: String, count: Int = 200) throws {
    let made = try Command.run(["synthesize", "data", "--count", "\(count)"], in: directory)
    #expect(made.status == 0, "\(made.errors)")
  }

  /// 40 steps at a stretch, and 20, kill −9, 20: the same file. A batch is five micro-batches, more than there are lanes.
  @Test func killAndResume() throws {
    try withTemporaryDirectory { directory in
      try makeData(in: directory, count: 800)
      let straight = try Command.run(train("straight", steps: 40, threads: 2, batch: 40), in: directory)
      #expect(straight.status == 0, "\(straight.errors)")
      let name = "/checkpoints/step-00000040.safetensors"
      let expected = try bytes(directory + "/straight" + name)
      let losses = try losses(directory + "/straight")
      #expect(losses.count == 40)

      for threads in 1...3 {
        let output = "run\(threads)"
        let process = try Command.start(train(output, steps: 40, threads: threads, batch: 40), in: directory)
        // A step after the checkpoint, which is then whole; that step will be done again.
        wait(for: process) { lineCount("\(directory)/\(output)/metrics.jsonl") >= 21 }
        kill(process.processIdentifier, SIGKILL)
        Command.finish(process)
        #expect(process.terminationReason == .uncaughtSignal)
        #expect(!FileManager.default.fileExists(atPath: "\(directory)/\(output)" + name))

        let resumed = try Command.run(
          ["train", "data", "--output", output, "--resume", "--threads", "\(threads)"], in: directory)
        #expect(resumed.status == 0, "\(resumed.errors)")
        #expect(resumed.errors.contains("resuming after step 20"))
        #expect(try bytes("\(directory)/\(output)" + name) == expected)
        #expect(try self.losses("\(directory)/\(output)") == losses)
      }
    }
  }

  private func losses(_ run: String) throws -> [Double] {
    try String(contentsOfFile: run + "/metrics.jsonl", encoding: .utf8).split(separator: "\n").map { line in
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      return try #require(object?["loss"] as? Double)
    }
  }

  /// Ctrl-C, and a terminal that is closed, which may send its signal twice, end a run after its step, with a checkpoint and
  /// the status of the signal. Under nohup, a run goes on.
  @Test(arguments: [[SIGINT], [SIGHUP, SIGHUP]], [false, true])
  func interruptSavesAndLeaves(_ sent: [Int32], ignoresHangup: Bool) throws {
    try withTemporaryDirectory { directory in
      try makeData(in: directory)
      let before = signal(SIGHUP, ignoresHangup ? SIG_IGN : SIG_DFL)
      let process = try Command.start(train("run", steps: 100_000, threads: 2), in: directory)
      signal(SIGHUP, before)
      let metrics = directory + "/run/metrics.jsonl"
      wait(for: process) { lineCount(metrics) > 0 }
      for number in sent { kill(process.processIdentifier, number) }
      if ignoresHangup && sent[0] == SIGHUP {
        let lines = lineCount(metrics)
        wait(for: process) { lineCount(metrics) >= lines + 5 }
        #expect(process.isRunning)
        kill(process.processIdentifier, SIGINT)
      }
      Command.finish(process)
      let status = 128 + (ignoresHangup ? SIGINT : sent[0])
      #expect(process.terminationReason == .exit && process.terminationStatus == status)
      let names = try FileManager.default.contentsOfDirectory(atPath: directory + "/run/checkpoints")
      #expect(names.contains { $0 != "step-00000000.safetensors" })
    }
  }

  /// A signal that the parent ignores, as a shell does for what it puts into the background, stays ignored.
  @Test(arguments: [SIGINT, SIGTERM]) func anInheritedIgnoreIsKept(_ ignored: Int32) throws {
    try withTemporaryDirectory { directory in
      try makeData(in: directory)
      let before = signal(ignored, SIG_IGN)
      let process = try Command.start(train("run", steps: 100_000, threads: 1), in: directory)
      signal(ignored, before)
      let metrics = directory + "/run/metrics.jsonl"
      wait(for: process) { lineCount(metrics) > 0 }
      kill(process.processIdentifier, ignored)
      let lines = lineCount(metrics)
      wait(for: process) { lineCount(metrics) >= lines + 5 }
      #expect(process.isRunning)
      kill(process.processIdentifier, ignored == SIGINT ? SIGTERM : SIGINT)
      Command.finish(process)
      #expect(process.terminationStatus == 128 + (ignored == SIGINT ? SIGTERM : SIGINT))
    }
  }

  @Test func sampleAndInspect() throws {
    try withTemporaryDirectory { directory in
      try makeData(in: directory)
      let trained = try Command.run(train("run", steps: 20, threads: 2), in: directory)
      #expect(trained.status == 0, "\(trained.errors)")

      let sheet = try Command.run(
        ["sample", "run", "--count", "64", "--idx", "all", "--rtol", "1e-2", "--atol", "1e-2", "--json"],
        in: directory)
      #expect(sheet.status == 0, "\(sheet.errors)")
      let summary = try object(sheet.output)
      #expect(
        Set(summary.keys) == [
          "output", "idx", "checkpoint", "weights", "count", "first", "seed", "solver", "evaluations",
          "accepted", "rejected", "solver_seconds", "seconds",
        ])
      let evaluations = try #require(summary["evaluations"] as? [Int])
      #expect(evaluations.count == 64 && evaluations.allSatisfy { $0 >= 8 && ($0 - 2) % 6 == 0 })
      #expect(FileManager.default.fileExists(atPath: directory + "/run/grid.png"))
      let all = try IDXFile.read(directory + "/all")
      #expect(all.dimensions == [64, 28, 28])

      for threads in 1...3 {
        let alone = try Command.run(
          [
            "sample", "run", "--first", "7", "--count", "1", "--idx", "one", "--rtol", "1e-2", "--atol",
            "1e-2",
            "--threads", "\(threads)",
          ], in: directory)
        #expect(alone.status == 0, "\(alone.errors)")
        for (name, value) in [
          ("first", "7"), ("count", "1"), ("weights", "averaged"), ("idx", "one"),
          ("evaluations", "\(evaluations[7])"),
        ] {
          #expect(alone.value(name) == value, "\(name) in: \(alone.output)")
        }
        #expect(try IDXFile.read(directory + "/one").bytes == Array(all.bytes[7 * 784..<8 * 784]))
      }

      // The last checkpoint's averaged weights and the model directory are the same model.
      let model = try Command.run(
        [
          "sample", "run/model", "--first", "7", "--count", "1", "--idx", "one", "--rtol", "1e-2",
          "--atol", "1e-2",
        ], in: directory)
      #expect(model.status == 0, "\(model.errors)")
      #expect(try IDXFile.read(directory + "/one").bytes == Array(all.bytes[7 * 784..<8 * 784]))

      for (path, kind) in [
        ("run", "run"), ("run/model", "diffusers directory"),
        ("run/checkpoints/step-00000020.safetensors", "checkpoint"), ("data", "data set"),
        ("all", "IDX file"),
        ("run/model/diffusion_pytorch_model.safetensors", "safetensors file"),
      ] {
        let inspected = try Command.run(["inspect", path, "--json"], in: directory)
        #expect(inspected.status == 0, "\(inspected.errors)")
        let report = try object(inspected.output)
        #expect(report["kind"] as? String == kind && report["sound"] as? Bool == true)
        let text = try Command.run(["inspect", path], in: directory)
        #expect(text.value("kind") == kind && text.value("sound") == "yes", "\(text.output)")
      }
      var damaged = try bytes(directory + "/run/checkpoints/step-00000020.safetensors")
      damaged[damaged.count - 5] ^= 1
      try damaged.write(to: URL(fileURLWithPath: directory + "/damaged.safetensors"))
      let inspected = try Command.run(["inspect", "damaged.safetensors"], in: directory)
      #expect(inspected.status == 65 && inspected.errors.contains("CRC-32"))
    }
  }

  @Test(arguments: [
    [], ["train"], ["sample"], ["inspect"], ["synthesize"], ["import-images"], ["toy"], ["invert"],
    ["interpolate"], ["reflow"], ["likelihood"], ["bench"],
  ])
  func helpGoesToStandardOutput(_ command: [String]) throws {
    try withTemporaryDirectory { directory in
      let help = try Command.run(command + ["--help"], in: directory)
      #expect(help.status == 0 && help.errors.isEmpty)
      #expect(help.output.contains("USAGE: inkflow"))
    }
  }

  /// Notes and results of a process whose standard streams are closed go into none of its files, and the lost result is a
  /// failure.
  @Test(arguments: ["2>&-", "<&- 2>&-", "<&- >&- 2>&-"]) func closedStreamsDamageNothing(_ closed: String)
    throws
  {
    try withTemporaryDirectory { directory in
      try makeData(in: directory)
      let whole = try Command.run(train("whole", steps: 2, threads: 1), in: directory)
      #expect(whole.status == 0, "\(whole.errors)")
      let command = ([Command.path] + train("run", steps: 2, threads: 1)).joined(separator: " ")
      let status = try Command.shell("\(command) \(closed)", in: directory)
      #expect(status == (closed.contains(">&- ") ? 74 : 0))
      let files = FileManager.default.enumerator(atPath: directory + "/whole")?.allObjects as? [String] ?? []
      #expect(files.contains(".lock") && files.contains("run.json"))
      for file in files where !file.hasSuffix("metrics.jsonl") && !file.hasSuffix(".svg") {
        let paths = ["whole", "run"].map { "\(directory)/\($0)/\(file)" }
        #expect(FileManager.default.contentsEqual(atPath: paths[0], andPath: paths[1]), "\(file)")
      }
      #expect(try StepMetrics.all(of: RunDirectory(directory + "/run")).count == 2)
    }
  }

  /// Beyond a limit of file sizes, as on a full disk, a run fails by name and leaves nothing half written.
  @Test func aLimitOfFileSizesIsAnError() throws {
    try withTemporaryDirectory { directory in
      try makeData(in: directory)
      let command = ([Command.path] + train("run", steps: 2, threads: 1)).joined(separator: " ")
      #expect(try Command.shell("ulimit -f 8; exec \(command) 2> notes", in: directory) == 74)
      let notes = try String(contentsOfFile: directory + "/notes", encoding: .utf8)
      #expect(notes.contains("step-00000000.safetensors' can't be written: File too large"), "\(notes)")
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory + "/run/checkpoints").isEmpty)
    }
  }

  /// An output that was named by mistake replaces nothing but what an earlier command drew.
  @Test func outputsReplaceOnlyOutputs() throws {
    try withTemporaryDirectory { directory in
      try makeData(in: directory)
      #expect(try Command.run(train("run", steps: 1, threads: 1), in: directory).status == 0)
      try PNGImage(width: 2, height: 2, channels: 1, pixels: [1, 2, 3, 4]).write(to: directory + "/photo.png")
      try Data("<svg/>".utf8).write(to: URL(fileURLWithPath: directory + "/figure.svg"))
      for (path, dimensions) in [("images", [2, 8, 8]), ("labels", [2])] {
        try FileManager.default.createDirectory(
          atPath: directory + "/own", withIntermediateDirectories: true)
        try IDXFile.write(
          IDXArray(dimensions: dimensions, bytes: Array(repeating: 1, count: dimensions.reduce(1, *))),
          to: "\(directory)/own/\(path)")
      }
      let quick = ["sample", "run", "--count", "1", "--rtol", "0.1", "--atol", "0.1"]
      for (options, name) in [
        (["--idx", "run/run.json"], "run/run.json"), (["--output", "photo.png"], "photo.png"),
        (["--idx", "data/train-images-idx3-ubyte"], "data/train-images-idx3-ubyte"),
        (["--idx", "own/images"], "own/images"), (["--trajectory", "figure.svg"], "figure.svg"),
        (["--animate", "photo.png"], "photo.png"),
      ] {
        let before = try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\(name)"))
        let result = try Command.run(quick + options, in: directory)
        #expect(
          result.status == 73 && result.errors.contains("'\(name)' is there already"), "\(result.errors)")
        #expect(try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\(name)")) == before)
      }
      let all = ["--output", "a.png", "--idx", "b", "--trajectory", "c.svg", "--animate", "d.png"]
      for _ in 0..<2 {
        let result = try Command.run(quick + all, in: directory)
        #expect(result.status == 0, "\(result.errors)")
      }
    }
  }

  /// Ctrl-C ends a long solve at its next evaluation, says so, and leaves nothing behind.
  @Test(arguments: [
    ["sample", "run", "--solver", "euler", "--steps", "1000000"],
    ["interpolate", "run", "--solver", "euler", "--steps", "1000000"],
  ])
  func interruptEndsASolve(_ command: [String]) throws {
    try withTemporaryDirectory { directory in
      try makeData(in: directory)
      #expect(try Command.run(train("run", steps: 1, threads: 1), in: directory).status == 0)
      let before = Set(FileManager.default.enumerator(atPath: directory)?.allObjects as? [String] ?? [])
      let notes = directory + "/notes"
      _ = FileManager.default.createFile(atPath: notes, contents: nil)
      let process = try Command.start(
        command, in: directory, errors: FileHandle(forWritingAtPath: notes))
      // Until it has caught the signal, which would else end it without a word.
      wait(for: process) { Command.catches(SIGINT, process) }
      kill(process.processIdentifier, SIGINT)
      Command.finish(process)
      #expect(process.terminationReason == .exit && process.terminationStatus == 128 + SIGINT)
      #expect(try String(contentsOfFile: notes, encoding: .utf8).contains("interrupted; nothing was written"))
      let after = Set(FileManager.default.enumerator(atPath: directory)?.allObjects as? [String] ?? [])
      #expect(after.subtracting(before) == ["notes"])
    }
  }

  /// Each refresh of the progress line fits the terminal.
  @Test(arguments: [12, 40, 80]) func progressFitsTheTerminal(columns: Int) throws {
    try withTemporaryDirectory { directory in
      try makeData(in: directory)
      #expect(try Command.run(train("run", steps: 1, threads: 1), in: directory).status == 0)
      var (main, side): (Int32, Int32) = (0, 0)
      var size = winsize(ws_row: 24, ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
      try #require(openpty(&main, &side, nil, nil, &size) == 0)
      let process = try Command.start(
        train("other", steps: 100_000, threads: 1), in: directory, errors: FileHandle(fileDescriptor: side))
      close(side)
      let terminal = FileHandle(fileDescriptor: main, closeOnDealloc: true)
      var text = ""
      while text.components(separatedBy: "\r\u{1B}[K").count < 4 {
        let data = terminal.availableData
        if data.isEmpty { break }
        text += String(decoding: data, as: UTF8.self)
      }
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
      let lines = text.components(separatedBy: "\r\u{1B}[K").dropFirst().dropLast()
      #expect(lines.count >= 2)
      // What stands behind a line break is a note, which may wrap.
      for line in lines.compactMap({ $0.split(whereSeparator: \.isNewline).first }) {
        #expect(line.count < columns, "'\(line)'")
      }
    }
  }

  /// A result that is lost, as on a full disk, is a failure.
  @Test(.enabled(if: FileManager.default.isWritableFile(atPath: "/dev/full"))) func lostResultsAreFailures()
    throws
  {
    try withTemporaryDirectory { directory in
      try makeData(in: directory)
      let trained = try Command.run(train("run", steps: 1, threads: 1), in: directory)
      #expect(trained.status == 0, "\(trained.errors)")
      try FileManager.default.createDirectory(
        atPath: directory + "/pictures", withIntermediateDirectories: false)
      for number in 0..<12 {
        try PNGImage(width: 9, height: 9, channels: 1, pixels: Array(repeating: 90, count: 81))
          .write(to: "\(directory)/pictures/\(number).png")
      }
      let euler = ["--solver", "euler", "--steps", "1"]
      let coarse = ["--count", "1", "--rtol", "0.01", "--atol", "0.01"]
      let commands: [[String]] = [
        train("other", steps: 1, threads: 1), ["sample", "run", "--count", "1"] + euler,
        ["inspect", "run"], ["synthesize", "more", "--count", "10"],
        ["import-images", "pictures", "--size", "8", "--output", "imported"],
        ["toy", "moons", "--steps", "2"], ["likelihood", "run", "data"] + coarse,
        ["invert", "run", "data"] + coarse, ["interpolate", "run", "--frames", "2"] + euler,
        ["reflow", "run", "--dataset", "data", "--pairs", "20", "--steps", "1", "--batch-size", "8"]
          + ["--rtol", "0.1", "--atol", "0.1", "--samples", "64"],
        ["bench", "--only", "evaluation", "--batch", "1", "--runs", "1", "--preset", "tiny"],
      ]
      for command in commands {
        let full = try #require(FileHandle(forWritingAtPath: "/dev/full"))
        let notes = directory + "/notes"
        _ = FileManager.default.createFile(atPath: notes, contents: nil)
        let process = try Command.start(
          command, in: directory, output: full, errors: FileHandle(forWritingAtPath: notes))
        Command.finish(process)
        let said = try String(contentsOfFile: notes, encoding: .utf8)
        #expect(process.terminationReason == .exit && process.terminationStatus == 74, "\(command): \(said)")
        #expect(said.contains("error: 'standard output' can't be written"), "\(command): \(said)")
      }
    }
  }

  /// Recipe `quick` takes what is faster on this CPU, the others Float32.
  @Test func precisionByRecipe() throws {
    try withTemporaryDirectory { directory in
      try makeData(in: directory)
      for (recipe, expected) in [
        ("quick", Precision.fastest), ("quick-1", .float32), ("rectified-flow", .float32),
      ] {
        let trained = try Command.run(
          train(recipe, steps: 1, threads: 1) + ["--recipe", recipe, "--batch-size", "8"], in: directory)
        #expect(trained.status == 0, "\(trained.errors)")
        #expect(try RunDirectory("\(directory)/\(recipe)").readRecord().settings.precision == expected)
      }
      #expect(Precision.fastest.isAvailable)
    }
  }

  /// A precision is a run's for good; how its flow is evaluated is chosen anew. A CPU without bf16 is told so.
  @Test func precisionIsRecordedAndKept() throws {
    try withTemporaryDirectory { directory in
      try makeData(in: directory)
      let arguments = train("run", steps: 2, threads: 2) + ["--precision", "bfloat16-gradients"]
      let trained = try Command.run(arguments, in: directory)
      guard Precision.bfloat16.isAvailable else {
        #expect(trained.status == 78 && trained.errors.contains("needs a CPU that multiplies bf16 numbers"))
        #expect(!FileManager.default.fileExists(atPath: directory + "/run"))
        return
      }
      #expect(trained.status == 0, "\(trained.errors)")
      #expect(try RunDirectory(directory + "/run").readRecord().settings.precision == .bfloat16Gradients)
      let resume = ["train", "data", "--output", "run", "--resume", "--steps", "3"]
      let other = try Command.run(resume + ["--precision", "float32"], in: directory)
      #expect(other.status == 78 && other.errors.contains("--precision is float32"), "\(other.errors)")
      #expect(try Command.run(resume, in: directory).status == 0)
      let images = try [nil, "float32", "bfloat16"].map { precision in
        let options = precision.map { ["--precision", $0] } ?? []
        let result = try Command.run(
          ["sample", "run", "--solver", "euler", "--steps", "2", "--count", "4", "--json"] + options,
          in: directory)
        #expect(result.status == 0, "\(result.errors)")
        #expect(
          try object(result.output)["precision"] as? String == (precision == "bfloat16" ? precision : nil))
        return try bytes(directory + "/run/grid.png")
      }
      #expect(images[0] == images[1])
    }
  }

  /// An optimiser is a run's for good, and a record from before there was a choice means AdamW.
  @Test func optimizerIsRecordedAndKept() throws {
    try withTemporaryDirectory { directory in
      try makeData(in: directory)
      func optimizer(_ run: String) throws -> TrainingSettings.Optimizer? {
        try RunDirectory("\(directory)/\(run)").readRecord().settings.optimizer
      }
      for (run, options) in [
        ("muon", []), ("adamw", ["--recipe", "quick-1"]),
        ("chosen", ["--optimizer", "adamw", "--precision", "float32"]),
      ] {
        let trained = try Command.run(train(run, steps: 2, threads: 1) + options, in: directory)
        #expect(trained.status == 0, "\(trained.errors)")
      }
      #expect(try ["muon", "adamw", "chosen"].map(optimizer) == [.muon, .adamW, .adamW])
      let models = try ["muon", "adamw", "chosen"].map {
        try bytes("\(directory)/\($0)/model/diffusion_pytorch_model.safetensors")
      }
      #expect(models[0] != models[1] && models[1] == models[2])

      let resume = ["train", "data", "--output", "muon", "--resume", "--steps", "3", "--optimizer"]
      let other = try Command.run(resume + ["adamw"], in: directory)
      #expect(other.status == 78 && other.errors.contains("--optimizer is adamw"), "\(other.errors)")
      #expect(try Command.run(resume + ["muon"], in: directory).status == 0)

      let record = try String(contentsOfFile: directory + "/adamw/run.json", encoding: .utf8)
      let older = record.split(separator: "\n").filter { !$0.contains("\"optimizer\"") }.joined(
        separator: "\n")
      #expect(older != record)
      try older.write(toFile: directory + "/older.json", atomically: true, encoding: .utf8)
      let again = ["train", "data", "--output", "again", "--config", "older.json", "--threads", "1"]
      let trained = try Command.run(again, in: directory)
      #expect(trained.status == 0, "\(trained.errors)")
      #expect(try optimizer("again") == nil)
      #expect(try bytes(directory + "/again/model/diffusion_pytorch_model.safetensors") == models[1])
    }
  }

  @Test func badInputIsRefusedWithTheRightStatus() throws {
    try withTemporaryDirectory { directory in
      try makeData(in: directory)
      #expect(try Command.run(train("run", steps: 1, threads: 1), in: directory).status == 0)
      try FileManager.default.createDirectory(
        atPath: directory + "/odd", withIntermediateDirectories: false)
      try IDXFile.write(
        IDXArray(dimensions: [4, 9, 9], bytes: Array(repeating: 1, count: 324)), to: directory + "/odd/images"
      )
      try FileManager.default.createDirectory(
        atPath: directory + "/uneven", withIntermediateDirectories: false)
      for (prefix, side) in [("train", 8), ("t10k", 12)] {
        try IDXFile.write(
          IDXArray(dimensions: [40, side, side], bytes: Array(repeating: 9, count: 40 * side * side)),
          to: "\(directory)/uneven/\(prefix)-images-idx3-ubyte")
      }
      for (arguments, status, part) in [
        (["sample", "nowhere"], 66, "'nowhere'"),
        (["smaple", "run"], 64, "no command 'smaple'; did you mean 'sample'?"),
        (["frobnicate"], 64, "no command 'frobnicate'; 'inkflow help' lists all"),
        (["train", "nowhere"], 66, "nowhere"),
        (["train", "odd", "--output", "other", "--batch-size", "1"], 78, "8 or 12"),
        (["train", "uneven", "--output", "other"], 65, "12×12"),
        (["train", "data", "--output", "run"], 73, "--resume"),
        (["train", "data", "--output", "none", "--resume"], 66, "leave out --resume"),
        (["train", "data", "--output", "run", "--resume", "--batch-size", "9"], 78, "9"),
        (["train", "data", "--output", "run", "--resume", "--seed", "4"], 78, "--seed is 4"),
        (["train", "data", "--output", "other", "--batch-size", "5000"], 78, "200"),
        (["train", "data", "--steps", "3", "--epochs", "3"], 64, "only one"),
        (["train", "data", "--steps", "0"], 64, "--steps"),
        (["train", "data", "--steps", "-3"], 64, "--steps must be from 1 to 1000000000, not -3"),
        (["sample", "run", "--rtol", "-1e-3"], 64, "not -0.001"),
        (["train", "data", "--output", "run", "--resume", "--epochs", "1000000000"], 78, "10⁹"),
        (["synthesize", "data"], 73, "not an empty directory"),
        (["sample", "run", "--output", "a.png", "--trajectory", "a.png"], 64, "same file"),
        (["sample", "run", "--solver", "rk45", "--steps", "3"], 64, "--steps"),
        (["sample", "run", "--grid", "edm"], 64, "--grid"),
        (["sample", "run", "--solver", "ab2", "--grid", "fine"], 64, "logit"),
        (["sample", "run", "--solver", "heun", "--noise", "1"], 64, "--noise goes with sde"),
        (["sample", "run", "--solver", "sde", "--noise", "nan"], 64, "--noise"),
        (["sample", "run", "--solver", "sde", "--noise", "-1"], 64, "--noise"),
        (["interpolate", "run", "--solver", "sde"], 64, "neighbours differ"),
        (["sample", "run", "--solver", "eab3", "--trajectory", "a.png"], 64, "rk45"),
        (["sample", "run", "--solver", "euler", "--rtol", "0.1"], 64, "--rtol"),
        (["sample", "run", "--solver", "heun", "--control", "batch"], 64, "--control"),
        (["sample", "run", "--atol", "0"], 64, "--atol"),
        (["sample", "run", "--solver", "heun", "--max-evaluations", "99"], 64, "--max-evaluations"),
        (
          ["sample", "run", "--rtol", "1e-12", "--atol", "1e-12", "--max-evaluations", "99"], 70,
          "99 evaluations"
        ),
        (["sample", "run", "--label", "2"], 78, "without classes"),
        (["sample", "data"], 65, "neither a run"),
        (["sample", "odd"], 65, "odd"),
        (
          ["sample", "run", "--output", "/nowhere/grid.png", "--solver", "euler", "--steps", "1"], 73,
          "/nowhere"
        ),
        (["inspect", "data/t10k-labels-idx1-ubyte", "--wrong"], 64, "--wrong"),
        (["paint"], 64, "paint"),
        (["sample", "run", "--precision", "bfloat16-gradients"], 64, "is for training"),
        (["sample", "run", "--precision", "half"], 64, "half"),
        (
          ["train", "data", "--output", "run", "--resume", "--precision", "bfloat16-gradients"], 78,
          "--precision is bfloat16-gradients"
        ),
      ] {
        let result = try Command.run(arguments, in: directory)
        #expect(result.status == Int32(status), "\(arguments): \(result.status), \(result.errors)")
        #expect(result.errors.contains(part), "\(arguments): \(result.errors)")
      }
      #expect(!FileManager.default.fileExists(atPath: directory + "/other"))
      // What was refused is as it was.
      #expect(try Command.run(["inspect", "run"], in: directory).status == 0)
    }
  }
}
