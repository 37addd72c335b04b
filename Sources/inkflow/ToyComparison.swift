import Flow
import Foundation
import Imagery
import Kernels
import Training

/// Flow matching against the method before it, maximum likelihood by simulation: the same network, weights to begin with,
/// optimiser and data, and the held-out log-likelihood as training goes on.
struct ToyComparison: Encodable {
  struct Curve: Encodable {
    let objective: ToyObjective
    let steps: Int
    /// Examples that a step takes through the network, and back.
    let evaluationsPerStep: Int
    /// At some steps: seconds of training so far, evaluations of the network, and the log-likelihood in nats a point.
    let seconds: [Double]
    let evaluations: [Int]
    let logLikelihoods: [Double]

    var best: Double { logLikelihoods.max() ?? -.infinity }

    /// When a log-likelihood was first reached, interpolated between two measurements.
    func firstTime(at target: Double) -> (seconds: Double, evaluations: Double)? {
      guard let index = logLikelihoods.firstIndex(where: { $0 >= target }) else { return nil }
      guard index > 0 else { return (seconds[0], Double(evaluations[0])) }
      let share =
        (target - logLikelihoods[index - 1]) / (logLikelihoods[index] - logLikelihoods[index - 1])
      func between(_ low: Double, _ high: Double) -> Double { low + share * (high - low) }
      return (
        between(seconds[index - 1], seconds[index]),
        between(Double(evaluations[index - 1]), Double(evaluations[index]))
      )
    }
  }

  let dataset: String
  let curves: [Curve]
  /// The data's own log-likelihood on the same points, where it is known.
  let exact: Double?
  /// The log-likelihood that both reach: the lower of their best.
  let target: Double
  let seconds: Double
  let picture: String

  /// Points of each measurement, and the tolerance of its solves.
  static let (points, tolerance) = (500, 1e-4)

  init(
    dataset: PointDistribution, curves: [Curve], exact: Double?, seconds: Double, picture: String
  ) {
    self.dataset = dataset.rawValue
    self.curves = curves
    self.exact = exact
    self.seconds = seconds
    self.picture = picture
    target = curves.map(\.best).min() ?? -.infinity
  }

  var text: String {
    func column(_ text: String, _ width: Int) -> String {
      String(repeating: " ", count: max(0, width - text.count)) + text
    }
    let header = ["steps", "best", "seconds until", "evaluations until", "seconds in all"]
    let widths = [7, 9, 15, 19, 16]
    var lines = [
      "\(dataset): held-out log-likelihood in nats a point (\(Self.points) points, rk45 \(Self.tolerance))"
        + (exact.map { ", \(Terminal.fixed($0, 3)) of the data's own density" } ?? ""),
      "until: the log-likelihood that both reach, \(Terminal.fixed(target, 3))",
      column("", 14) + zip(header, widths).map(column).joined(),
    ]
    for curve in curves {
      let reached = curve.firstTime(at: target)
      let cells = [
        "\(curve.steps)", Terminal.fixed(curve.best, 3),
        reached.map { Terminal.fixed($0.seconds, 2) } ?? "never",
        reached.map { Terminal.fixed($0.evaluations, 0) } ?? "never",
        Terminal.fixed(curve.seconds.last ?? 0, 1),
      ]
      let name = curve.objective.rawValue
      lines.append(
        name + String(repeating: " ", count: 14 - name.count) + zip(cells, widths).map(column).joined())
    }
    let times = curves.compactMap { $0.firstTime(at: target)?.seconds }
    if times.count == 2, times[0] > 0 {
      lines.append(
        "to get there, training by simulation takes \(Terminal.fixed(times[1] / times[0], 2)) times as long as "
          + "flow matching")
    }
    lines.append("curves in \(picture), \(Terminal.fixed(seconds, 1)) s in all")
    return lines.joined(separator: "\n")
  }

  /// The log-likelihood over the time of training.
  var plot: Plot {
    let points = curves.map { curve in
      zip(curve.seconds, curve.logLikelihoods).flatMap { [max($0, 1e-4), $1] }
    }
    let times = points.flatMap { line in stride(from: 0, to: line.count, by: 2).map { line[$0] } }
    let top = max(exact ?? -.infinity, curves.map(\.best).max() ?? 0) + 0.3
    // A beginning far below would leave the later differences no room.
    let bottom = max(top - 7, (curves.flatMap(\.logLikelihoods).min() ?? top - 7) - 0.3)
    let low = 0.8 * (times.min() ?? 0.01)
    let high = max(1.25 * (times.max() ?? 10), 10 * low)
    var plot = Plot(
      title: "\(dataset): time to a likelihood", side: 480,
      x: .init(low...high, label: "seconds of training", isLogarithmic: true),
      y: .init(bottom...top, label: "held-out log-likelihood, nats a point"))
    if let exact { plot.line([low, exact, high, exact], thickness: 2, from: .plotGrey) }
    let colors: [PlotColor] = [.plotOrange, .plotBlue]
    for (line, color) in zip(points, colors) {
      plot.line(line, thickness: 2.4, from: color)
      plot.points(line, radius: 4, color, opacity: 1)
    }
    plot.legend(zip(curves, colors).map { ($0.objective.rawValue, $1) })
    if exact != nil { plot.legend([("the data's own density", .plotGrey)]) }
    return plot
  }
}

extension ToySession {
  /// Trains by an objective, measuring the held-out log-likelihood at steps that lie closer together at first.
  func curve(_ objective: ToyObjective, steps: Int, batchSize: Int) throws -> ToyComparison.Curve {
    let evaluations = batchSize * (objective == .flowMatching ? 1 : LikelihoodEngine.evaluations)
    let measured = Set((1...24).map { max(1, steps * $0 * $0 / (24 * 24)) })
    var (seconds, counts, values): ([Double], [Int], [Double]) = ([], [], [])
    _ = try train(objective, from: initialParameters, steps: steps, name: objective.rawValue) {
      step, parameters, time in
      guard measured.contains(step) else { return }
      let found = try likelihood(
        of: flow(parameters), points: ToyComparison.points, tolerance: ToyComparison.tolerance)
      // Where two solves don't agree, there is nothing to compare.
      guard let mean = found.mean else { return }
      seconds.append(time)
      counts.append(step * evaluations)
      values.append(mean)
    }
    return ToyComparison.Curve(
      objective: objective, steps: steps, evaluationsPerStep: evaluations, seconds: seconds,
      evaluations: counts, logLikelihoods: values)
  }
}
