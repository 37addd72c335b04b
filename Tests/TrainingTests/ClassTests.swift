import Files
import Flow
import Foundation
import Imagery
import Kernels
import Network
import Sampling
import Testing
import Training

/// Labels on their way into training, and what a flow that knows classes draws.
@Suite struct ClassTests {
  private struct Values: Equatable {
    /// By the evaluation without derivatives, and by the one with them.
    var velocities: [Double]
    var differentiated: [Double]
    var forms: [Double]
  }

  /// v, and zᵀ(∂v/∂x)z, of some samples among those that have labels.
  private func evaluate(_ flow: TrainedFlow, labels: [Int], samples: [Int], threads: Int) throws -> Values {
    let (d, probeCount) = (flow.shape.count, 2)
    let field = flow.field(
      capacity: labels.count, labels: labels, probeCount: probeCount, on: WorkerPool(threadCount: threads))
    let noise = flow.noise(0..<labels.count, seed: 3).map { Double($0) }
    let states = samples.flatMap { noise[$0 * d..<($0 + 1) * d] }
    let times = samples.map { Double($0) / Double(labels.count) }
    let probes = labels.indices.flatMap {
      DivergenceProbes.random(count: probeCount, seed: 2).values(sample: $0, dimension: d)
    }
    var (velocities, differentiated) = (states, states)
    var forms = [Double](repeating: .nan, count: samples.count * probeCount)
    var span = velocities.mutableSpan
    try field.evaluate(states.span, times: times.span, samples: samples.span, into: &span)
    var differentiatedSpan = differentiated.mutableSpan
    var formSpan = forms.mutableSpan
    try field.evaluate(
      states.span, times: times.span, samples: samples.span, probes: probes.span, into: &differentiatedSpan,
      quadraticForms: &formSpan)
    return Values(velocities: velocities, differentiated: differentiated, forms: forms)
  }

  /// v_∅ + w·(v_c − v_∅), to the bit, of two fields that are not guided: of the class, and of the one that stands for none.
  @Test(arguments: [0, 0.5, 1, 3]) func aGuidedFieldIsMadeOfTwo(guidance: Double) throws {
    let flow = try classFlow()
    var plain = try #require(flow.configuration)
    plain.unconditionalClass = nil
    let labels = [0, 1, 2, 1, 0, 2, 2]
    let samples = [6, 0, 2, 3, 1]
    let each = TrainedFlow(try UNet(plain), flow.weights)
    let with = try evaluate(each, labels: labels, samples: samples, threads: 2)
    let without = try evaluate(each, labels: labels.map { _ in 3 }, samples: samples, threads: 2)
    #expect(with.velocities == with.differentiated && with != without)
    func guided(_ part: KeyPath<Values, [Double]>) -> [Double] {
      zip(with[keyPath: part], without[keyPath: part]).map { with, without in
        guidance == 1 ? with : without + guidance * (with - without)
      }
    }
    for threads in 1...3 {
      let values = try evaluate(
        flow.guided(by: guidance), labels: labels, samples: samples, threads: threads)
      #expect(values.velocities == guided(\.velocities) && values.differentiated == values.velocities)
      #expect(values.forms == guided(\.forms))
      // With fewer samples than threads too.
      let alone = try evaluate(flow.guided(by: guidance), labels: labels, samples: [2], threads: threads)
      #expect(alone.velocities == Array(values.velocities[128..<192]))
      #expect(alone.forms == Array(values.forms[4..<6]))
    }
  }

  /// Samples and likelihoods of a guided flow are the same alone and among others, in more than one chunk.
  @Test func guidedSamplesAloneAndAmongOthers() throws {
    let flow = try classFlow()
    let guided = try flow.guided(by: 2)
    let labels = (0..<70).map { $0 % 3 }
    let (solver, pool) = (Solver.adaptive(rtol: 1e-2, atol: 1e-2), WorkerPool(threadCount: 2))
    let all = try guided.sample(0..<70, seed: 1, solver: solver, labels: labels, on: pool)
    let densities = try guided.logDensities(
      of: all.values, numbers: 0..<70, labels: labels, probes: .random(seed: 1), solver: solver, on: pool
    ).values
    for (number, threads) in [(4, 1), (69, 3)] {
      let pool = WorkerPool(threadCount: threads)
      func sample(_ flow: TrainedFlow) throws -> [Float] {
        try flow.sample(
          number..<number + 1, seed: 1, solver: solver, labels: [labels[number]], on: pool
        ).values
      }
      #expect(try sample(guided) == Array(all[number]))
      #expect(try sample(flow) != Array(all[number]))
      let density = try guided.logDensities(
        of: Array(all[number]), numbers: number..<number + 1, labels: [labels[number]],
        probes: .random(seed: 1), solver: solver, on: pool)
      #expect(density.values == [densities[number]])
    }
    // What is counted is what the network had to do.
    for (flow, perStep) in [(flow, 1), (guided, 2)] {
      let euler = Solver.fixed(.euler, steps: 3)
      let drawn = try flow.sample(0..<2, seed: 1, solver: euler, labels: [0, 1], on: pool)
      let densities = try flow.logDensities(
        of: drawn.values, numbers: 0..<2, labels: [0, 1], probes: .random(seed: 1), solver: euler, on: pool)
      #expect(drawn.evaluations == [3 * perStep, 3 * perStep] && densities.evaluations == drawn.evaluations)
    }
    // Guidance is of the flow that is guided, not added to what it had.
    #expect(try guided.guided(by: 1).guidance == 1 && guided.guided(by: 3).guidance == 3)
  }

