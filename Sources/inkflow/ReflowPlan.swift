import Files
import Foundation
import Training

/// `reflow.json`: what the rounds of a reflow have in common, with every setting resolved.
struct ReflowPlan: Codable {
  /// Numbers of samples are 32 bits: round k's noise is that of samples k·10⁸ and on, so that no two rounds share any,
  /// and `sample`, which begins at 0, and the report draw from noise that no flow was trained on.
  static let largestCount = 100_000_000
  static let largestRound = 40

  /// The flow of the beginning.
  var model: RunRecord.InitialWeights
  var pairs: Int
  var rtol: Double
  var atol: Double
  var seed: UInt64
  var rounds: Int
  /// Images of each flow that the report is made of.
  var samples: Int
  var batchSize: Int
  var learningRate: Double
  /// Of each round that is yet to begin; `minutes`, where given, go before them.
  var steps: Int
  var minutes: Double?

  static func path(in directory: String) -> String {
    (directory as NSString).appendingPathComponent("reflow.json")
  }

  var trainingPairs: Int { pairs - max(1, pairs / 20) }

  func origin(round: Int, model: UInt32) -> ReflowPairs.Origin {
    .init(
      model: model, seed: seed, first: round * Self.largestCount,
      solver: "rk45, rtol \(rtol), atol \(atol), control sample")
  }

  func write(to path: String) throws {
    try writeDurably(path, Array(try jsonText(self).utf8) + [10])
  }
}

extension ReflowPlan {
  /// - Throws: `FileError` if the file can't be read, or is no such record.
  init(path: String) throws(FileError) {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let bytes = try readFile(path)
    do {
      self = try decoder.decode(ReflowPlan.self, from: Data(bytes))
    } catch {
      throw FileError(
        .malformed, path, "is no record of a reflow", remedy: "restore it, or begin another by --output")
    }
  }
}
