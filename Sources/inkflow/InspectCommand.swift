import ArgumentParser
import Files
import Foundation
import Imagery
import Network
import Training

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Say what is in a run, checkpoint, weights file, model or data set, and whether it is sound.")

  @Argument(help: "A file or directory, or a data set's name.")
  var path: String

  @Flag(help: "Print one JSON object.")
  var json = false

  func run() throws {
    let report: Report
    do {
      report = try self.report()
    } catch let error as FileError where error.kind == .malformed && json {
      report = Report("unknown", [], problem: error.description)
    }
    print(json ? try report.json() : report.text)
    if let problem = report.problem { throw RunError(message: problem, status: 65) }
  }

  private func report() throws -> Report {
    var isDirectory: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
    if exists && isDirectory.boolValue {
      if RunDirectory(path).exists { return try runReport(RunDirectory(path)) }
      if Model.isDirectory(path) { return modelReport(try Model(directory: path)) }
      return try datasetReport()
    }
    if exists {
      if let dimensions = try IDXFile.dimensions(of: path) {
        _ = try IDXFile.read(path)
        return Report("IDX file", [("dimensions", .numbers(dimensions.map { Double($0) }))])
      }
      return try weightsReport(SafetensorsFile(contentsOf: path))
    }
    guard (ImageDataset.downloadable + [SyntheticStrokes.name]).contains(path) else {
      throw FileError(
        .missing, path, "doesn't exist",
        remedy: "name a run, a checkpoint, a weights file, a model's directory, a data set or its directory")
    }
    return try datasetReport()
  }

  private func runReport(_ run: RunDirectory) throws -> Report {
    let record = try run.readRecord()
    var report = Report(
      "run",
      [
        ("recipe", .text(record.recipe.rawValue)), ("dataset", .text(record.dataset.name)),
        ("steps", .number(Double(record.settings.steps))),
        ("steps_per_epoch", .number(Double(record.stepsPerEpoch))),
        ("batch_size", .number(Double(record.settings.batchSize))),
        ("learning_rate", .number(record.settings.learningRate)),
        ("seed", .text("\(record.settings.seed)")), ("build", .text(record.build)),
        ("loss_of_zero_field", .number(record.lossScale.zeroField)),
        ("loss_of_mean", .number(record.lossScale.meanField)),
      ])
    if let affine = record.lossScale.affineField {
      report.lines.append(("loss_of_best_affine_field", .number(affine)))
    }
    report.lines += networkLines(record.network)
    var sound: [Int] = []
    var problems: [String] = []
    for step in run.checkpointSteps() {
      do throws(FileError) {
        let checkpoint = try Checkpoint(path: run.checkpointPath(step: step))
        try checkpoint.requireRecord(record)
        _ = try checkpoint.model()
        sound.append(step)
      } catch {
        problems.append(error.description)
      }
    }
    report.lines.append(("sound_checkpoints", .numbers(sound.map { Double($0) })))
    do throws(FileError) {
      if let loss = try StepMetrics.lastHeldOutLoss(of: run) {
        report.lines.append(("held_out_loss", .number(loss)))
      }
    } catch {
      problems.append(error.description)
    }
    if sound.isEmpty && problems.isEmpty { problems = ["'\(run.checkpointsPath)' holds no checkpoint"] }
    report.problem = problems.isEmpty ? nil : problems.joined(separator: "; ")
    return report
  }

  private func modelReport(_ model: Model) -> Report {
    var report = Report("diffusers directory", networkLines(model.unet.configuration))
    report.lines.append(("parameters", .number(Double(model.unet.parameterCount))))
    for (key, value) in model.notes.sorted(by: { $0.key < $1.key }) {
      report.lines.append((key, .text(value)))
    }
    return report
  }

  private func weightsReport(_ file: SafetensorsFile) throws -> Report {
    if Checkpoint.isCheckpoint(file) {
      let checkpoint = try Checkpoint(file: file)
      let header = checkpoint.header
      _ = try checkpoint.model()
      return Report(
        "checkpoint",
        [
          ("step", .number(Double(header.step))), ("dataset", .text(header.dataset.name)),
          ("averaged_weights", .text(checkpoint.hasAverage ? "yes" : "no")), ("build", .text(header.build)),
        ] + networkLines(header.network))
    }
    return Report(
      "safetensors file",
      [
        ("tensors", .number(Double(file.entries.count))),
        ("numbers", .number(Double(file.entries.reduce(0) { $0 + $1.count }))),
        ("checksum", .text(file.checksum == nil ? "none stated" : "holds")),
      ])
  }

  private func datasetReport() throws -> Report {
    let (train, test) = try ImageDataset.loadBoth(path)
    let scale = RunRecord.LossScale(train)
    var report = Report(
      "data set",
      [
        ("name", .text(train.name)), ("train_images", .number(Double(train.count))),
        ("test_images", .number(Double(test.count))), ("height", .number(Double(train.height))),
        ("width", .number(Double(train.width))), ("channels", .number(Double(train.channels))),
        ("labels", .text(train.labels == nil ? "no" : "yes")),
        ("loss_of_zero_field", .number(scale.zeroField)), ("loss_of_mean", .number(scale.meanField)),
      ])
    if let affine = scale.affineField { report.lines.append(("loss_of_best_affine_field", .number(affine))) }
    return report
  }

  private func networkLines(_ network: UNetConfiguration) -> [(String, Report.Value)] {
    [
      ("image", .text("\(network.sampleHeight)×\(network.sampleWidth)×\(network.inputChannels)")),
      ("block_out_channels", .numbers(network.blockOutputChannels.map { Double($0) })),
      ("layers_per_block", .number(Double(network.layersPerBlock))),
      ("classes", network.classCount.map { .number(Double($0)) } ?? .text("none")),
    ]
  }
}

/// Named values, as lines for people or an object for programs.
private struct Report {
  enum Value {
    case text(String)
    case number(Double)
    case numbers([Double])
  }

  var lines: [(String, Value)]
  /// Why it is not sound.
  var problem: String?

  init(_ kind: String, _ lines: [(String, Value)], problem: String? = nil) {
    self.lines = [("kind", .text(kind))] + lines
    self.problem = problem
  }

  var text: String {
    let width = lines.map(\.0.count).max() ?? 0
    var rows = lines.map { name, value in
      let label = name.replacing("_", with: " ")
      return label + String(repeating: " ", count: width + 2 - name.count) + text(value)
    }
    rows.append("sound" + String(repeating: " ", count: max(0, width - 3)) + (problem == nil ? "yes" : "no"))
    return rows.joined(separator: "\n")
  }

  private func text(_ value: Value) -> String {
    switch value {
    case .text(let text): text
    case .number(let number): format(number)
    case .numbers(let numbers): numbers.map(format).joined(separator: ", ")
    }
  }

  private func format(_ number: Double) -> String {
    Int(exactly: number).map(String.init) ?? String(format: "%.4g", number)
  }

  func json() throws -> String {
    var object: [String: Any] = ["sound": problem == nil]
    for (name, value) in lines {
      object[name] =
        switch value {
        case .text(let text): text
        case .number(let number): number
        case .numbers(let numbers): numbers
        }
    }
    let data = try JSONSerialization.data(
      withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
    return String(decoding: data, as: UTF8.self)
  }
}
