import Evaluation
import Foundation
import Imagery
import Kernels
import Network
import Testing
import Training

@Suite struct ClassifierTests {
  private func setUp(
    channels: Int, threads: Int = 2
  ) -> (ImageClassifier, Arena, ClassifierEngine, Batch) {
    let data = bars(19, channels: channels, seed: 1, split: .train)
    let network = ImageClassifier(
      shape: ImageShape(height: data.height, width: data.width, channels: channels), classCount: 3)
    let engine = ClassifierEngine(
      network, pool: WorkerPool(threadCount: threads), maximumBatchSize: data.count)
    // More than one micro-batch, the last of them not full.
    #expect(network.microBatchSize < data.count)
    let batch = Batch(
      source: ClassifierExamples(data, labels: data.labels ?? []),
      rows: (0..<UInt32(data.count)).reversed()[...], seed: 3, draws: .heldOut, times: .independent)
    return (network, network.initialParameters(seed: 2), engine, batch)
  }

  /// Along each parameter's own gradient, the loss must rise as the gradient is long.
  @Test(arguments: [1, 3]) func gradientByFiniteDifferences(channels: Int) {
    let (network, parameters, engine, batch) = setUp(channels: channels)
    func loss() -> Double {
      engine.parametersChanged(parameters)
      return engine.lossAndGradient(batch, parameters: parameters).loss
    }
    _ = loss()
    let gradient = Weights(copying: engine.gradient)
    for parameter in network.parameters {
      let g = gradient[parameter.slice]
      let length = g.indices.reduce(0) { $0 + Double(g[$1]) * Double(g[$1]) }.squareRoot()
      #expect(length > 1e-4, "\(parameter.name) has no gradient")
      func lossMoved(by distance: Double) -> Double {
        func move(_ distance: Double) {
          var values = parameters.mutable(parameter.slice)
          for i in values.indices { values[i] += Float(distance * Double(g[i]) / length) }
        }
        move(distance)
        defer { move(-distance) }
        return loss()
      }
      // The error of the central difference is of h², which Richardson's extrapolation takes away.
      func slope(_ h: Double) -> Double { (lossMoved(by: h) - lossMoved(by: -h)) / (2 * h) }
      let difference = (4 * slope(0.02) - slope(0.04)) / 3
      #expect(abs(difference - length) < 0.005 * length + 2e-5, "\(parameter.name): \(difference), \(length)")
    }
  }

  /// Without weights in the head, the logits are its bias b: the loss is log Σ exp(b_j) − b_label in the mean, and its
  /// gradient the softmax less each label's share.
  @Test func crossEntropyInClosedForm() throws {
    let (network, parameters, engine, batch) = setUp(channels: 1)
    let bias: [Float] = [0.5, -1, 2]
    let head = try #require(network.parameters.first { $0.name == "head.bias" })
    for parameter in network.parameters where parameter.name.hasPrefix("head") {
      var values = parameters.mutable(parameter.slice)
      for i in values.indices { values[i] = parameter.name == head.name ? bias[i] : 0 }
    }
    engine.parametersChanged(parameters)
    let loss = engine.lossAndGradient(batch, parameters: parameters).loss
    let sum = bias.reduce(0) { $0 + exp(Double($1)) }
    let shares = [7.0 / 19, 6.0 / 19, 6.0 / 19]
    #expect(abs(loss - log(sum) + zip(shares, bias).reduce(0) { $0 + $1.0 * Double($1.1) }) < 1e-6)
    let gradient = engine.gradient[head.slice]
    for i in bias.indices {
      #expect(abs(Double(gradient[i]) - exp(Double(bias[i])) / sum + shares[i]) < 1e-6)
    }
  }

  /// The same bits by any number of threads; trained once, kept, and trained again where what was kept is damaged, or
  /// of other labels.
  @Test func bitsAndKeeping() throws {
    try withTemporaryDirectory { directory in
      let (train, test) = (bars(90, seed: 4, split: .train), bars(40, seed: 5, split: .test))
      func classifier(
        _ train: ImageDataset, _ threads: Int, _ place: String = directory
      ) throws -> (ClassifierFeatures, steps: Int, notes: [String]) {
        var (steps, notes) = (0, [String]())
        let features = try ClassifierFeatures(
          train: train, test: test, keptIn: place, on: WorkerPool(threadCount: threads),
          progress: { _ in steps += 1 }, note: { notes.append($0) })
        return (features, steps, notes)
      }
      let (first, steps, notes) = try classifier(train, 1)
      #expect(steps > 0 && notes.isEmpty)
      let kept = try classifier(train, 2)
      #expect(kept.steps == 0 && kept.notes.isEmpty)
      let pool = WorkerPool(threadCount: 3)
      let classified = try first.classify(test.pixels, on: pool)
      #expect(classified.classes == test.labels?.map(Int.init))
      #expect(classified.agreement(with: [Int](repeating: 1, count: 40)) == 13.0 / 40)
      #expect(try kept.0.classify(test.pixels, on: pool).features.values == classified.features.values)

      let file = try #require(
        FileManager.default.contentsOfDirectory(atPath: directory).first { $0.hasSuffix(".safetensors") })
      var bytes = try Data(contentsOf: URL(fileURLWithPath: directory + "/" + file))
      bytes[bytes.count / 2] ^= 1
      try bytes.write(to: URL(fileURLWithPath: directory + "/" + file))
      let again = try classifier(train, 3)
      #expect(again.steps == steps && again.notes.count == 1 && again.notes[0].contains("trained again"))
      #expect(again.0.checksum == first.checksum)

      let relabelled = ImageDataset(
        name: "bars", split: .train, pixels: train.pixels, height: 12, width: 8, channels: 1,
        labels: train.labels?.map { 2 - $0 })
      let other = try classifier(relabelled, 2)
      #expect(other.notes.count == 1 && other.notes[0].contains("of other data"))
      #expect(other.0.checksum != first.checksum)

      // Nothing can be kept within a file.
      let nowhere = try classifier(train, 2, directory + "/" + file + "/deeper")
      #expect(nowhere.notes.count == 1 && nowhere.notes[0].contains("could not be kept"))
      #expect(nowhere.0.checksum == first.checksum)
    }
  }

  @Test func interruptionEndsTraining() {
    struct Ended: Error {}
    let data = bars(30, seed: 6, split: .train)
    #expect(throws: Ended.self) {
      try ClassifierFeatures(
        train: data, test: data, keptIn: "/nowhere", on: WorkerPool(threadCount: 1),
        progress: { if $0 > 0.01 { throw Ended() } })
    }
  }

  @Test func dataWithoutClassesAreRefused() {
    func refusal(_ data: ImageDataset) -> String {
      let error = #expect(throws: ConfigurationError.self) {
        try ClassifierFeatures(
          train: data, test: data, keptIn: "/nowhere", on: WorkerPool(threadCount: 1))
      }
      return "\(error.map { "\($0)" } ?? "")"
    }
    func data(_ labels: [UInt8]?, side: Int = 8) -> ImageDataset {
      ImageDataset(
        name: "some", split: .train, pixels: Array(repeating: 0, count: 2 * side * side), height: side,
        width: side, channels: 1, labels: labels)
    }
    #expect(refusal(data(nil)).contains("has no labels"))
    #expect(refusal(data([3, 3])).contains("have label 3"))
    #expect(refusal(data([0, 1], side: 10)).contains("multiples of 4"))
  }
}
