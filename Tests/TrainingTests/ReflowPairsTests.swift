import Files
import Flow
import Foundation
import Imagery
import Kernels
import Network
import Sampling
import Testing
import Training

@Suite struct ReflowPairsTests {
  private static let network = UNetConfiguration(
    sampleHeight: 8, sampleWidth: 8, inputChannels: 1, outputChannels: 1, blockOutputChannels: [8, 16],
    layersPerBlock: 1, attentionLevels: [false, true], normGroupCount: 4)
  private static let origin = ReflowPairs.Origin(model: 7, seed: 3, first: 1000, solver: "none")
  private static let shape = ImageShape(height: 1, width: 3, channels: 1)

  /// z₁ of a flow that is easily told: three multiples of the sample's number.
  private static func make(_ numbers: Range<Int>) -> [Float] {
    numbers.flatMap { [Float($0), 2 * Float($0), 3 * Float($0)] }
  }

  /// Pairs of a conditional flow, which were made guided.
  private static var guided: ReflowPairs.Origin {
    var origin = origin
    (origin.classes, origin.guidance) = ([0, 2, 5], 1.5)
    return origin
  }

  private func complete(
    in directory: String, _ origin: ReflowPairs.Origin = Self.origin, count: Int = 1203,
    onPart: (ReflowPairs.PartEvent, Int) throws -> Void = { _, _ in },
    make: (Range<Int>) throws -> [Float] = Self.make
  ) throws -> ReflowPairs {
    try ReflowPairs.complete(
      in: directory, origin: origin, count: count, shape: Self.shape, make: make, onPart: onPart)
  }

  private func draw(_ source: some ExampleSource, _ row: Int) -> (noise: [Float], data: [Float]) {
    var noise = Array(repeating: Float.nan, count: source.dimension)
    var data = noise
    // The pairs have nothing to do with the batch's random numbers.
    let random = ExampleRandom(seed: 99, draws: .training(step: row), index: 5)
    source.draw(row, random, noise: noise.mutableSpan, data: data.mutableSpan)
    return (noise, data)
  }

  private func label(_ source: some ExampleSource, _ row: Int) -> Int? {
    source.label(row, ExampleRandom(seed: 99, draws: .training(step: row), index: 5))
  }

