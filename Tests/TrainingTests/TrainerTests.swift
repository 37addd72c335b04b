import Files
import Foundation
import Imagery
import Kernels
import Network
import Sampling
import Testing
import Training

@Suite struct TrainerTests {
  private static let network = UNetConfiguration(
    sampleHeight: 28, sampleWidth: 28, inputChannels: 1, outputChannels: 1,
    blockOutputChannels: [16, 16, 16],
    layersPerBlock: 1, attentionLevels: [false, false, true], normGroupCount: 4)
  private static let train = SyntheticStrokes.make(count: 60, split: .train)
  private static let test = SyntheticStrokes.make(count: 20, split: .test)
  private static let lossScale = RunRecord.LossScale(test)

  private func settings(steps: Int) -> TrainingSettings {
    var settings = TrainingSettings(recipe: .quick, steps: steps)
    settings.batchSize = 13
    settings.warmupSteps = 2
    return settings
  }

  private func begin(
    _ path: String, steps: Int, threads: Int = 2, checkpointEvery: Int = 1000, minutes: Double? = nil,
    isConditional: Bool = false, train: ImageDataset = Self.train,
    change: (inout TrainingSettings) -> Void = { _ in }
  ) throws -> Trainer {
    var (network, settings) = (Self.network, settings(steps: steps))
    // So that both are met.
    settings.optimizer = isConditional ? .adamW : .muon
    if isConditional {
      (network.classCount, network.unconditionalClass, settings.labelDropout) = (11, 10, 0.3)
    }
    change(&settings)
    return try Trainer(
      beginning: RunDirectory(path),
      record: record(
        network, settings, train: train, test: Self.test, threads: threads,
        checkpointEvery: checkpointEvery, lossScale: Self.lossScale), train: train, test: Self.test,
      minutes: minutes)
  }

  private func bytes(_ path: String) throws -> [UInt8] { try readFile(path) }

  @Test(
    arguments: [(false, .float32), (true, .float32), (false, .bfloat16), (false, .bfloat16Gradients)]
      as [(Bool, Precision)])
  func theNumberOfThreadsChangesNoBit(isConditional: Bool, precision: Precision) throws {
    guard precision.isAvailable else { return }
    // All four steps are in one epoch.
    let train = SyntheticStrokes.make(count: 180, split: .train)
    try withTemporaryDirectory { directory in
      let files = try (1...4).map { threads in
        let path = "\(directory)/\(threads)"
        // Six micro-batches of at most 8, so that lanes add up two of them, and the last is not full.
        _ = try begin(path, steps: 4, threads: threads, isConditional: isConditional, train: train) {
          ($0.batchSize, $0.precision) = (45, precision)
        }.train { _ in }
        return try bytes(RunDirectory(path).checkpointPath(step: 4))
      }
      #expect(files.dropFirst().allSatisfy { $0 == files[0] })
    }
  }

  /// An interruption after any step, within an epoch or at its end (60 / 13 is 4 steps), changes no bit.
  @Test(
    arguments: [
      (1, false, .float32), (3, false, .float32), (4, false, .float32), (5, false, .float32),
      (3, true, .float32), (3, false, .bfloat16),
    ] as [(Int, Bool, Precision)])
  func interruptionChangesNoBit(_ interruption: Int, isConditional: Bool, precision: Precision) throws {
    guard precision.isAvailable else { return }
    try withTemporaryDirectory { directory in
      func begin(_ path: String) throws -> Trainer {
        try self.begin(path, steps: 7, isConditional: isConditional) { $0.precision = precision }
      }
      _ = try begin(directory + "/straight").train { _ in }
      let straight = RunDirectory(directory + "/straight")
      let run = RunDirectory(directory + "/run")
      do {
        var seen = 0
        let outcome = try begin(run.path).train(
          shouldStop: { seen == interruption }, onEvent: { if case .step = $0 { seen += 1 } })
        #expect(outcome == .interrupted)
      }
      let trainer = try Trainer(
        resuming: run, record: run.readRecord(), train: Self.train, test: Self.test)
      #expect(trainer.step == interruption)
      #expect(try trainer.train { _ in } == .finished)
      #expect(try bytes(run.checkpointPath(step: 7)) == bytes(straight.checkpointPath(step: 7)))
      let weights = "/diffusion_pytorch_model.safetensors"
      #expect(try bytes(run.modelPath + weights) == bytes(straight.modelPath + weights))

      let losses = try [run, straight].map { run in
        try String(decoding: bytes(run.metricsPath), as: UTF8.self).split(separator: "\n").map { line in
          let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
          return try #require(object?["loss"] as? Double)
        }
      }
      #expect(losses[0] == losses[1] && losses[0].count == 7)
    }
  }

