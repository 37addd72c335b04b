import Files
import Foundation
import Kernels
import Sampling

/// Which weights of a run or a checkpoint are meant.
public enum WeightKind: String, Sendable, CaseIterable { case averaged, raw }

extension TrainedFlow {
  /// Opens a trained flow.
  ///
  ///     let flow = try TrainedFlow("outputs/mnist")
  ///
  /// - Parameters:
  ///   - path: a run, whose newest sound checkpoint is taken, a checkpoint's file, or a diffusers directory.
  ///   - kind: which weights; nil for averaged ones where there are any.
  ///   - side: of the images, where a diffusers directory doesn't state it.
  ///   - passOver: is told of newer checkpoints of a run that are damaged.
  /// - Throws: `FileError` where there is no such thing or it is damaged.
  public init(
    _ path: String, weights kind: WeightKind? = nil, side: Int? = nil,
    passOver: (FileError) -> Void = { _ in }
  ) throws(FileError) {
    var isDirectory: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
      throw FileError(
        .missing, path, "does not exist",
        remedy: "name a run (as in outputs/mnist), a checkpoint file or a diffusers directory")
    }
    let run = RunDirectory(path)
    if !isDirectory.boolValue {
      self = try Checkpoint(path: path).flow(kind)
    } else if run.exists {
      let averages = try run.readRecord().settings.averageDecay != nil
      if kind == .averaged && !averages { throw Checkpoint.noAverage(path) }
      let passedOver: [FileError]
      (self, passedOver) = try run.newestCheckpoint { (checkpoint) throws(FileError) in
        try checkpoint.flow(kind)
      }
      passedOver.forEach(passOver)
    } else if Self.isDiffusersDirectory(path) {
      self = try TrainedFlow(diffusers: path, side: side)
      if let kind, notes["weights"] != kind.rawValue {
        throw FileError(
          .malformed, path, "holds one set of weights, \(notes["weights"] ?? "of unknown kind")",
          remedy: "leave out --weights, or name a run or a checkpoint")
      }
    } else {
      throw FileError(
        .malformed, path, "holds neither a run (run.json) nor a model (config.json, here or in unet/)",
        remedy: "name a run, a checkpoint file or a diffusers directory")
    }
  }
}

extension Checkpoint {
  fileprivate static func noAverage(_ path: String) -> FileError {
    FileError(
      .malformed, path, "has no averaged weights, as its recipe averages none",
      remedy: "pass --weights raw, or leave it out")
  }

  /// The flow at this point.
  ///
  /// - Parameter kind: which weights; nil takes averaged ones where there are any.
  /// - Throws: `FileError` if an average is asked for and there is none.
  public func flow(_ kind: WeightKind? = nil) throws(FileError) -> TrainedFlow {
    if kind == .averaged && !hasAverage { throw Self.noAverage(path) }
    let isAveraged = hasAverage && kind != .raw
    let (unet, weights) = try weights(isAveraged ? "average." : "parameters.")
    return TrainedFlow(
      unet, Weights(reading: weights),
      notes: Self.notes(step: header.step, averaged: isAveraged, header.dataset), path: path,
      isDequantized: header.settings.dequantize)
  }
}