  /// A share of the labels is dropped in training, each example's by itself and the same for any threads; none elsewhere.
  @Test(arguments: [0.1, 0.5]) func labelsAreDroppedAtTheirRate(rate: Double) {
    let examples = LabelledExamples(labels: (0..<50).map { $0 % 7 })
    var (dropped, ofOneIndex, mixed) = (0, 0, 0)
    for step in 0..<200 {
      let batch = Batch(
        source: examples, rows: ArraySlice((0..<50).map { UInt32($0) }), seed: 5,
        draws: .training(step: step),
        times: .independent, labelDropout: rate)
      let told = (0..<50).map { batch.label($0, unconditionalClass: 7) }
      #expect(told.indices.allSatisfy { told[$0] == 7 || told[$0] == $0 % 7 })
      let count = told.count { $0 == 7 }
      dropped += count
      mixed += (1..<50).contains(count) ? 1 : 0
      ofOneIndex += told[3] == 7 ? 1 : 0
      // Without a class that stands for none, none is dropped.
      #expect((0..<50).allSatisfy { batch.label($0, unconditionalClass: nil) == $0 % 7 })
    }
    func isLikely(_ count: Int, of total: Double) -> Bool {
      abs(Double(count) - rate * total) < 4 * (rate * (1 - rate) * total).squareRoot()
    }
    #expect(isLikely(dropped, of: 10_000) && isLikely(ofOneIndex, of: 200))
    #expect(mixed > 190)
  }

  /// The gradient of a batch with dropped labels: to the bit that of the labels that are told, and their loss's slope.
  @Test func gradientWithDroppedLabels() throws {
    let flow = try classFlow()
    let unet = try #require(flow.network as? UNet)
    let engine = LossEngine(network: unet, pool: WorkerPool(threadCount: 2), maximumBatchSize: 21)
    let parameters = Arena(count: unet.plan.parameters.count)
    copy(flow.weights[flow.weights.all], into: parameters.mutable(parameters.all))
    func batch(_ labels: [Int], dropout: Double) -> Batch {
      Batch(
        source: LabelledExamples(labels: labels), rows: ArraySlice((0..<21).map { UInt32($0) }), seed: 1,
        draws: .training(step: 4), times: .stratified, labelDropout: dropout)
    }
    // No example of class 1.
    let dropping = batch((0..<21).map { $0 % 2 * 2 }, dropout: 0.4)
    let told = (0..<21).compactMap { dropping.label($0, unconditionalClass: 3) }
    #expect(Set(told) == [0, 2, 3])
    engine.parametersChanged(parameters)
    let (toldLoss, _) = engine.lossAndGradient(batch(told, dropout: 0), parameters: parameters)
    let expected = Weights(copying: engine.gradient)
    #expect(engine.lossAndGradient(dropping, parameters: parameters).loss == toldLoss)
    #expect(Weights(reading: engine.gradient).values == expected.values)
    #expect(
      engine.lossAndGradient(batch((0..<21).map { $0 % 2 * 2 }, dropout: 0), parameters: parameters).loss
        != toldLoss)