  @Test func examplesAreTheTwoEnds() throws {
    try withTemporaryDirectory { directory in
      let pairs = try complete(in: directory + "/pairs")
      #expect(label(pairs, 0) == nil)
      let (training, heldOut) = pairs.split
      let counts = try [pairs, training, heldOut].map { try #require($0.count) }
      #expect(counts == [1203, 1143, 60])
      for (source, count, first) in [(training, 1143, 0), (heldOut, 60, 1143)] {
        for row in [0, 17, count - 1] {
          let number = 1000 + first + row
          var noise = Array(repeating: Float.nan, count: 3)
          Philox(seed: 3, purpose: .samplingNoise, index: UInt32(number)).fillNormals(noise.mutableSpan)
          let (x0, x1) = draw(source, row)
          #expect(x0 == noise)
          #expect(x1 == Self.make(number..<number + 1))
        }
      }
      #expect(training.checksum != heldOut.checksum)
    }
  }

  /// A pair is of the class that `sample` gives the sample of its number; how often none is told is the batch's.
  @Test func labelsGoWithTheirPairs() throws {
    try withTemporaryDirectory { directory in
      let (training, heldOut) = try complete(in: directory, Self.guided, count: 503).split
      for (source, first) in [(training, 1000), (heldOut, 1478)] {
        let count = try #require(source.count)
        #expect((0..<count).map { label(source, $0) } == (first..<first + count).map { [0, 2, 5][$0 % 3] })
      }
      let data = RunRecord.DatasetRecord(
        training: training, heldOut: heldOut, shape: Self.shape, classNames: ["a", "b", "c", "", "e", "f"])
      #expect(data.classes == ["a", "", "c", "", "", "f"])
      // The files of pairs without classes say what they always did.
      let path = "/part-00000.safetensors"
      let keys = try Set(SafetensorsFile(contentsOf: directory + path).metadata.keys)
      _ = try complete(in: directory + "/plain")
      let plain = try Set(SafetensorsFile(contentsOf: directory + "/plain" + path).metadata.keys)
      #expect(keys.subtracting(plain) == ["classes", "guidance"])
      #expect(plain.isSuperset(of: ["format", "model_crc32", "seed", "first", "solver"]) && plain.count <= 6)
      for (key, change) in [
        ("classes", { $0.classes = [0, 2] }), ("guidance", { $0.guidance = 1 }),
      ] as [(String, (inout ReflowPairs.Origin) -> Void)] {
        var other = Self.guided
        change(&other)
        let error = expect(.malformed) { try complete(in: directory, other, count: 503) }
        #expect(error?.problem.contains("its \(key) is") == true)
      }
    }
  }

  /// z₀ of a pair is the sampler's, so the solver takes it to z₁ again.
  @Test func pairsAreThoseOfTheSampler() throws {
    let (flow, pool) = (try randomFlow(Self.network), WorkerPool(threadCount: 2))
    let origin = ReflowPairs.Origin(model: flow.checksum, seed: 4, first: 300, solver: "rk45")
    let solver = Solver.adaptive(rtol: 1e-3, atol: 1e-3)
    let ends = try flow.sample(300..<310, seed: 4, solver: solver, on: pool).values
    let pairs = ReflowPairs(origin: origin, ends: ends, dimension: 64)
    let field = try flow.straightness(300..<310, seed: 4, rtol: 1e-3, atol: 1e-3, on: pool)
    #expect(field.samples.values == ends && field.straightness.allSatisfy { $0 > 0 })
    let alone = try flow.straightness(307..<308, seed: 4, rtol: 1e-3, atol: 1e-3, on: pool)
    #expect(alone.straightness == [field.straightness[7]])
    // Of a conditional flow, each path goes to its own class.
    let conditional = try classFlow().guided(by: 2)
    let labels = [2, 0, 1]
    let paths = try conditional.straightness(0..<3, seed: 4, rtol: 1e-2, atol: 1e-2, labels: labels, on: pool)
    let rk45 = Solver.adaptive(rtol: 1e-2, atol: 1e-2)
    #expect(
      try paths.samples.values
        == conditional.sample(0..<3, seed: 4, solver: rk45, labels: labels, on: pool).values)
    let lone = try conditional.straightness(2..<3, seed: 4, rtol: 1e-2, atol: 1e-2, labels: [1], on: pool)
    #expect(lone.straightness == [paths.straightness[2]])
    // One Euler step from z₀ is what the sampler makes of it.
    let step = try flow.sample(305..<306, seed: 4, solver: .fixed(.euler, steps: 1), on: pool).values
    #expect(draw(pairs, 5).data == Array(ends[5 * 64..<6 * 64]))
    #expect(draw(pairs, 5).data != step)
  }

  /// Parts that are there are kept, wherever the work was stopped; the others are made, and all are the same bytes.
  @Test func resumes() throws {
    try withTemporaryDirectory { directory in
      let straight = directory + "/straight"
      _ = try complete(in: straight)
      let names = try FileManager.default.contentsOfDirectory(atPath: straight).filter {
        $0.hasPrefix("part")
      }
      #expect(names.sorted() == (0..<3).map { "part-0000\($0).safetensors" })
      for stop in 1...3 {
        let path = "\(directory)/\(stop)"
        #expect(throws: CancellationError.self) {
          try complete(
            in: path,
            onPart: { _, pairs in if pairs >= 500 * stop || pairs == 1203 { throw CancellationError() } })
        }
        try Data([1]).write(to: URL(fileURLWithPath: path + "/.inkflow-1.tmp"))
        var (kept, made): (Int, [Range<Int>]) = (0, [])
        let pairs = try complete(
          in: path, onPart: { event, _ in if case .kept = event { kept += 1 } },
          make: {
            made.append($0)
            return Self.make($0)
          })
        #expect(kept == stop)
        #expect(made == [1000..<1500, 1500..<2000, 2000..<2203].suffix(3 - stop))
        #expect(pairs.checksum == (try complete(in: straight)).checksum)
        for name in names { #expect(try readFile(path + "/" + name) == readFile(straight + "/" + name)) }
        #expect(!FileManager.default.fileExists(atPath: path + "/.inkflow-1.tmp"))
      }
    }
  }

