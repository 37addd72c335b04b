import Files
import Foundation
import Imagery
import Kernels
import Network

/// `run.json`: what a run is made of, with every setting resolved.
public struct RunRecord: Codable, Equatable, Sendable {
  /// The program that began the run.
  public var version: String
  /// The instruction set it was built for, on which the bits depend.
  public var build: String
  public var recipe: Recipe
  public var preset: UNetConfiguration.Preset?
  public var dataset: DatasetRecord
  public var network: UNetConfiguration
  public var settings: TrainingSettings
  /// Where the weights came from, if not from chance.
  public var initialWeights: InitialWeights?
  public var execution: Execution
  /// What fields that know nothing reach on this data.
  public var lossScale: LossScale

  public struct DatasetRecord: Codable, Equatable, Sendable {
    /// Of a set that comes with Inkflow; "own data" for others, whose directory's name is no part of a run.
    public var name: String
    public var trainCount: Int
    public var testCount: Int
    public var height: Int
    public var width: Int
    public var channels: Int
    /// CRC-32 of the pixels.
    public var trainChecksum: UInt32
    public var testChecksum: UInt32
    /// The name of each class, by its label, of a conditional run; empty for one that no training image has.
    public var classes: [String]?
    /// CRC-32 of the labels, of a conditional run.
    public var trainLabelsChecksum: UInt32?
    public var testLabelsChecksum: UInt32?

    /// - Parameter isConditional: whether the labels are learnt too.
    /// - Throws: `ConfigurationError` where they are to be, and can't.
    public init(
      train: ImageDataset, test: ImageDataset, isConditional: Bool
    ) throws(ConfigurationError) {
      self.init(train: train, test: test)
      guard isConditional else { return }
      classes = try train.classes(beside: test, for: "--class-conditional")
      (trainLabelsChecksum, testLabelsChecksum) = (train.labelsChecksum, test.labelsChecksum)
    }

    /// Of images whose labels aren't learnt.
    public init(train: ImageDataset, test: ImageDataset) {
      name = ImageDataset.names.contains(train.name) ? train.name : "own data"
      trainCount = train.count
      testCount = test.count
      height = train.height
      width = train.width
      channels = train.channels
      trainChecksum = train.pixelsChecksum
      testChecksum = test.pixelsChecksum
    }

    var text: String {
      "'\(name)', \(height)×\(width)×\(channels), \(trainCount) + \(testCount) images with CRC-32 \(trainChecksum) "
        + "and \(testChecksum)"
        + (trainLabelsChecksum.map { ", labels with \($0) and \(testLabelsChecksum ?? 0)" } ?? "")
    }
  }

  public struct InitialWeights: Codable, Equatable, Sendable {
    public var path: String
    /// CRC-32 of the weights.
    public var checksum: UInt32

    public init(path: String, checksum: UInt32) {
      self.path = path
      self.checksum = checksum
    }
  }

  /// What may change from one part of a run to the next, as no bit depends on it.
  public struct Execution: Codable, Equatable, Sendable {
    public var threads: Int
    public var checkpointEvery: Int
    public var keep: Int

    public init(threads: Int, checkpointEvery: Int, keep: Int) {
      self.threads = threads
      self.checkpointEvery = checkpointEvery
      self.keep = keep
    }

    /// - Throws: `ConfigurationError` naming what can't be.
    public func validate() throws(ConfigurationError) {
      for (name, value) in [("threads", threads), ("checkpoint_every", checkpointEvery), ("keep", keep)] {
        guard (1...1_000_000_000).contains(value) else {
          throw ConfigurationError("\(name) must be from 1 to 10⁹, not \(value)")
        }
      }
    }
  }

  public static let currentVersion = "0.1.0"
  /// Of the program that runs now.
  public static var currentBuild: String { buildFlavour }

  /// Reads a `run.json`.
  public init(path: String) throws(FileError) {
    let bytes = try readFile(path)
    do {
      self = try Self.decoder().decode(RunRecord.self, from: Data(bytes))
      try settings.validate()
      try execution.validate()
    } catch let error as ConfigurationError {
      throw FileError(.malformed, path, "has settings that can't be: \(error)", remedy: "restore the file")
    } catch {
      throw FileError(
        .malformed, path, "is no record of a run: \(decodingProblem(error))",
        remedy: "restore the file, or name another run's")
    }
  }

  package init(
    recipe: Recipe, preset: UNetConfiguration.Preset?, dataset: DatasetRecord, network: UNetConfiguration,
    settings: TrainingSettings, initialWeights: InitialWeights?, execution: Execution, lossScale: LossScale
  ) {
    version = Self.currentVersion
    build = Self.currentBuild
    self.recipe = recipe
    self.preset = preset
    self.dataset = dataset
    self.network = network
    self.settings = settings
    self.initialWeights = initialWeights
    self.execution = execution
    self.lossScale = lossScale
  }

  /// The network, planned for the run's precision.
  ///
  /// - Throws: `ConfigurationError` if there can be none, or the CPU lacks the precision's instruction.
  func makeNetwork() throws(ConfigurationError) -> UNet {
    try UNet(network, precision: settings.precision ?? .float32)
  }

  public var stepsPerEpoch: Int { max(1, dataset.trainCount / settings.batchSize) }

  /// Gives a run that has taken no step its recipe's warm-up for its length, and no other lengths before.
  mutating func setFreshLength() {
    settings.earlierLengths = nil
    settings.warmupSteps = TrainingSettings(recipe: recipe, steps: settings.steps).warmupSteps
  }

  /// What differs between two values, by their keys in run.json: "batch_size is 64, not 128".
  static func differences<Value: Encodable>(_ ours: Value, from theirs: Value) -> [String] {
    func values(_ value: Value) -> [String: String] {
      let data = try? encoder(pretty: false).encode(value)
      let object = try? JSONSerialization.jsonObject(with: data ?? Data()) as? [String: Any]
      return (object ?? [:]).mapValues { value in
        let text = try? JSONSerialization.data(
          withJSONObject: value, options: [.fragmentsAllowed, .sortedKeys])
        return String(decoding: text ?? Data(), as: UTF8.self)
      }
    }
    let (ours, theirs) = (values(ours), values(theirs))
    return Set(ours.keys).union(theirs.keys).sorted().filter { ours[$0] != theirs[$0] }.map {
      "\($0) is \(ours[$0] ?? "null"), not \(theirs[$0] ?? "null")"
    }
  }

  static func encoder(pretty: Bool) -> JSONEncoder {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting =
      pretty
      ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted] : [.sortedKeys, .withoutEscapingSlashes]
    return encoder
  }

  static func decoder() -> JSONDecoder {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return decoder
  }
}

/// The key and the problem of a decoding error, in one line.
private func decodingProblem(_ error: any Error) -> String {
  switch error as? DecodingError {
  case .keyNotFound(let key, _): "'\(key.stringValue)' is missing"
  case .typeMismatch(_, let context), .valueNotFound(_, let context):
    "'\(context.codingPath.map(\.stringValue).joined(separator: "."))' has the wrong type"
  case .dataCorrupted(let context):
    context.codingPath.isEmpty
      ? "it is not JSON"
      : "'\(context.codingPath.map(\.stringValue).joined(separator: "."))' has an unknown value"
  default: "\(error)"
  }
}
