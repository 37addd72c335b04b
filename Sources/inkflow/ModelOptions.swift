import ArgumentParser
import Files
import Flow
import Foundation
import Network
import Sampling
import Training

extension WeightKind: ExpressibleByArgument {}

/// The argument MODEL: a trained flow of pictures.
struct ModelOptions: ParsableArguments {
  @Argument(help: "A run, a checkpoint file or a diffusers directory.")
  var model: String

  @Option(help: "averaged or raw weights of a run or checkpoint. (default: averaged where there are any)")
  var weights: WeightKind?

  @Option(help: "Side of the images, for a diffusers directory that doesn't state it.")
  var side: Int?

  func validate() throws { try require("side", side, in: 1...4096) }

  func open() throws -> TrainedFlow {
    let flow = try openFlow(model, weights, side: side)
    try flow.requireSide(side)
    return flow
  }

  /// Where a picture goes without --output: into the run, if MODEL is one.
  func defaultOutput(_ name: String) -> String {
    RunDirectory(model).exists ? model.appendingPath(name) : name
  }
}

/// Opens a flow of pictures; damaged checkpoints that are passed over are noted, and what was assumed of the model.
func openFlow(_ path: String, _ weights: WeightKind? = nil, side: Int? = nil) throws -> TrainedFlow {
  let flow = try TrainedFlow(path, weights: weights, side: side) { Terminal.note("passed over: \($0)") }
  if let remark = flow.remark { Terminal.note("note: '\(path)': \(remark)") }
  let outputs = flow.configuration?.outputChannels ?? 0
  guard flow.shape.channels == outputs, [1, 3].contains(outputs) else {
    throw ConfigurationError(
      "'\(flow.origin)' maps \(flow.shape.channels) channels to \(outputs); only models of grey or RGB pictures "
        + "can be sampled")
  }
  return flow
}

extension TrainedFlow {
  /// For messages and records.
  var origin: String { path ?? "a model" }

  /// - Throws: `ConfigurationError` unless the images have the side that an option gives, which states it for them.
  func requireSide(_ side: Int?) throws {
    guard let side, (shape.height, shape.width) != (side, side) else { return }
    throw ConfigurationError(
      "--side is \(side), but '\(origin)' states images of \(shape.height)×\(shape.width); leave it out")
  }

  /// Runs a solver on the network; a failure of the network's becomes the command's, and names the model.
  func solving<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as SolverError {
      throw RunError(message: "'\(origin)': \(error)", status: 70)
    }
  }
}

extension Report {
  /// Which weights were taken.
  mutating func add(_ flow: TrainedFlow) {
    add("checkpoint", flow.path)
    add("weights", flow.notes["weights"])
    if flow.classCount != nil { add("guidance", flow.guidance) }
    if flow.precision != .float32 { add("precision", flow.precision.rawValue) }
  }

  /// What a solver did for each sample.
  mutating func add(_ samples: Samples) {
    add("evaluations", samples.evaluations)
    add("accepted", samples.accepted)
    add("rejected", samples.rejected)
  }
}
