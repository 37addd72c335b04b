import ArgumentParser
import Files
import Foundation
import Network
import Training

/// Which of a run's weights a command takes.
enum Weights: String, ExpressibleByArgument, CaseIterable { case averaged, raw }

/// What the argument MODEL names, opened.
struct OpenedModel {
  let model: Model
  /// Where the weights came from: the checkpoint's file, or the directory.
  let path: String
  /// How it was trained; nil where a directory with a model doesn't say.
  let settings: TrainingSettings?

  /// - Parameters:
  ///   - path: a run, a checkpoint file or a diffusers directory.
  ///   - averaged: which weights; nil for averaged ones where there are any.
  init(_ path: String, averaged: Bool?) throws {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
      throw FileError(
        .missing, path, "does not exist",
        remedy: "name a run (as in outputs/mnist), a checkpoint file or a diffusers directory")
    }
    guard isDirectory.boolValue else {
      try self.init(Checkpoint(path: path), averaged)
      return
    }
    let run = RunDirectory(path)
    if run.exists {
      let (checkpoint, passedOver) = try run.newestCheckpoint()
      for reason in passedOver { Terminal.note("passed over: \(reason)") }
      try self.init(checkpoint, averaged)
    } else if Model.isDirectory(path) {
      let model = try Model(directory: path)
      if let averaged, model.notes["weights"] != (averaged ? "averaged" : "raw") {
        throw FileError(
          .malformed, path, "holds one set of weights, \(model.notes["weights"] ?? "of unknown kind")",
          remedy: "leave out --weights, or name a run or a checkpoint")
      }
      self.init(model: model, path: path, settings: nil)
    } else {
      throw FileError(
        .malformed, path, "holds neither a run (run.json) nor a model (config.json)",
        remedy: "name a run, a checkpoint file or a diffusers directory")
    }
  }

  private init(_ checkpoint: Checkpoint, _ averaged: Bool?) throws {
    self.init(
      model: try checkpoint.model(averaged: averaged), path: checkpoint.path,
      settings: checkpoint.header.settings)
  }

  private init(model: Model, path: String, settings: TrainingSettings?) {
    self.model = model
    self.path = path
    self.settings = settings
  }
}
