import Foundation
import Imagery
import Training

/// Flow matching against the method before it, maximum likelihood by simulation: the same network, weights to begin with,
/// optimiser and data, and the held-out log-likelihood as training goes on.
struct ToyComparison {
  struct Curve {
    let objective: ToyObjective
    let steps: Int
    /// Examples that a step takes through the network, and back.
    let evaluationsPerStep: Int
    /// At some steps: seconds of training so far, evaluations of the network, and the log-likelihood in nats a point.
    let seconds: [Double]
    let evaluations: [Int]
    let logLikelihoods: [Double]

    func report(target: Double) -> Report {
      var report = Report()
      report.add("objective", objective.rawValue)
      report.add("steps", steps)
      report.add("evaluations_per_step", evaluationsPerStep, as: "")
      report.add("best", best, digits: 3)
      let reached = firstTime(at: target)
      report.add("seconds_until", reached?.seconds, digits: 2)
      report.add("evaluations_until", reached?.evaluations, digits: 0)
      report.add("seconds", seconds, as: Terminal.fixed(seconds.last ?? 0, 1))
      report.add("evaluations", evaluations, as: "")
      report.add("log_likelihoods", logLikelihoods, as: "")
      return report
    }

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

  let dataset: PointDistribution
  let curves: [Curve]
  /// The data's own log-likelihood on the same points, where it is known.
  let exact: Double?

  /// Points of each measurement, and the tolerance of its solves.
  static let (points, tolerance) = (500, 1e-4)

  /// The log-likelihood that both reach: the lower of their best.
  private var target: Double { curves.map(\.best).min() ?? -.infinity }

  var report: Report {
    var report = Report()
    report.add("dataset", dataset.rawValue)
    report.add("exact", exact, digits: 3)
    report.add("target", target, digits: 3)
    let times = curves.compactMap { $0.firstTime(at: target)?.seconds }
    if times.count == 2, times[0] > 0 {
      report.add("time_of_likelihood_over_flow_matching", times[1] / times[0], digits: 2)
    }
    report.add("curves", curves.map { $0.report(target: target) })
    report.notes = [
      "log-likelihoods in nats a point on \(Self.points) held-out points, by rk45 at \(Self.tolerance)",
      "exact: of the data's own density; target: what both reach, and until when",
    ]
    return report
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
      title: "\(dataset.rawValue): time to a likelihood", side: 480,
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
    _ = try train(objective, steps: steps, name: objective.rawValue) { step, flow, time in
      guard measured.contains(step) else { return }
      let found = try likelihood(
        of: flow(), points: ToyComparison.points, tolerance: ToyComparison.tolerance)
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
