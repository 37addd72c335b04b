import ArgumentParser
import Files
import Flow
import Foundation
import Imagery
import Network

/// The argument MODEL: a trained model that draws pictures.
struct ModelOptions: ParsableArguments {
  @Argument(help: "A run, a checkpoint file or a diffusers directory.")
  var model: String

  @Option(help: "averaged or raw weights of a run or checkpoint. (default: averaged where there are any)")
  var weights: Weights?

  func open() throws -> OpenedModel {
    let opened = try OpenedModel(model, averaged: weights.map { $0 == .averaged })
    let configuration = opened.model.unet.configuration
    guard configuration.inputChannels == configuration.outputChannels,
      [1, 3].contains(configuration.outputChannels)
    else {
      throw ConfigurationError(
        "'\(opened.path)' maps \(configuration.inputChannels) channels to \(configuration.outputChannels); "
          + "only models of grey or RGB pictures can be sampled")
    }
    return opened
  }

  /// Where a picture goes without --output: into the run, if MODEL is one.
  func defaultOutput(_ name: String) -> String {
    FileManager.default.fileExists(atPath: (model as NSString).appendingPathComponent("run.json"))
      ? (model as NSString).appendingPathComponent(name) : name
  }
}

/// The class to draw, for conditional models.
struct LabelOption: ParsableArguments {
  @Option(help: "The class of all images, for a model that was trained with classes.")
  var label: Int?

  /// [count], or nil for a model without classes.
  func labels(count: Int, for configuration: UNetConfiguration) throws(ConfigurationError) -> [Int]? {
    switch (configuration.classCount, label) {
    case (nil, nil): return nil
    case (nil, let label?):
      throw ConfigurationError("--label \(label): the model was trained without classes")
    case (let classes?, nil):
      throw ConfigurationError(
        "the model has \(classes) classes; pass --label with one from 0 to \(classes - 1)")
    case (let classes?, let label?):
      guard (0..<classes).contains(label) else {
        throw ConfigurationError("--label \(label): the model's classes are 0 to \(classes - 1)")
      }
      return Array(repeating: label, count: count)
    }
  }
}

/// Refuses files that can't be written, or that two outputs share, before a long solve.
func requireWritable(_ paths: [String?]) throws {
  let paths = paths.compactMap { $0 }
  let resolved = Set(paths.map { URL(fileURLWithPath: $0).standardizedFileURL.path })
  guard resolved.count == paths.count else {
    throw ValidationError("two outputs go to the same file; name a file for each.")
  }
  for path in paths { try requireDirectory(of: path) }
}

/// What a resumed work may not change must, if it is given, be what it was.
///
/// - Parameter beginning: "the run was" and the like.
func requireUnchanged<Value: Equatable>(
  _ option: String, _ given: Value?, _ recorded: Value, in beginning: String
) throws(ConfigurationError) {
  if let given, given != recorded {
    throw ConfigurationError(
      "--\(option) is \(given), but \(beginning) begun with \(recorded); leave it out to resume, or begin anew with "
        + "another --output")
  }
}

/// A long solve should not end at a directory that isn't there.
func requireDirectory(of path: String) throws(FileError) {
  let parent = (path as NSString).deletingLastPathComponent
  let directory = parent.isEmpty ? "." : parent
  guard FileManager.default.isWritableFile(atPath: directory) else {
    throw FileError(
      .cannotCreate, path, "can't be created: no writable directory '\(directory)'",
      remedy: "make it, or name another file")
  }
  var isDirectory: ObjCBool = false
  if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue {
    throw FileError(.cannotCreate, path, "is a directory", remedy: "name a file")
  }
}

/// Runs the solver on the network; a failure of the network's becomes the command's, and names the model.
func solving<Result>(_ modelPath: String, _ body: () throws -> Result) throws -> Result {
  do {
    return try body()
  } catch let error as SolverError {
    throw RunError(message: "sampling '\(modelPath)': \(error)", status: 70)
  }
}

extension ContactSheet {
  /// A sheet of a model's pictures.
  ///
  /// - Parameter pixels: [count, height, width, channels].
  static func image(
    pixels: [UInt8], of configuration: UNetConfiguration, columns: Int, scale: Int? = nil
  ) -> PNGImage {
    image(
      pixels: pixels, height: configuration.sampleHeight, width: configuration.sampleWidth,
      channels: configuration.outputChannels, columns: columns, scale: scale)
  }
}
