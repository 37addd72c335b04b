import Flow
import Foundation
import Imagery
import Network
import Sampling

/// `samples/`: what the run draws at the end of an epoch.
extension Trainer {
  /// Images of a sheet: 64, or fewer of images larger than 32×32.
  private static func sheetCount(_ network: UNetConfiguration) -> Int {
    min(64, max(16, 64 * 32 * 32 / (network.sampleHeight * network.sampleWidth)))
  }

  private static let sheetSteps = 8

  /// Evaluations of the network that a sheet takes, two a step and image.
  static func evaluationsPerSheet(_ network: UNetConfiguration) -> Int {
    sheetCount(network) * 2 * sheetSteps
  }

  /// Samples always from the same noise, by a solver that is quick rather than exact.
  func writeSheet() throws -> String {
    let solver = Solver.fixed(.midpoint, steps: Self.sheetSteps)
    let samples = try flow.sample(
      0..<Self.sheetCount(record.network), seed: 0, solver: solver, on: pool)
    let path = run.sheetPath(step: step)
    try samples.sheet().write(
      to: path, text: [("step", "\(step)"), ("solver", "midpoint, \(Self.sheetSteps) steps"), ("seed", "0")])
    return path
  }
}
