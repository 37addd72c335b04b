import Files
import Foundation
import Imagery
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

  private func record(steps: Int, _ change: (inout TrainingSettings) -> Void = { _ in }) -> RunRecord {
    var settings = TrainingSettings(recipe: .quick, steps: steps)
    settings.batchSize = 8
    change(&settings)
    return TrainingTests.record(Self.network, settings, train: Self.train, test: Self.test, threads: 2)
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
      options.base = record(steps: 1)
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
      let checkpoint = try run.newestCheckpoint().checkpoint
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
