import Files
import Foundation
import Imagery
import Kernels
import Network
import Sampling
import Testing
import Training

/// What a run must not do without a word.
@Suite struct NothingSilentTests {
  private static let network = UNetConfiguration(
    sampleHeight: 28, sampleWidth: 28, inputChannels: 1, outputChannels: 1, blockOutputChannels: [8, 16],
    layersPerBlock: 1, attentionLevels: [false, false], midAttention: false, normGroupCount: 4)
  private static let train = SyntheticStrokes.make(count: 40, split: .train)
  private static let test = SyntheticStrokes.make(count: 10, split: .test)
  private static let lossScale = RunRecord.LossScale(test)

  private func record(steps: Int, _ change: (inout TrainingSettings) -> Void = { _ in }) throws -> RunRecord {
    var settings = TrainingSettings(recipe: .quick, steps: steps)
    settings.batchSize = 8
    change(&settings)
    return try TrainingTests.record(
      Self.network, settings, train: Self.train, test: Self.test, threads: 2, lossScale: Self.lossScale)
  }

  private func begin(
    _ path: String, steps: Int, _ change: (inout TrainingSettings) -> Void = { _ in }
  ) throws -> Trainer {
    try Trainer(
      beginning: RunDirectory(path), record: record(steps: steps, change), train: Self.train,
      test: Self.test)
  }

