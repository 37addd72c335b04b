import Files
import Imagery
import Network
import Training

/// Training as one sees it: progress, the loss curve, a summary.
struct TrainingSession {
  let trainer: Trainer
  /// Where results go.
  var report: (String) throws -> Void = { try Terminal.print($0) }

  private var record: RunRecord { trainer.record }

  func run() throws {
    let firstStep = trainer.step
    let steps = record.settings.steps
    announce()
    guard firstStep < steps else {
      try trainer.writeModel()
      try LossCurve(trainer.run, record).write(to: trainer.run)
      try report(
        "'\(trainer.run.path)' is complete at step \(firstStep); pass a larger --steps or --epochs to go on")
      return
    }
    var progress = ProgressLine(whenInterrupted: nil)
    var lastLosses: [Double] = []
    var heldOutLoss: Double?
    var curve: LossCurve?
    let watch = Stopwatch()
    func show(_ event: Trainer.Event) throws {
      switch event {
      case .step(let metrics):
        curve?.append(metrics)
        lastLosses = lastLosses.suffix(99) + [metrics.loss]
        let mean = lastLosses.reduce(0, +) / Double(lastLosses.count)
        let done = metrics.step - firstStep
        let left = watch.seconds / Double(done) * Double(steps - metrics.step)
        // A narrow terminal cuts the end off: what is asked for most comes first.
        try progress.show(
          "step \(metrics.step)/\(steps)  \(Terminal.duration(left)) left  mean loss \(Terminal.fixed(mean, 4))"
            + "\(explained(mean))  \(Terminal.fixed(metrics.imagesPerSecond, 0)) images/s  epoch \(metrics.epoch + 1)  "
            + "gradient \(Terminal.fixed(metrics.gradientNorm, 3))",
          fraction: Double(metrics.step) / Double(steps))
      case .epoch(let metrics, let sheet):
        heldOutLoss = metrics.heldOutLoss
        // Decoration: what can't be drawn ends nothing.
        do {
          curve = try curve ?? LossCurve(trainer.run, record)
          try curve?.write(to: trainer.run)
        } catch {
          Terminal.note("the loss curve could not be drawn: \(error)")
        }
        var text =
          "epoch \(metrics.epoch + 1): held-out loss \(Terminal.fixed(metrics.heldOutLoss ?? .nan, 4))\(explained(metrics.heldOutLoss ?? .nan)), "
        switch sheet {
        case .success(let path): text += "samples in \(path)"
        case .failure(let error): text += "no samples could be drawn: \(error)"
        }
        Terminal.note(text)
      case .checkpoint:
        break
      }
    }
    let outcome = try trainer.train(shouldStop: { Interruption.exitStatus != nil }, onEvent: show)
    if outcome == .interrupted, let status = Interruption.exitStatus {
      Terminal.note(
        "interrupted at step \(trainer.step), saved in \(trainer.run.checkpointsPath); go on with --resume")
      throw RunError(message: nil, status: status)
    }
    let mean = lastLosses.reduce(0, +) / Double(lastLosses.count)
    try report(
      "trained '\(trainer.run.path)' to step \(trainer.step) in "
        + "\(Terminal.duration(watch.seconds)): mean loss of the last "
        + "\(lastLosses.count) steps \(Terminal.fixed(mean, 4))"
        + (heldOutLoss.map { ", held-out loss \(Terminal.fixed($0, 4))" } ?? ""))
    try report("draw images with: inkflow sample \(trainer.run.path)")
  }

  /// How much of what the best affine field leaves a loss explains: whether it is normal, at a glance.
  private func explained(_ loss: Double) -> String {
    guard let affine = record.lossScale.affineField, affine > 0, loss < affine else { return "" }
    return " (\(Int(100 * (1 - loss / affine))) % of the best affine field's explained)"
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
}
