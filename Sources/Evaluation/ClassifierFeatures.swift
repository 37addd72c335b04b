import Files
import Foundation
import Imagery
import Kernels
import Network
import Statistics
import Training

/// The space in which sets of images are compared: the features of a classifier that is trained on a data set's labels,
/// always from the same seed, so that everyone on the same build and kind of CPU has the same numbers.
public struct ClassifierFeatures: Sendable {
  /// CRC-32 of the weights.
  public let checksum: UInt32
  public let classCount: Int
  private let network: ImageClassifier
  private let parameters: Weights

  // Found by trying: right about 99.56 % of MNIST's test images, and 91.20 % of Fashion-MNIST's.
  private static let epochs = 5
  private static let batchSize = 64
  private static let learningRate = 2e-3
  /// Between two looks at whether the work is to end.
  private static let microBatchesAtATime = 32
  /// To be counted up with whatever changes a classifier.
  private static let format = "inkflow-classifier-2"

  /// What images are turned into.
  public struct Classified: Sendable {
    /// [count, features]
    public var features: FeatureSet
    /// [count] The most probable class of each.
    public var classes: [Int]

    /// The images of these numbers.
    public func images(_ numbers: [Int]) -> Classified {
      Classified(features: features.points(numbers), classes: numbers.map { classes[$0] })
    }

    /// The share that is taken for what it is, or was to be: the accuracy, of test images.
    public func agreement(with labels: [Int]) -> Double {
      Double(zip(labels, classes).count { $0 == $1 }) / Double(classes.count)
    }
  }

  /// The name of each class, by its label.
  ///
  /// - Throws: `ConfigurationError` where the data can't have a classifier.
  @discardableResult public static func classes(
    _ train: ImageDataset, _ test: ImageDataset
  ) throws(ConfigurationError) -> [String] {
    let classes = try train.classes(beside: test, for: "evaluate's classifier")
    guard train.height % ImageClassifier.sideMultiple == 0, train.width % ImageClassifier.sideMultiple == 0
    else {
      throw ConfigurationError(
        "'\(train.name)' has images of \(train.height)×\(train.width); the classifier, in whose features images are "
          + "compared, takes sides that are multiples of \(ImageClassifier.sideMultiple); resize the images")
    }
    return classes
  }

  /// Trains a classifier, or reads the one that was trained before.
  ///
  /// - Parameters:
  ///   - test: whose labels must be among the training images'.
  ///   - directory: where it is kept.
  ///   - progress: is told which share of the training is done. What it throws ends it.
  ///   - note: is told why a classifier could not be read or kept.
  /// - Throws: `ConfigurationError` where the data can't have a classifier.
  public init(
    train: ImageDataset, test: ImageDataset, keptIn directory: String, on pool: WorkerPool,
    progress: (Double) throws -> Void = { _ in }, note: (String) -> Void = { _ in }
  ) throws {
    let classes = try Self.classes(train, test)
    let network = ImageClassifier(
      shape: ImageShape(height: train.height, width: train.width, channels: train.channels),
      classCount: classes.count)
    (self.network, classCount) = (network, classes.count)
    let key = [
      "format": Self.format, "build": RunRecord.currentBuild, "pixels": hexadecimal(train.pixelsChecksum),
      "labels": hexadecimal(train.labelsChecksum ?? 0),
    ]
    // With a dot before its name: every other file in a data set's directory is taken for images or labels.
    let path = directory.appendingPath(".inkflow-classifier-\(hexadecimal(train.pixelsChecksum)).safetensors")
    if let kept = Self.read(path, network, key, note: note) {
      parameters = kept
      checksum = crc32(kept[kept.all].bytes)
      return
    }
    let parameters = try Self.train(network, train, on: pool, progress: progress)
    self.parameters = parameters
    checksum = crc32(parameters[parameters.all].bytes)
    do throws(FileError) {
      try createDirectory(directory)
      DurableFile.removeLeftovers(in: directory)
      try SafetensorsFile.write(network.tensors(of: parameters), metadata: key, to: path)
    } catch {
      note("the classifier could not be kept, so the next evaluation trains it again: \(error)")
    }
  }

