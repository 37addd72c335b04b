import Files
import Flow
import Foundation
import Sampling
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
  /// Of `eab3` on the `logit` grid, which makes the pairs; nil where RK45 does, as in plans from before it could be chosen.
  var pairSteps: Int?
  /// Of RK45, which measures the flows in any case.
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
  /// Of a conditional flow: the classes that the pairs go through, and how far the first flow is guided to them.
  var classes: [Int]?
  var guidance: Double?

  static func path(in directory: String) -> String {
    directory.appendingPath("reflow.json")
  }

  var trainingPairs: Int { pairs - max(1, pairs / 20) }

  /// What takes noise to the pairs' images.
  var solver: Solver {
    pairSteps.map { .multistep(.exponentialAdamsBashforth3, steps: $0, grid: .logit) }
      ?? .adaptive(rtol: rtol, atol: atol)
  }

  func origin(round: Int, model: UInt32) -> ReflowPairs.Origin {
    .init(
      model: model, seed: seed, first: round * Self.largestCount,
      solver: pairSteps == nil ? "rk45, rtol \(rtol), atol \(atol), control sample" : "\(solver)",
      classes: classes, guidance: guidance(round: round))
  }

  /// Of the flow that a round's pairs come from: those after the first have learnt what guidance made of it.
  func guidance(round: Int) -> Double { round == 1 ? guidance ?? 1 : 1 }

  func write(to path: String) throws {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try writeDurably(path, [UInt8](encoder.encode(self)) + [10])
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
    if let problem {
      throw FileError(
        .malformed, path, "has settings that can't be: \(problem)",
        remedy: "restore it, or begin another by --output")
    }
  }

  /// What the command line would have refused, if there is such a number.
  private var problem: String? {
    let wholeNumbers = [
      ("rounds", rounds, 1...Self.largestRound), ("pairs", pairs, 2...Self.largestCount),
      ("samples", samples, 64...1_000_000), ("steps", steps, 1...1_000_000_000),
      ("pair_steps", pairSteps ?? 1, 1...1_000_000),
    ]
    for (name, value, range) in wholeNumbers where !range.contains(value) {
      return "\(name) must be from \(range.lowerBound) to \(range.upperBound), not \(value)"
    }
    guard (classes == nil) == (guidance == nil), (0...100).contains(guidance ?? 1), classes?.isEmpty != true
    else { return "classes and guidance are not what a flow has" }
    guard (1...trainingPairs).contains(batchSize) else {
      return "batch_size must be from 1 to \(trainingPairs), not \(batchSize)"
    }
    let numbers = [
      ("learning_rate", learningRate, 1.0), ("rtol", rtol, 1), ("atol", atol, 1),
      ("minutes", minutes ?? 1, 100_000),
    ]
    for (name, value, limit) in numbers where !(value > 0 && value <= limit || name == "rtol" && value == 0) {
      return "\(name) must be more than 0, at most \(limit), not \(value)"
    }
    return nil
  }
}