  @Test func damagedPartsAreMadeAgain() throws {
    try withTemporaryDirectory { directory in
      _ = try complete(in: directory)
      let path = directory + "/part-00001.safetensors"
      let sound = try readFile(path)
      var flipped = sound
      flipped[sound.count - 7] ^= 4
      for damaged in [flipped, Array(sound.prefix(sound.count / 2)), []] {
        try Data(damaged).write(to: URL(fileURLWithPath: path))
        var remade: [FileError] = []
        var made: [Range<Int>] = []
        _ = try complete(
          in: directory, onPart: { event, _ in if case .remade(let error) = event { remade.append(error) } },
          make: {
            made.append($0)
            return Self.make($0)
          })
        #expect(remade.map(\.path) == [path] && remade.map(\.kind) == [.malformed])
        #expect(made == [1500..<2000])
        #expect(try readFile(path) == sound)
      }
    }
  }

  /// Pairs of another flow are neither used nor overwritten.
  @Test func partsOfAnotherOriginAreRefused() throws {
    try withTemporaryDirectory { directory in
      _ = try complete(in: directory)
      let before = try readFile(directory + "/part-00000.safetensors")
      var (model, seed, first, solver) = (Self.origin, Self.origin, Self.origin, Self.origin)
      model.model = 8
      seed.seed = 4
      first.first = 0
      solver.solver = "other"
      for (origin, key) in [(model, "model_crc32"), (seed, "seed"), (first, "first"), (solver, "solver")] {
        let error = expect(.malformed) { try complete(in: directory, origin) }
        #expect(error?.problem.contains(key) == true)
      }
      try SafetensorsFile.write(
        [SafetensorsTensor("z1", shape: [1], values: [1])], to: directory + "/part-00002.safetensors")
      expect(.malformed) { try complete(in: directory) }
      #expect(try readFile(directory + "/part-00000.safetensors") == before)
    }
  }

  /// A run on pairs, interrupted and resumed, ends with the bits of one that was not.
  @Test func interruptionChangesNoBit() throws {
    try withTemporaryDirectory { directory in
      let flow = try randomFlow(Self.network)
      let ends = try flow.sample(
        0..<40, seed: 1, solver: .fixed(.heun, steps: 2), on: WorkerPool(threadCount: 2)
      ).values
      let origin = ReflowPairs.Origin(model: flow.checksum, seed: 1, first: 0, solver: "heun")
      let (training, heldOut) = ReflowPairs(origin: origin, ends: ends, dimension: 64).split
      var settings = TrainingSettings(recipe: .quick, steps: 8)
      settings.batchSize = 12
      let record = RunRecord(
        recipe: .quick, preset: nil,
        dataset: .init(
          training: training, heldOut: heldOut, shape: ImageShape(height: 8, width: 8, channels: 1)),
        network: Self.network, settings: settings, initialWeights: .init(path: "x", checksum: flow.checksum),
        execution: .init(threads: 2, checkpointEvery: 100, keep: 2), lossScale: .init(training))
      func begin(_ name: String) throws -> Trainer {
        try Trainer(
          beginning: RunDirectory(directory + name), record: record, examples: training, heldOut: heldOut,
          initial: flow)
      }
      _ = try begin("/straight").train { _ in }
      var seen = 0
      let outcome = try begin("/run").train(
        shouldStop: { seen == 5 }, onEvent: { if case .step = $0 { seen += 1 } })
      #expect(outcome == .interrupted)
      let run = RunDirectory(directory + "/run")
      do {
        let trainer = try Trainer(
          resuming: run, record: run.readRecord(), examples: training, heldOut: heldOut)
        #expect(trainer.step == 5)
        _ = try trainer.train { _ in }
      }
      let straight = RunDirectory(directory + "/straight")
      #expect(try readFile(run.checkpointPath(step: 8)) == readFile(straight.checkpointPath(step: 8)))
      #expect(
        try StepMetrics.lastHeldOut(of: run)?.heldOutLoss
          == StepMetrics.lastHeldOut(of: straight)?.heldOutLoss)
      #expect(try StepMetrics.lastHeldOut(of: run)?.heldOutLoss != nil)
      #expect(try run.readRecord().dataset.name == "reflow pairs")

      // The scale of the loss is that of z₁ − z₀, whose parts are no strangers to each other.
      var (zero, count) = (0.0, 0)
      for row in 0..<(try #require(training.count)) {
        let (x0, x1) = draw(training, row)
        zero += zip(x0, x1).reduce(0) { $0 + Double(($1.1 - $1.0) * ($1.1 - $1.0)) }
        count += 64
      }
      #expect(abs(record.lossScale.zeroField - zero / Double(count)) < 1e-5)
      #expect(record.lossScale.meanField < record.lossScale.zeroField)
    }
  }
}