  private static func read(
    _ path: String, _ network: ImageClassifier, _ key: [String: String], note: (String) -> Void
  ) -> Weights? {
    guard FileManager.default.fileExists(atPath: path) else { return nil }
    do throws(FileError) {
      let file = try SafetensorsFile(contentsOf: path)
      guard file.checksum != nil, key.allSatisfy({ file.metadata[$0.key] == $0.value }) else {
        note("'\(path)' is of other data or another build: the classifier is trained again")
        return nil
      }
      return Weights(reading: try network.load(file))
    } catch {
      note("the classifier is trained again: \(error)")
      return nil
    }
  }

  private static func train(
    _ network: ImageClassifier, _ data: ImageDataset, on pool: WorkerPool, progress: (Double) throws -> Void
  ) throws -> Weights {
    let batchSize = min(batchSize, data.count)
    // Of small sets as many steps as of 6,000 images.
    let steps = max(epochs * data.count / batchSize, epochs * 6_000 / Self.batchSize)
    // No better recipe may change what pictures are measured by.
    var settings = TrainingSettings(recipe: .quick1, steps: steps)
    settings.batchSize = batchSize
    settings.learningRate = learningRate
    settings.averageDecay = 0.998
    let state = TrainingState(
      from: Weights(reading: network.initialParameters(seed: 0)), settings: settings)
    let loop = TrainingLoop(
      ClassifierEngine(network, pool: pool, maximumBatchSize: batchSize),
      examples: ClassifierExamples(data, labels: data.labels ?? []), state: state,
      settings: settings, pool: pool)
    for step in 1...steps {
      _ = try loop.step()
      try progress(Double(step) / Double(steps))
    }
    return Weights(copying: state.bestParameters)
  }

  /// - Parameters:
  ///   - pixels: [count, height, width, channels], as in the data.
  ///   - check: is called often; what it throws ends the work.
  public func classify(
    _ pixels: [UInt8], on pool: WorkerPool, check: () throws -> Void = {}
  ) rethrows -> Classified {
    try Self.classify(network, parameters, pixels, on: pool, check: check)
  }

  private static func classify(
    _ network: ImageClassifier, _ parameters: Weights, _ pixels: [UInt8], on pool: WorkerPool,
    check: () throws -> Void
  ) rethrows -> Classified {
    let (count, size) = (pixels.count / network.dimension, network.microBatchSize)
    precondition(pixels.count == count * network.dimension, "not a whole number of images")
    let forward = Arena(count: network.plan.forwardWeights.count)
    network.plan.prepare(parameters, forward: forward, backward: nil, pool: pool)
    let workspaces = (0..<pool.threadCount).map { _ in Workspace(network.plan, forTraining: false) }
    let (width, classCount) = (network.features.shape.channels, network.output.shape.channels)
    let (features, logits) = (Arena(count: count * width), Arena(count: count * classCount))
    for first in stride(from: 0, to: count, by: size * Self.microBatchesAtATime) {
      try check()
      let end = min(first + size * Self.microBatchesAtATime, count)
      pool.run((end - first + size - 1) / size) { microBatch, worker in
        let rows = first + microBatch * size..<min(first + (microBatch + 1) * size, end)
        let activations = workspaces[worker].activations
        for (i, row) in rows.enumerated() {
          var input = activations.mutable(network.input[i])
          Pixels.normalize(
            pixels.span.extracting(row * network.dimension..<(row + 1) * network.dimension), into: &input)
        }
        network.forward(
          ForwardPass(
            count: rows.count, parameters: parameters, prepared: Weights(reading: forward),
            workspace: workspaces[worker]))
        copy(
          activations[network.features[0..<rows.count]],
          into: features.mutable(features.all.parts(rows, length: width)))
        copy(
          activations[network.output[0..<rows.count]],
          into: logits.mutable(logits.all.parts(rows, length: classCount)))
      }
    }
    let classes = (0..<count).map { row in
      let z = logits[logits.all.part(row, length: classCount)]
      return z.indices.max { z[$0] < z[$1] } ?? 0
    }
    let values = features[features.all]
    return Classified(
      features: FeatureSet(values.indices.map { Double(values[$0]) }, dimension: width), classes: classes)
  }
}
