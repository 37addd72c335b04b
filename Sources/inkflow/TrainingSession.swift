import Files
import Flow
import Foundation
import Imagery
import Network
import Sampling
import Training

/// Training as one sees it: progress, a sheet of samples an epoch, a summary.
struct TrainingSession {
  let trainer: Trainer
  /// Where results go.
  var report: (String) -> Void = { print($0) }

  private var record: RunRecord { trainer.record }

  func run() throws {
    let firstStep = trainer.step
    let steps = record.settings.steps
    announce()
    guard firstStep < steps else {
      try trainer.writeModel()
      try LossCurve(trainer.run, record).plot.write(to: trainer.run.lossCurvePath)
      report(
        "'\(trainer.run.path)' is complete at step \(firstStep); pass a larger --steps or --epochs to go on")
      return
    }
    var progress = ProgressLine()
    var lastLosses: [Double] = []
    var heldOutLoss: Double?
    var curve: LossCurve?
    let start = ContinuousClock.now
    func show(_ event: Trainer.Event) throws {
      switch event {
      case .step(let metrics):
        curve?.append(metrics)
        lastLosses = lastLosses.suffix(99) + [metrics.loss]
        let mean = lastLosses.reduce(0, +) / Double(lastLosses.count)
        let done = metrics.step - firstStep
        let left = (ContinuousClock.now - start) / .seconds(1) / Double(done) * Double(steps - metrics.step)
        progress.show(
          "step \(metrics.step)/\(steps)  epoch \(metrics.epoch + 1)  mean loss \(Terminal.fixed(mean, 4))  "
            + "gradient \(Terminal.fixed(metrics.gradientNorm, 3))  "
            + "\(Terminal.fixed(metrics.imagesPerSecond, 0)) images/s  \(Terminal.duration(left)) left",
          fraction: Double(metrics.step) / Double(steps))
      case .epoch(let metrics):
        heldOutLoss = metrics.heldOutLoss
        let path = try writeSheet(step: metrics.step)
        let drawn = try curve ?? LossCurve(trainer.run, record)
        try drawn.plot.write(to: trainer.run.lossCurvePath)
        curve = drawn
        progress.finish()
        Terminal.note(
          "epoch \(metrics.epoch + 1): held-out loss \(Terminal.fixed(metrics.heldOutLoss ?? .nan, 4)), "
            + "samples in \(path)")
      case .checkpoint:
        break
      }
    }
    let outcome = try trainer.train(shouldStop: { Interruption.exitStatus != nil }, onEvent: show)
    progress.finish()
    if outcome == .interrupted, let status = Interruption.exitStatus {
      Terminal.note(
        "interrupted at step \(trainer.step), saved in \(trainer.run.checkpointsPath); go on with --resume")
      throw RunError(message: nil, status: status)
    }
    let mean = lastLosses.reduce(0, +) / Double(lastLosses.count)
    report(
      "trained '\(trainer.run.path)' to step \(trainer.step) in "
        + "\(Terminal.duration((ContinuousClock.now - start) / .seconds(1))): mean loss of the last "
        + "\(lastLosses.count) steps \(Terminal.fixed(mean, 4))"
        + (heldOutLoss.map { ", held-out loss \(Terminal.fixed($0, 4))" } ?? ""))
    report("draw images with: inkflow sample \(trainer.run.path)")
  }

  private func announce() {
    let scale = record.lossScale
    Terminal.note(
      "\(record.dataset.name): \(record.dataset.trainCount) examples of \(record.dataset.height)×"
        + "\(record.dataset.width)×\(record.dataset.channels); network of \(trainer.unet.parameterCount) "
        + "parameters; recipe \(record.recipe.rawValue), batch \(record.settings.batchSize), "
        + "\(record.settings.steps) steps, \(trainer.pool.threadCount) threads")
    Terminal.note(
      "loss to compare with: zero field \(Terminal.fixed(scale.zeroField, 3)), mean of the data "
        + "\(Terminal.fixed(scale.meanField, 3))"
        + (scale.affineField.map { ", best affine field \(Terminal.fixed($0, 3))" } ?? ""))
    if trainer.step > 0 { Terminal.note("resuming after step \(trainer.step)") }
  }

  /// Images of a sheet: 64, or fewer of images larger than 32×32.
  private static func sheetCount(_ configuration: UNetConfiguration) -> Int {
    min(64, max(16, 64 * 32 * 32 / (configuration.sampleHeight * configuration.sampleWidth)))
  }

  private static let sheetSteps = 8

  /// Evaluations of the network that an epoch's sheet takes, two a step and image.
  static func evaluationsPerEpoch(record: RunRecord) -> Int { sheetCount(record.network) * 2 * sheetSteps }

  /// Samples always from the same noise, by a solver that is quick rather than exact.
  private func writeSheet(step: Int) throws -> String {
    let model = trainer.model
    let configuration = model.unet.configuration
    let count = Self.sheetCount(configuration)
    let samples = try trainer.lendMemory { prepared, workspaces in
      try Sampler(model: model, pool: trainer.pool, prepared: prepared, workspaces: workspaces)
        .sample(0..<count, seed: 0, solver: .fixed(.midpoint, steps: Self.sheetSteps))
    }
    let sheet = ContactSheet.image(
      pixels: Pixels.bytes(samples.values.span), height: configuration.sampleHeight,
      width: configuration.sampleWidth, channels: configuration.outputChannels,
      columns: Int(Double(count).squareRoot().rounded(.up)))
    let name = (trainer.run.checkpointPath(step: step) as NSString).lastPathComponent
    let path =
      ((trainer.run.samplesPath as NSString)
      .appendingPathComponent((name as NSString).deletingPathExtension) as NSString)
      .appendingPathExtension("png") ?? name
    try sheet.write(
      to: path, text: [("step", "\(step)"), ("solver", "midpoint, \(Self.sheetSteps) steps"), ("seed", "0")])
    return path
  }
}
