import Flow
import Foundation
import Imagery
import Network
import Sampling

/// `samples/`: what the run draws at the end of an epoch.
extension Trainer {
  /// Images of a sheet: 64, or fewer of images larger than 32×32; of a conditional flow a row a class.
  private var sheetCount: Int {
    let network = record.network
    let count = min(64, max(16, 64 * 32 * 32 / (network.sampleHeight * network.sampleWidth)))
    return flow.presentClasses.map { $0.count * max(1, count / $0.count) } ?? count
  }

  private static let sheetSteps = 10
  private static let sheetSolver = Solver.multistep(
    .exponentialAdamsBashforth3, steps: sheetSteps, grid: .logit)

  /// Evaluations of the network that a sheet takes, one a step and image.
  var evaluationsPerSheet: Int { sheetCount * Self.sheetSteps }

  /// Samples always from the same noise, by the solver that serves few evaluations best (`docs/recipes.md`).
  func writeSheet() throws -> String {
    let (flow, count) = (flow, sheetCount)
    let rows = flow.presentClasses
    let samples = try flow.sample(
      0..<count, seed: 0, solver: Self.sheetSolver,
      labels: rows.map { rows in (0..<count).map { rows[$0 / (count / rows.count)] } }, on: pool)
    let path = run.sheetPath(step: step)
    try samples.sheet(columns: rows.map { count / $0.count }).write(
      to: path,
      text: [
        ("software", "inkflow"), ("step", "\(step)"), ("solver", "\(Self.sheetSolver)"),
        ("seed", "0"),
      ])
    return path
  }
}