  /// A run of 4 steps that goes on to 8 has the rates of both lengths; its record says so, and a fresh run with the same
  /// settings has the same bits.
  @Test func aChangedLengthIsRecordedAndRepeatable() throws {
    try withTemporaryDirectory { directory in
      let run = RunDirectory(directory + "/run")
      do { try begin(run.path, steps: 4).train { _ in } }
      do {
        var record = try run.readRecord()
        record.settings.steps = 8
        let trainer = try Trainer(resuming: run, record: record, train: Self.train, test: Self.test)
        let rates = try #require(trainer.changedLearningRate)
        #expect(rates.before < 1e-9 && rates.now > 1e-4)
        try trainer.train { _ in }
      }
      let recorded = try run.readRecord().settings
      let earlier = try #require(recorded.earlierLengths)
      #expect(earlier.map(\.until) == [4] && earlier.map(\.steps) == [4] && recorded.steps == 8)
      let rates = try StepMetrics.all(of: run).map(\.learningRate)
      #expect(rates == (0..<8).map { recorded.learningRate(afterSteps: $0) })
      let again = RunDirectory(directory + "/again")
      do { try begin(again.path, steps: 8) { $0 = recorded }.train { _ in } }
      #expect(
        try readFile(again.checkpointPath(step: 8)) == readFile(run.checkpointPath(step: 8)))
    }
  }

  /// Settings that are taken over for another length take no stretches of the old one with them.
  @Test func anotherLengthForgetsTheStretches() throws {
    var base = try record(steps: 8)
    base.settings.earlierLengths = [
      try JSONDecoder().decode(
        TrainingSettings.EarlierLength.self, from: Data(#"{"until": 4, "steps": 4}"#.utf8))
    ]
    func settings(_ length: TrainingOptions.Length?) throws -> TrainingSettings {
      var options = TrainingOptions(length: length)
      options.base = base
      return try RunRecord(options, train: Self.train, test: Self.test).settings
    }
    #expect(try settings(nil).earlierLengths == base.settings.earlierLengths)
    #expect(try settings(.steps(8)).earlierLengths == base.settings.earlierLengths)
    #expect(try settings(.steps(9)).earlierLengths == nil)
    try withTemporaryDirectory { directory in
      var options = TrainingOptions(length: .minutes(0.001))
      options.base = base
      let trainer = try Trainer(
        output: directory + "/run", train: Self.train, test: Self.test, options: options)
      #expect(trainer.record.settings.earlierLengths == nil)
    }
  }

  /// Fewer images than the recipe's batch are one batch, unless a batch was asked for.
  @Test func theStandardBatchFollowsTheData() throws {
    func batch(_ size: Int?, _ count: Int) throws -> Int {
      let train = SyntheticStrokes.make(count: count, split: .train)
      let options = TrainingOptions(preset: .tiny, length: .steps(1), batchSize: size)
      return try RunRecord(options, train: train, test: Self.test).settings.batchSize
    }
    #expect(try batch(nil, 5) == 5 && batch(nil, 40) == 32 && batch(7, 40) == 7)
    #expect(throws: ConfigurationError.self) { try batch(7, 5) }
  }

  /// A checkpoint whose weights are not numbers is passed over for an older one, in opening as in resuming.
  @Test func aCheckpointOfNoNumbersIsPassedOver() throws {
    try withTemporaryDirectory { directory in
      let run = RunDirectory(directory + "/run")
      do {
        var every2 = try record(steps: 4)
        every2.execution.checkpointEvery = 2
        let trainer = try Trainer(
          beginning: run, record: every2, train: Self.train, test: Self.test)
        try trainer.train { _ in }
      }
      let path = run.checkpointPath(step: 4)
      let file = try SafetensorsFile(contentsOf: path)
      let tensors = try file.entries.map { entry in
        var values = try file.floats(entry.name)
        values[0] = .nan
        return SafetensorsTensor(entry.name, shape: entry.shape, values: values)
      }
      try SafetensorsFile.write(
        tensors, metadata: file.metadata.filter { $0.key != "payload_crc32" }, to: path)
      var passedOver: [FileError] = []
      let flow = try TrainedFlow(run.path) { passedOver.append($0) }
      #expect(flow.path == run.checkpointPath(step: 2) && passedOver.count == 1)
      let record = try run.readRecord()
      let trainer = try Trainer(resuming: run, record: record, train: Self.train, test: Self.test)
      #expect(trainer.step == 2 && trainer.passedOver.count == 1)
    }
  }

  /// On a file system without locks a run goes on, and says that nothing guards it; a lock that is held refuses it.
  @Test func aFileSystemWithoutLocksIsSaid() throws {
    try withTemporaryDirectory { directory in
      let run = RunDirectory(directory)
      let without = try RunDirectory.Lock(run) { _, _ in
        errno = ENOLCK
        return -1
      }
      #expect(without.problem != nil)
      let held = try RunDirectory.Lock(run)
      #expect(held.problem == nil)
      expect(.cannotCreate) { try RunDirectory.Lock(run) }
    }
  }

  /// A grey level of dequantised pixels is an interval: whatever the noise in it, it comes back.
  @Test func dequantizedPixelsComeBack() throws {
    let bytes = Array(UInt8.min...UInt8.max)
    var values = Array(repeating: Float(0), count: 256)
    for draw in 0..<20 {
      var span = values.mutableSpan
      Pixels.dequantize(
        bytes.span, Philox(seed: 1, purpose: .dequantization, step: UInt32(draw)), into: &span)
      #expect(Pixels.bytes(values.span, isDequantized: true) == bytes)
    }
    #expect(Pixels.byte(-7, isDequantized: true) == 0 && Pixels.byte(7, isDequantized: true) == 255)
    let random = try randomFlow(Self.network)
    let flow = TrainedFlow(random.network, random.weights, isDequantized: true)
    #expect(Pixels.bytes(flow.values(ofPixels: bytes).span, isDequantized: true) == bytes)
    let samples = try flow.sample(1, solver: .fixed(.euler, steps: 1))
    #expect(samples.pixels == Pixels.bytes(samples.values.span, isDequantized: true))
    #expect(samples.pixels != Pixels.bytes(samples.values.span))
  }

  /// Each tenth of the times has as many of the ten images, so the mean of the tenths is the loss itself.
  @Test func theHeldOutLossIsToldByTime() throws {
    try withTemporaryDirectory { directory in
      try begin(directory + "/run", steps: 2).train { _ in }
      let last = try #require(try StepMetrics.lastHeldOut(of: RunDirectory(directory + "/run")))
      let byTime = try #require(last.heldOutLossByTime)
      #expect(byTime.count == 10 && Set(byTime).count > 1)
      #expect(abs(byTime.reduce(0, +) / 10 - (last.heldOutLoss ?? 0)) < 1e-9)
    }
  }

  /// A resume of the same length records nothing, and finds no other rate.
  @Test func anUnchangedLengthSaysNothing() throws {
    try withTemporaryDirectory { directory in
      let run = RunDirectory(directory + "/run")
      do {
        var seen = 0
        try begin(run.path, steps: 4).train(
          shouldStop: { seen == 2 }, onEvent: { if case .step = $0 { seen += 1 } })
      }
      let trainer = try Trainer(
        resuming: run, record: run.readRecord(), train: Self.train, test: Self.test)
      #expect(trainer.changedLearningRate == nil && trainer.record.settings.earlierLengths == nil)
    }
  }

  @Test(arguments: ["metrics.jsonl", "loss.svg", "model/config.json"])
  func filesThatAreNoRunsAreNotWrittenOver(_ name: String) throws {
    try withTemporaryDirectory { directory in
      let path = directory + "/run/" + name
      try FileManager.default.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      try Data("mine".utf8).write(to: URL(fileURLWithPath: path))
      expect(.cannotCreate) { try begin(directory + "/run", steps: 1) }
      #expect(try readFile(path) == Array("mine".utf8))
    }
  }

  /// Networks that look alike by their channels and images.
  @Test func whatDiffersBetweenTwoNetworksIsNamed() throws {
    try withTemporaryDirectory { directory in
      var other = Self.network
      (other.attentionHeadWidth, other.midAttention) = (4, true)
      var options = TrainingOptions(length: .steps(1), batchSize: 8)
      options.base = try record(steps: 1)
      let initial = try randomFlow(other)
      let error = #expect(throws: ConfigurationError.self) {
        try RunRecord(options, train: Self.train, test: Self.test, initial: initial)
      }
      let text = error?.description ?? ""
      #expect(
        text.contains(": attention_head_width is 4, not null; mid_attention is true, not false;"), "\(text)")
    }
  }

  /// A checkpoint beside the run.json of another run.
  @Test func whatDiffersBetweenACheckpointAndItsRunIsNamed() throws {
    try withTemporaryDirectory { directory in
      let run = RunDirectory(directory + "/run")
      do { try begin(run.path, steps: 1).train { _ in } }
      let checkpoint = try run.newestCheckpoint { $0 }.result
      var record = try run.readRecord()
      try checkpoint.requireRecord(record)
      record.settings.batchSize = 9
      record.network.normGroupCount = 2
      let error = expect(.malformed) { try checkpoint.requireRecord(record) }
      #expect(
        error?.problem.hasSuffix(": norm_group_count is 4, not 2; batch_size is 8, not 9") == true, "\(error)"
      )
    }
  }

  /// A sheet that can't be drawn, as a directory is in its place, ends nothing.
  @Test func aPictureThatCannotBeDrawnEndsNothing() throws {
    try withTemporaryDirectory { directory in
      let run = RunDirectory(directory + "/run")
      try FileManager.default.createDirectory(
        atPath: run.sheetPath(step: 5), withIntermediateDirectories: true)
      var problems = 0
      let outcome = try begin(run.path, steps: 6).train { event in
        if case .epoch(_, .failure) = event { problems += 1 }
      }
      #expect(outcome == .finished && problems == 1 && run.checkpointSteps().first == 6)
      #expect(TrainedFlow.isDiffusersDirectory(run.modelPath))
    }
  }

  @Test(arguments: [Float.nan, .infinity]) func weightsThatAreNotNumbersAreNamed(_ value: Float) throws {
    try withTemporaryDirectory { directory in
      try randomFlow(Self.network).write(to: directory)
      let path = directory + "/diffusion_pytorch_model.safetensors"
      let file = try SafetensorsFile(contentsOf: path)
      let tensors = try file.entries.map { entry in
        var values = try file.floats(entry.name)
        if entry.name == "conv_in.bias" { values[3] = value }
        return SafetensorsTensor(entry.name, shape: entry.shape, values: values)
      }
      try SafetensorsFile.write(tensors, to: path)
      let error = expect(.malformed) { try TrainedFlow(directory) }
      #expect(error?.problem.contains("conv_in.bias") == true)
    }
  }
}
