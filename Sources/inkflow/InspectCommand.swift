import ArgumentParser
import Files
import Foundation
import Imagery
import Network
import Sampling
import Training

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Say what is in a run, checkpoint, weights file, model or data set, and whether it is sound.")

  @Argument(help: "A file or directory, or a data set's name.")
  var path: String

  @Option(help: "Side of the images, for a diffusers directory that doesn't state it.")
  var side: Int?

  @Flag(help: "Print one JSON object.")
  var json = false

  func validate() throws { try require("side", side, in: 1...4096) }

  func run() throws {
    var (report, problem): (Report, String?)
    do {
      (report, problem) = try inspect()
    } catch let error as FileError where error.kind == .malformed && json {
      (report, problem) = (Report(kind: "unknown"), error.description)
    }
    report.add("sound", problem == nil)
    try Terminal.print(report, json: json)
    if let problem { throw RunError(message: problem, status: 65) }
  }

  private func inspect() throws -> (Report, problem: String?) {
    var isDirectory: ObjCBool = false
    try require(
      side == nil || TrainedFlow.isDiffusersDirectory(path) && !RunDirectory(path).exists,
      "--side is for a diffusers directory.")
    if FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) {
      guard isDirectory.boolValue else { return (try file(), nil) }
      if RunDirectory(path).exists { return try run(RunDirectory(path)) }
      return (
        TrainedFlow.isDiffusersDirectory(path)
          ? try model(TrainedFlow(diffusers: path, side: side)) : try dataset(), nil
      )
    }
    guard ImageDataset.names.contains(path) else {
      throw FileError(
        .missing, path, "doesn't exist",
        remedy: "name a run, a checkpoint, a weights file, a model's directory, a data set or its directory")
    }
    return (try dataset(), nil)
  }

  private func run(_ run: RunDirectory) throws -> (Report, problem: String?) {
    let record = try run.readRecord()
    var report = Report(kind: "run")
    report.add("recipe", record.recipe.rawValue)
    report.add("dataset", record.dataset.name)
    report.add("steps", record.settings.steps)
    report.add("steps_per_epoch", record.stepsPerEpoch)
    report.add("batch_size", record.settings.batchSize)
    report.add("learning_rate", record.settings.learningRate)
    report.add("seed", "\(record.settings.seed)")
    report.add("optimizer", record.settings.optimizer?.rawValue)
    report.add("precision", record.settings.precision?.rawValue)
    report.add("times", record.settings.times.rawValue)
    report.add("loss", record.settings.loss?.rawValue)
    report.add("build", record.build)
    report.add(record.lossScale)
    report.add(record.network, classes: record.dataset.classes)
    report.add("label_dropout", record.settings.labelDropout)
    var (sound, problems): ([Int], [String]) = ([], [])
    for step in run.checkpointSteps() {
      do throws(FileError) {
        let checkpoint = try Checkpoint(path: run.checkpointPath(step: step))
        try checkpoint.requireRecord(record)
        _ = try checkpoint.flow()
        sound.append(step)
      } catch {
        problems.append(error.description)
      }
    }
    report.add("sound_checkpoints", sound, as: sound.map(\.text).joined(separator: ", "))
    do throws(FileError) {
      let last = try StepMetrics.lastHeldOut(of: run)
      report.add("held_out_loss", last?.heldOutLoss)
      report.add(
        "held_out_loss_by_time", last?.heldOutLossByTime,
        as: last?.heldOutLossByTime?.map { Terminal.fixed($0, 3) }.joined(separator: " "))
    } catch {
      problems.append(error.description)
    }
    if sound.isEmpty && problems.isEmpty { problems = ["'\(run.checkpointsPath)' holds no checkpoint"] }
    return (report, problems.isEmpty ? nil : problems.joined(separator: "; "))
  }

  private func model(_ flow: TrainedFlow) throws -> Report {
    try flow.requireSide(side)
    var report = Report(kind: "diffusers directory")
    report.add(flow.configuration, classes: flow.classNames)
    report.add("parameters", flow.parameterCount)
    report.add("convention", flow.remark ?? "stated: a flow as Inkflow trains it")
    for (key, value) in flow.notes.sorted(by: { $0.key < $1.key }) where key != TrainedFlow.classNamesKey {
      report.add(key, value)
    }
    return report
  }

  private func file() throws -> Report {
    if let dimensions = try IDXFile.dimensions(of: path) {
      _ = try IDXFile.read(path)
      var report = Report(kind: "IDX file")
      report.add("dimensions", dimensions, as: dimensions.map(\.text).joined(separator: ", "))
      return report
    }
    let file = try SafetensorsFile(contentsOf: path)
    guard Checkpoint.isCheckpoint(file) else {
      for entry in file.entries where entry.type.isReadAsFloats { _ = try file.finiteFloats(entry.name) }
      var report = Report(kind: "safetensors file")
      report.add("tensors", file.entries.count)
      report.add("numbers", file.entries.reduce(0) { $0 + $1.count })
      report.add("checksum", file.checksum == nil ? "none stated" : "holds")
      return report
    }
    let checkpoint = try Checkpoint(file: file)
    _ = try checkpoint.flow()
    var report = Report(kind: "checkpoint")
    report.add("step", checkpoint.header.step)
    report.add("dataset", checkpoint.header.dataset.name)
    report.add("averaged_weights", checkpoint.hasAverage ? "yes" : "no")
    report.add("build", checkpoint.header.build)
    report.add(checkpoint.header.network, classes: checkpoint.header.dataset.classes)
    return report
  }

  private func dataset() throws -> Report {
    let (train, test) = try ImageDataset.loadBoth(path, onNote: Terminal.noteOnData)
    var report = Report(kind: "data set")
    report.add("name", train.name)
    report.add("train_images", train.count)
    report.add("test_images", test.count)
    report.add("height", train.height)
    report.add("width", train.width)
    report.add("channels", train.channels)
    let labelled = [train, test].filter { $0.labels != nil }
    report.add("labels", labelled.count == 1 ? "\(labelled[0].split) only" : labelled.isEmpty ? "no" : "yes")
    report.add("classes", train.classNames)
    report.add(RunRecord.LossScale(train))
    return report
  }
}

extension Report {
  fileprivate init(kind: String) { add("kind", kind) }

  fileprivate mutating func add(_ scale: RunRecord.LossScale) {
    add("loss_of_zero_field", scale.zeroField)
    add("loss_of_mean", scale.meanField)
    add("loss_of_best_affine_field", scale.affineField)
  }

  /// - Parameter classes: their names by label, where they have any; empty for a label without images.
  fileprivate mutating func add(_ network: UNetConfiguration?, classes: [String]?) {
    guard let network else { return }
    add("image", "\(network.sampleHeight)×\(network.sampleWidth)×\(network.inputChannels)")
    let channels = network.blockOutputChannels
    add("block_out_channels", channels, as: channels.map(\.text).joined(separator: ", "))
    add("layers_per_block", network.layersPerBlock)
    if let classes {
      add("classes", classes, as: classes.filter { !$0.isEmpty }.joined(separator: ", "))
    } else if let count = network.labelledClassCount {
      add("class_count", count)
    } else {
      add("class_count", 0, as: "none")
    }
  }
}
