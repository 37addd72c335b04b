import Files
import Imagery
import Training

/// `loss.svg`: a run's loss by step, on the scale of what fields that know nothing reach.
struct LossCurve {
  private var metrics: [StepMetrics]
  private let scale: RunRecord.LossScale

  init(_ run: RunDirectory, _ record: RunRecord) throws(FileError) {
    metrics = try StepMetrics.all(of: run)
    scale = record.lossScale
  }

  func write(to run: RunDirectory) throws { try plot.write(to: run.lossCurvePath) }

  mutating func append(_ step: StepMetrics) { metrics.append(step) }

  /// Means of at most so many stretches of steps are drawn: a single step's loss is mostly noise.
  private static let stretches = 200

  private var plot: Plot {
    let last = Double(max(metrics.last?.step ?? 1, 2))
    // The first steps, near the zero field's loss, may be off the plot: the later ones would be a flat line.
    let level = scale.affineField ?? scale.meanField
    let latest = max(training.last ?? 0, heldOut.last ?? 0)
    let top = max(1.6 * level, 1.2 * latest, 1e-6)
    var plot = Plot(
      title: "Flow-matching loss by step", side: 420, x: .init(0...1.02 * last, label: "step"),
      y: .init(0...top, label: "loss per pixel"))
    plot.line([0, level, 2 * last, level], from: .plotGrey)
    // Beneath the line: of many epochs, the points would hide it.
    plot.points(heldOut, radius: 4, .plotOrange, opacity: 1)
    plot.line(training, thickness: 1.6, from: .plotBlue)
    plot.legend([
      ("training", .plotBlue), ("held-out", .plotOrange),
      (scale.affineField == nil ? "mean of the data" : "best affine field", .plotGrey),
    ])
    return plot
  }

  /// [stretches, 2] The middle step and the mean loss of each.
  private var training: [Double] {
    let length = max(1, (metrics.count + Self.stretches - 1) / Self.stretches)
    return stride(from: 0, to: metrics.count - metrics.count % length, by: length).flatMap { first in
      let part = metrics[first..<first + length]
      return [
        Double(part[first].step) + Double(length - 1) / 2,
        part.reduce(0) { $0 + $1.loss } / Double(length),
      ]
    }
  }

  /// [epochs, 2]
  private var heldOut: [Double] {
    metrics.flatMap { line in line.heldOutLoss.map { [Double(line.step), $0] } ?? [] }
  }
}
