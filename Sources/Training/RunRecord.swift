import Files
import Flow
import Foundation
import Imagery
import Kernels
import Network
import Statistics

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

    public init(train: ImageDataset, test: ImageDataset) {
      let known = ImageDataset.downloadable + [SyntheticStrokes.name]
      name = known.contains(train.name) ? train.name : "own data"
      trainCount = train.count
      testCount = test.count
      height = train.height
      width = train.width
      channels = train.channels
      trainChecksum = train.pixelsChecksum
      testChecksum = test.pixelsChecksum
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

  /// Losses on the training images, per pixel: the scale on which a run's loss is to be read.
  public struct LossScale: Codable, Equatable, Sendable {
    public var zeroField: Double
    public var meanField: Double
    /// Of the best affine field; nil where the images are too large for their covariance.
    public var affineField: Double?

    /// From the training images; the affine field's from at most 10,000 of at most 1024 numbers, which takes a
    /// second or two.
    ///
    /// - Parameter dequantize: whether they are dithered, as ``TrainingSettings/dequantize``.
    public init(_ dataset: ImageDataset, dequantize: Bool = false) {
      let examples = ImageExamples(dataset, dequantize: dequantize)
      let dimension = dataset.imageSize
      var moments = Moments(dimension: dimension)
      var covariance = dimension <= 1024 ? Covariance(dimension: dimension) : nil
      var image = [Float](repeating: 0, count: dimension)
      for index in 0..<dataset.count {
        examples.read(index, ExampleRandom(seed: 0, draws: .heldOut, index: index), into: image.mutableSpan)
        moments.add(image.span)
        if index < 10_000 { covariance?.add(image.span) }
      }
      zeroField = moments.zeroFieldLoss
      meanField = moments.meanFieldLoss
      affineField = covariance?.affineFieldLoss()
    }

    /// From pairs, of which noise tells something about data: of u = z₁ − z₀ itself. What the best affine field
    /// reaches is not known in closed form.
    package init(_ pairs: ReflowPairs) {
      let dimension = pairs.dimension
      var moments = Moments(dimension: dimension)
      var noise = Array(repeating: Float(0), count: dimension)
      var data = noise
      for row in 0..<pairs.count {
        pairs.draw(
          row, ExampleRandom(seed: 0, draws: .heldOut, index: row), noise: noise.mutableSpan,
          data: data.mutableSpan)
        let velocity = zip(data, noise).map { $0 - $1 }
        moments.add(velocity.span)
      }
      // The moments' losses are of data with noise of their own, which adds 1.
      zeroField = moments.zeroFieldLoss - 1
      meanField = moments.meanFieldLoss - 1
      affineField = nil
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

  public init(
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

  public var stepsPerEpoch: Int { max(1, dataset.trainCount / settings.batchSize) }

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