    let embedding = try #require(unet.parameters.first { $0.name == "class_embedding.weight" })
    let rows = embedding.exported(from: expected)
    let width = rows.count / 4
    let lengths = (0..<4).map { row in
      rows[row * width..<(row + 1) * width].reduce(0.0) { $0 + Double($1 * $1) }.squareRoot()
    }
    #expect(lengths[1] == 0 && [0, 2, 3].allSatisfy { lengths[$0] > 1e-4 })
    // Along the gradient of the embedding the loss rises by its length.
    let (h, length) = (0.02, lengths.reduce(0) { $0 + $1 * $1 }.squareRoot())
    func loss(at distance: Double) -> Double {
      let moved = Arena(count: parameters.count)
      copy(parameters[parameters.all], into: moved.mutable(moved.all))
      let before = embedding.exported(from: Weights(reading: parameters))
      embedding.load(zip(before, rows).map { $0 + Float(distance / length) * $1 }, into: moved)
      engine.parametersChanged(moved)
      return engine.loss(dropping, parameters: moved)
    }
    let slope = (loss(at: h) - loss(at: -h)) / (2 * h)
    #expect(abs(slope - length) < 0.02 * length, "\(slope), \(length)")
  }

  // MARK: Runs

  /// Images of one grey each, dark ones of class 0 and light ones of class 2.
  private static func greys(
    _ count: Int, _ split: ImageDataset.Split, labels: [UInt8]? = nil,
    names: [String]? = ["dark\nones", "grey", "light"]
  ) -> ImageDataset {
    let bytes = (0..<count).flatMap { Array(repeating: UInt8($0 % 2 * 175 + 40), count: 64) }
    return ImageDataset(
      name: "greys", split: split, pixels: bytes, height: 8, width: 8, channels: 1,
      labels: labels ?? (0..<count).map { UInt8($0 % 2 * 2) }, classNames: names)
  }

  private static func options(_ change: (inout TrainingOptions) -> Void = { _ in }) -> TrainingOptions {
    var options = TrainingOptions(preset: .tiny, length: .steps(60), batchSize: 16, threads: 2)
    options.learningRate = 3e-3
    options.classConditional = true
    change(&options)
    return options
  }

  @Test func aFlowDrawsTheClassAskedFor() throws {
    try withTemporaryDirectory { directory in
      let (train, test) = (Self.greys(64, .train), Self.greys(20, .test))
      let trainer = try Trainer(
        output: directory, train: train, test: test, options: Self.options { $0.labelDropout = 0.3 })
      try trainer.train { _ in }
      let flow = try TrainedFlow(directory)
      #expect(
        flow.classCount == 3 && flow.classNames == ["dark\nones", "", "light"]
          && flow.presentClasses == [0, 2])
      let model = try TrainedFlow(directory + "/model")
      let labels = (0..<12).map { $0 % 2 * 2 }
      for guidance in [1.0, 2] {
        let samples = try [flow, model].map {
          try $0.guided(by: guidance).sample(0..<12, seed: 2, solver: .fixed(.heun, steps: 8), labels: labels)
        }
        #expect(samples[0].values == samples[1].values)
        for (index, label) in labels.enumerated() {
          let mean = samples[0][index].reduce(0, +) / 64
          #expect(label == 0 ? mean < -0.3 : mean > 0.3, "\(mean) for class \(label)")
        }
      }
      // The held-out loss is of the labels, all of them.
      let engine = LossEngine(network: trainer.unet, pool: WorkerPool(threadCount: 2), maximumBatchSize: 20)
      let weights = Arena(count: flow.weights.all.count)
      copy(flow.weights[flow.weights.all], into: weights.mutable(weights.all))
      engine.parametersChanged(weights)
      let heldOut = Batch(
        source: ImageExamples(test, dequantize: false), rows: ArraySlice((0..<20).map { UInt32($0) }),
        seed: 0,
        draws: .heldOut, times: .stratified)
      #expect(
        try StepMetrics.lastHeldOut(of: trainer.run)?.heldOutLoss == engine.loss(heldOut, parameters: weights)
      )
    }
  }

  @Test func labelsThatCannotBeLearntAreRefused() throws {
    try withTemporaryDirectory { directory in
      let test = Self.greys(20, .test)
      func refuses(_ part: String, _ train: ImageDataset, _ test: ImageDataset, _ options: TrainingOptions) {
        let error = #expect(throws: ConfigurationError.self) {
          try Trainer(output: directory + "/run", train: train, test: test, options: options)
        }
        #expect(error?.description.contains(part) == true, "\(error?.description ?? "")")
        #expect(!FileManager.default.fileExists(atPath: directory + "/run"))
      }
      func unlabelled(_ data: ImageDataset) -> ImageDataset {
        ImageDataset(
          name: data.name, split: data.split, pixels: data.pixels, height: 8, width: 8, channels: 1,
          labels: nil)
      }
      let train = Self.greys(64, .train)
      refuses("no labels for its training images", unlabelled(train), test, Self.options())
      refuses("no labels for its test images", train, unlabelled(test), Self.options())
      let one = Self.greys(64, .train, labels: Array(repeating: 4, count: 64), names: nil)
      refuses("all training images of 'greys' have label 4", one, test, Self.options())
      for stranger in [1, 3, 255] as [UInt8] {
        let test = Self.greys(2, .test, labels: [0, stranger])
        refuses("has label \(stranger), which no training image has", train, test, Self.options())
      }
      refuses(
        "goes with --class-conditional", train, test,
        Self.options { ($0.classConditional, $0.labelDropout) = (false, 0.1) })
      for dropout in [-0.1, 1, .nan] {
        refuses("label_dropout", train, test, Self.options { $0.labelDropout = dropout })
      }
      let initial = try randomFlow(UNetConfiguration(.tiny, height: 8, width: 8, channels: 1))
      let error = #expect(throws: ConfigurationError.self) {
        try RunRecord(Self.options(), train: train, test: test, initial: initial)
      }
      #expect(
        error?.description.contains("class_count is null, not 4") == true, "\(error?.description ?? "")")
      // Names that are no names.
      let record = try RunRecord(
        Self.options(), train: Self.greys(64, .train, names: ["", "x", "new\nline"]), test: test)
      #expect(record.dataset.classes == ["0", "", "new\nline"] && record.settings.labelDropout == 0.1)
      #expect(record.network.classCount == 4 && record.network.unconditionalClass == 3)
    }
  }

  /// A run without classes is recorded as it was before there were any, whatever labels its data have.
  @Test func anUnconditionalRunSaysNothingOfClasses() throws {
    let record = try RunRecord(
      Self.options { $0.classConditional = false }, train: Self.greys(64, .train), test: Self.greys(20, .test)
    )
    func keys(_ value: some Encodable) throws -> Set<String> {
      let object = try JSONSerialization.jsonObject(with: JSONEncoder().encode(value)) as? [String: Any]
      return Set(try #require(object).keys)
    }
    #expect(
      try keys(record.dataset) == [
        "name", "trainCount", "testCount", "height", "width", "channels", "trainChecksum", "testChecksum",
      ])
    #expect(
      try keys(record.settings) == [
        "steps", "batchSize", "seed", "dequantize", "times", "learningRate", "betas", "eps", "weightDecay",
        "gradientClip", "warmupSteps", "schedule", "averageDecay", "precision",
        "optimizer",
      ])
    #expect(try keys(record.network).isDisjoint(with: ["classCount", "unconditionalClass"]))
  }

  /// What a directory says of classes is looked at before it is used.
  @Test func damagedNotesOfAModelAreNamed() throws {
    try withTemporaryDirectory { directory in
      try classFlow().write(to: directory)
      let path = URL(fileURLWithPath: directory + "/config.json")
      let sound = try String(contentsOf: path, encoding: .utf8)
      #expect(
        try TrainedFlow(directory).classCount == 3 && TrainedFlow(directory).presentClasses == [0, 1, 2])
      for (notes, part) in [
        (#""unconditional_class": "x""#, "unconditional_class is 'x'"),
        (#""unconditional_class": "7""#, "the last of num_class_embeds"),
        (#""unconditional_class": "3", "classes": "[\"a\", \"b\"]""#, "no list of 3 names"),
        (#""unconditional_class": "3", "classes": "a""#, "no list of 3 names"),
        (#""unconditional_class": "3", "classes": "[\"\", \"\", \"\"]""#, "no list of 3 names"),
      ] {
        let damaged = sound.replacing(/"unconditional_class" *: *"3"/, with: notes)
        #expect(damaged != sound)
        try damaged.write(to: path, atomically: false, encoding: .utf8)
        let error = expect(.malformed) { try TrainedFlow(directory) }
        #expect(error?.problem.contains(part) == true, "\(error?.description ?? "")")
      }
    }
  }
}

/// Uniform numbers, each row's the same in all batches, with labels.
private struct LabelledExamples: ExampleSource {
  let labels: [Int]
  var dimension: Int { 64 }
  var count: Int? { labels.count }

  func draw(
    _ row: Int, _ random: ExampleRandom, noise: consuming MutableSpan<Float>,
    data: consuming MutableSpan<Float>
  ) {
    Philox(seed: 1, purpose: .trainingNoise, index: UInt32(row)).fillNormals(noise)
    for i in 0..<data.count { data[i] = Float((i * (row + 3)) % 17) / 8 - 1 }
  }

  func label(_ row: Int, _ random: ExampleRandom) -> Int? { labels[row] }
}

extension Weights {
  fileprivate var values: [Float] {
    let values = self[all]
    return values.indices.map { values[$0] }
  }
}