  /// A run that ended before its first checkpoint resumes from its start.
  @Test func aRunCanBeResumedFromItsFirstMoment() throws {
    try withTemporaryDirectory { directory in
      _ = try begin(directory + "/straight", steps: 3).train { _ in }
      let run = RunDirectory(directory + "/run")
      #expect(throws: CancellationError.self) {
        try begin(run.path, steps: 3).train { _ in throw CancellationError() }
      }
      do {
        let trainer = try Trainer(
          resuming: run, record: run.readRecord(), train: Self.train, test: Self.test)
        #expect(trainer.step == 0)
        _ = try trainer.train { _ in }
      }
      #expect(
        try bytes(run.checkpointPath(step: 3))
          == bytes(RunDirectory(directory + "/straight").checkpointPath(step: 3)))
    }
  }

  @Test func resumePassesOverADamagedCheckpoint() throws {
    try withTemporaryDirectory { directory in
      let run = RunDirectory(directory + "/run")
      _ = try begin(run.path, steps: 4, checkpointEvery: 2).train { _ in }
      #expect(run.checkpointSteps() == [4, 2])
      let straight = try bytes(run.checkpointPath(step: 4))
      var damaged = straight
      damaged[damaged.count / 2] ^= 1
      try Data(damaged).write(to: URL(fileURLWithPath: run.checkpointPath(step: 4)))
      do {
        let trainer = try Trainer(
          resuming: run, record: run.readRecord(), train: Self.train, test: Self.test)
        #expect(trainer.step == 2 && trainer.passedOver.count == 1)
        _ = try trainer.train { _ in }
      }
      #expect(try bytes(run.checkpointPath(step: 4)) == straight)

      for step in run.checkpointSteps() {
        try Data(damaged).write(to: URL(fileURLWithPath: run.checkpointPath(step: step)))
      }
      expect(.missing) {
        try Trainer(resuming: run, record: run.readRecord(), train: Self.train, test: Self.test)
      }
    }
  }

  /// What is damaged is neither taken for newer nor deleted, and what comes after it is kept.
  @Test func damagedCheckpointsDoNotDriveOutGoodOnes() throws {
    try withTemporaryDirectory { directory in
      let run = RunDirectory(directory + "/run")
      _ = try begin(run.path, steps: 6, checkpointEvery: 3).train { _ in }
      let newest = run.checkpointPath(step: 6)
      try Data([1, 2, 3]).write(to: URL(fileURLWithPath: newest))
      var changed = try run.readRecord()
      changed.execution.keep = 1
      changed.execution.checkpointEvery = 1
      var stepsSeen = 0
      do {
        let trainer = try Trainer(resuming: run, record: changed, train: Self.train, test: Self.test)
        _ = try trainer.train(
          shouldStop: { stepsSeen == 1 }, onEvent: { if case .step = $0 { stepsSeen += 1 } })
      }
      #expect(run.checkpointSteps() == [4])
      #expect(try bytes(newest + ".damaged") == [1, 2, 3])
      #expect(try run.newestCheckpoint { $0 }.result.header.step == 4)
    }
  }

  /// A number of steps that was found from minutes gives the settings that the same number of steps gives.
  @Test func minutesAreRepeatableAsSteps() throws {
    try withTemporaryDirectory { directory in
      let trainer = try begin(directory + "/run", steps: 7, minutes: 0.2)
      let steps = trainer.record.settings.steps
      #expect(steps > 0)
      let expected = TrainingSettings(recipe: .quick, steps: steps)
      #expect(trainer.record.settings.warmupSteps == expected.warmupSteps)
    }
  }

  /// Whoever resumes a run that never took a step may give it another length, and be killed again.
  @Test func aRunThatTookNoStepCanChangeItsLengthTwice() throws {
    try withTemporaryDirectory { directory in
      let run = RunDirectory(directory + "/run")
      #expect(throws: CancellationError.self) {
        try begin(run.path, steps: 300).train { _ in throw CancellationError() }
      }
      for minutes in [0.02, 0.05] {
        let trainer = try Trainer(
          resuming: run, record: run.readRecord(), train: Self.train, test: Self.test, minutes: minutes)
        #expect(throws: CancellationError.self) { try trainer.train { _ in throw CancellationError() } }
      }
    }
  }

  /// Whoever resumes a run that never took a step with another length gets the run of that length, warm-up and all.
  @Test(arguments: [TrainingOptions.Length.steps(12), .minutes(0.02)])
  func aRunThatTookNoStepIsAsAFreshOneOfItsLength(_ length: TrainingOptions.Length) throws {
    try withTemporaryDirectory { directory in
      func options(_ length: TrainingOptions.Length) -> TrainingOptions {
        TrainingOptions(preset: .tiny, length: length, batchSize: 13, threads: 2)
      }
      let run = RunDirectory(directory + "/run")
      do {
        let trainer = try Trainer(
          output: run.path, train: Self.train, test: Self.test, options: options(.steps(3000)))
        #expect(throws: CancellationError.self) { try trainer.train { _ in throw CancellationError() } }
      }
      let resumed = try Trainer(
        resuming: run.path, train: Self.train, test: Self.test, options: TrainingOptions(length: length))
      #expect(resumed.step == 0)
      let steps = resumed.record.settings.steps
      try resumed.train { _ in }
      let fresh = RunDirectory(directory + "/fresh")
      try Trainer(output: fresh.path, train: Self.train, test: Self.test, options: options(.steps(steps)))
        .train { _ in }
      #expect(try bytes(run.checkpointPath(step: steps)) == bytes(fresh.checkpointPath(step: steps)))
    }
  }

  /// What a trainer hands out is what was learnt until then, whatever it learns later, and whether or not the recipe
  /// averages.
  @Test(arguments: [Recipe.quick, .rectifiedFlow]) func aSnapshotNeverChanges(_ recipe: Recipe) throws {
    try withTemporaryDirectory { directory in
      let pool = WorkerPool(threadCount: 2)
      func samples(_ flow: TrainedFlow) throws -> [Float] {
        try flow.sample(0..<2, seed: 1, solver: .fixed(.heun, steps: 2), on: pool).values
      }
      var options = TrainingOptions(preset: .tiny, length: .steps(6), batchSize: 13, threads: 2)
      options.recipe = recipe
      let trainer = try Trainer(
        output: directory + "/run", train: Self.train, test: Self.test, options: options)
      #expect((trainer.record.settings.averageDecay == nil) == (recipe == .rectifiedFlow))
      var kept: [(flow: TrainedFlow, checksum: UInt32, samples: [Float])] = []
      try trainer.train { event in
        guard case .step(let metrics) = event, metrics.step % 2 == 0 else { return }
        let flow = trainer.flow
        kept.append((flow, flow.checksum, try samples(flow)))
      }
      #expect(Set(kept.map(\.checksum)).count == 3 && Set(kept.map(\.samples)).count == 3)
      for (flow, checksum, before) in kept {
        #expect(flow.checksum == checksum)
        #expect(try samples(flow).map(\.bitPattern) == before.map(\.bitPattern))
      }
      #expect(kept[2].checksum == trainer.flow.checksum)
    }
  }

  /// A length that is no number of minutes, and a batch that the data don't fill, are the user's mistakes: they trap
  /// neither here nor later, and leave nothing behind.
  @Test func optionsThatCannotBeAreRefused() throws {
    try withTemporaryDirectory { directory in
      let run = directory + "/run"
      func refuses(_ part: String, _ options: TrainingOptions) {
        let error = #expect(throws: ConfigurationError.self) {
          try Trainer(output: run, train: Self.train, test: Self.test, options: options)
        }
        #expect(error?.description.contains(part) == true, "\(error?.description ?? "")")
        #expect(!FileManager.default.fileExists(atPath: run))
      }
      for size in [61, Int.max, 0, -1, .min] {
        refuses("60", TrainingOptions(preset: .tiny, length: .steps(1), batchSize: size))
      }
      for minutes in [-Double.infinity, -1, 0, 1e300, .infinity, .nan] {
        refuses("minutes", TrainingOptions(preset: .tiny, length: .minutes(minutes), batchSize: 8))
      }
      for length in [Int.min, -1, 0, .max] {
        refuses("10⁹", TrainingOptions(preset: .tiny, length: .steps(length), batchSize: 8))
        refuses("10⁹", TrainingOptions(preset: .tiny, length: .epochs(length), batchSize: 8))
      }
      for change: (inout TrainingOptions) -> Void in [
        { $0.threads = 0 }, { $0.keep = -1 }, { $0.checkpointEvery = .max }, { $0.learningRate = .nan },
      ] {
        var options = TrainingOptions(preset: .tiny, length: .steps(1), batchSize: 8)
        change(&options)
        refuses("must be", options)
      }
      // From examples of any source too.
      #expect(throws: ConfigurationError.self) { try begin(run, steps: 2) { $0.batchSize = 61 } }
    }
  }

  /// What can't be read may be sound: it is not passed over, let alone renamed.
  @Test func aCheckpointThatCannotBeReadStopsTheResume() throws {
    try withTemporaryDirectory { directory in
      let run = RunDirectory(directory + "/run")
      do { _ = try begin(run.path, steps: 2).train { _ in } }
      let path = run.checkpointPath(step: 9)
      // On a disk that is not there.
      try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: directory + "/disk/9")
      expect(.missing) {
        try Trainer(resuming: run, record: run.readRecord(), train: Self.train, test: Self.test)
      }
      #expect(run.checkpointSteps().first == 9)
    }
  }

  @Test func aRecordThatCannotBeIsRefused() throws {
    try withTemporaryDirectory { directory in
      let run = RunDirectory(directory + "/run")
      do { _ = try begin(run.path, steps: 2).train { _ in } }
      let record = try run.readRecord()
      for change: (inout RunRecord) -> Void in [
        { $0.execution.keep = 0 }, { $0.execution.checkpointEvery = 0 }, { $0.execution.threads = -1 },
        { $0.settings.steps = 0 },
      ] {
        var changed = record
        change(&changed)
        try run.write(changed)
        expect(.malformed) { try run.readRecord() }
      }
    }
  }

  /// A header whose step was altered would resume at the wrong place.
  @Test func aChangedHeaderIsNoticed() throws {
    try withTemporaryDirectory { directory in
      let run = RunDirectory(directory + "/run")
      _ = try begin(run.path, steps: 2).train { _ in }
      let path = run.checkpointPath(step: 2)
      var altered = try bytes(path)
      let pattern = Array(#"\"step\":2"#.utf8)
      let start = try #require(
        altered.indices.first { altered[$0...].starts(with: pattern) })
      altered[start + pattern.count - 1] = UInt8(ascii: "3")
      try Data(altered).write(to: URL(fileURLWithPath: path))
      expect(.malformed) { try Checkpoint(path: path) }
    }
  }

  @Test func divergenceStopsTheRunAndKeepsTheLastCheckpoint() throws {
    try withTemporaryDirectory { directory in
      let run = RunDirectory(directory + "/run")
      #expect(throws: TrainingError.self) {
        try begin(run.path, steps: 200, checkpointEvery: 1) { settings in
          settings.learningRate = 1e30
          settings.warmupSteps = 0
        }.train { _ in }
      }
      let (checkpoint, _) = try run.newestCheckpoint { $0 }
      let samples = try checkpoint.flow(.raw).sample(1, solver: .fixed(.euler, steps: 2))
      #expect(samples.values.allSatisfy { $0.isFinite })
    }
  }

  @Test func aRunIsNeitherOverwrittenNorSharedNorMixed() throws {
    try withTemporaryDirectory { directory in
      let run = RunDirectory(directory + "/run")
      let trainer = try begin(run.path, steps: 2)
      // While a trainer lives, its directory is locked.
      let error = expect(.cannotCreate) { try begin(run.path, steps: 2) }
      #expect(error?.problem == "is in use by another process")
      _ = try trainer.train { _ in }
      let second = expect(.cannotCreate) { try begin(run.path, steps: 2) }
      #expect(second?.problem == "holds a run already" || second?.problem == "is in use by another process")
    }
    try withTemporaryDirectory { directory in
      let run = RunDirectory(directory + "/run")
      do { _ = try begin(run.path, steps: 2).train { _ in } }
      var changed = try run.readRecord()
      changed.settings.learningRate = 0.5
      expect(.malformed) {
        try Trainer(resuming: run, record: changed, train: Self.train, test: Self.test)
      }
    }
  }

  /// A kill between the first checkpoint and run.json leaves a checkpoint that no one could go on from.
  @Test func aCheckpointThatBelongsToNoRunIsReplaced() throws {
    try withTemporaryDirectory { directory in
      let run = RunDirectory(directory + "/run")
      try run.create()
      try Data([1]).write(to: URL(fileURLWithPath: run.checkpointPath(step: 0)))
      do { _ = try begin(run.path, steps: 2).train { _ in } }
      #expect(run.checkpointSteps().first == 2)
      // One of a later step is work that someone may want.
      try FileManager.default.removeItem(atPath: run.path + "/run.json")
      expect(.cannotCreate) { try begin(run.path, steps: 2) }
    }
  }

  /// The loss is looked at on what the network is trained on: the first step's, of which the weights are known, on dithered
  /// pixels where the run dithers.
  @Test func theHeldOutLossIsOfPixelsAsTheRunSeesThem() throws {
    try withTemporaryDirectory { directory in
      let losses = try [false, true].map { dequantize in
        let run = RunDirectory("\(directory)/\(dequantize)")
        // Of a rate of almost nothing, so that both have the same weights.
        _ = try begin(run.path, steps: 1) {
          $0.dequantize = dequantize
          $0.learningRate = 1e-30
        }.train { _ in }
        return try #require(try StepMetrics.lastHeldOut(of: run)?.heldOutLoss)
      }
      // The network begins as the zero field, so the loss is that of u itself, and a level's noise adds a little.
      #expect(losses[0] != losses[1])
      #expect(abs(losses[0] - losses[1]) < 0.02, "\(losses)")
    }
  }

  @Test func aHalfWrittenLineIsPassedOverAndADamagedOneNamed() throws {
    try withTemporaryDirectory { directory in
      let run = RunDirectory(directory + "/run")
      _ = try begin(run.path, steps: 3).train { _ in }
      let lines = try bytes(run.metricsPath)
      let url = URL(fileURLWithPath: run.metricsPath)
      try Data(lines + Array("{\"step\": 4, \"lo".utf8)).write(to: url)
      #expect(try StepMetrics.all(of: run).map(\.step) == [1, 2, 3])
      try Data(Array("{\"step\": 0}\n".utf8) + lines).write(to: url)
      let error = expect(.malformed) { try StepMetrics.all(of: run) }
      #expect(error?.problem.contains("line 1") == true)
      // A resume would have to cut the lines after it, and leaves them.
      let trainer = try Trainer(
        resuming: run, record: run.readRecord(), train: Self.train, test: Self.test)
      expect(.malformed) { try trainer.train { _ in } }
      #expect(try bytes(run.metricsPath).count > lines.count)
      // What comes after the checkpoint is cut in any case.
      try Data(lines + Array("{}\n".utf8)).write(to: url)
      _ = try trainer.train { _ in }
      #expect(try bytes(run.metricsPath) == lines)
    }
  }

  @Test func oldCheckpointsAreRotatedAndOtherFilesKept() throws {
    try withTemporaryDirectory { directory in
      let run = RunDirectory(directory + "/run")
      try run.create()
      let others = ["mine.safetensors", "step-1.safetensors", "step-00000001.safetensors.bak"]
      for name in others {
        try Data([1]).write(to: URL(fileURLWithPath: run.checkpointsPath + "/" + name))
      }
      _ = try begin(run.path, steps: 5, checkpointEvery: 1).train { _ in }
      let names = try FileManager.default.contentsOfDirectory(atPath: run.checkpointsPath).sorted()
      #expect(names == (others + ["step-00000004.safetensors", "step-00000005.safetensors"]).sorted())
    }
  }

  @Test func warmupThenCosineOrLine() {
    var settings = settings(steps: 102)
    for (schedule, shape) in [
      (.cosine, { 0.5 * (1 + cos(Double.pi * $0)) }), (.linear, { 1 - $0 }),
    ] as [(TrainingSettings.Schedule, (Double) -> Double)] {
      settings.schedule = schedule
      let rates = (0..<102).map { settings.learningRate(afterSteps: $0) }
      #expect(abs(rates[0] - 0.5e-3) < 1e-12 && abs(rates[1] - 1e-3) < 1e-12)
      for step in 2..<102 {
        #expect(abs(rates[step] - 1e-3 * shape(Double(step - 2) / 100)) < 1e-15)
      }
    }
    settings.schedule = .constant
    #expect(settings.learningRate(afterSteps: 77) == 1e-3)
  }
}
