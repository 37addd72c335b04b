/// What `inkflow toy` has found.
struct ToySummary: Encodable {
  let dataset: String
  let objective: String
  let network: String
  let activation: String
  let parameters: Int
  let steps: Int
  let batchSize: Int
  let learningRate: Double
  let fixedDraw: Bool
  let seed: UInt64
  /// The training loss, the mean of the last twentieth of the steps: over examples and components in flow matching, of
  /// −log p in nats otherwise.
  let loss: Double
  /// As the 2-D tutorial prints it, summed over the components.
  let summedLoss: Double?
  /// Of the flow-matching loss, on examples that training never sees; and the exact field's on the same.
  let heldOutLoss: Double
  let exactLoss: Double?
  let likelihood: ToyLikelihood
  let densityIntegral: Double
  let trainingSeconds: Double
  let seconds: Double
  let output: String
  let pictures: [String]
  /// Round 0 is the flow before reflow.
  let reflow: [ToyReflowRound]?

  var text: String {
    func fixed(_ value: Double) -> String { Terminal.fixed(value, 4) }
    var lines = [
      "\(dataset): \(network) \(activation), \(parameters) parameters, \(steps) steps of \(batchSize) "
        + (fixedDraw ? "examples, the same draw in every step" : "fresh examples")
        + ", in \(Terminal.fixed(trainingSeconds, 1)) s"
    ]
    if let summedLoss {
      lines.append(
        "loss \(fixed(loss)), the mean over examples and components; summed over components, as the 2-D "
          + "tutorial prints it, twice that: \(fixed(summedLoss))")
    } else {
      lines.append("training loss \(fixed(loss)), the mean of -log p in nats")
    }
    lines.append(
      "flow-matching loss on held-out examples \(fixed(heldOutLoss))"
        + (exactLoss.map { "; the exact field's on the same, which is the least possible, \(fixed($0))" }
          ?? ""))
    lines.append(likelihood.text)
    lines.append(
      "density from the continuity equation: its integral over the plot is \(fixed(densityIntegral))")
    if let reflow { lines += reflow.map(\.text) }
    lines.append("pictures in \(output): \(pictures.joined(separator: ", "))")
    lines.append("\(Terminal.fixed(seconds, 1)) s in all")
    return lines.joined(separator: "\n")
  }
}

/// The mean log-likelihood of held-out points in nats, or why it can't be told.
struct ToyLikelihood: Encodable {
  let points: Int
  /// Nil where two solves, at the tolerance and at half of it, don't agree.
  let mean: Double?
  let standardError: Double
  /// Between the two solves.
  let difference: Double
  let tolerance: Double
  /// The data's own, on the same points.
  let exact: Double?

  /// More than this between two solves is no likelihood.
  static let allowedDifference = 0.01

  var text: String {
    let known =
      exact.map { "; the data's exact density gives \(Terminal.fixed($0, 4)) on the same points" } ?? ""
    guard let mean else {
      return "held-out log-likelihood: not determined, as solves at \(tolerance) and half of it differ by "
        + "\(Terminal.fixed(difference, 4)) nats" + known
    }
    return
      "held-out log-likelihood \(Terminal.fixed(mean, 4)) ± \(Terminal.fixed(standardError, 4)) nats a point "
      + "(\(points) points, rk45 \(tolerance), exact divergence)" + known
  }
}

/// The flow after some rounds of reflow.
struct ToyReflowRound: Encodable {
  let round: Int
  /// S = ∫ E‖(z₁ − z₀) − v(z_t, t)‖² dt.
  let straightness: Double
  /// Root mean square distance from one Euler step's result to the full solve's.
  let oneStepError: Double
  let likelihood: ToyLikelihood

  var text: String {
    "reflow \(round): straightness S \(Terminal.fixed(straightness, 4)), one Euler step ends "
      + "\(Terminal.fixed(oneStepError, 4)) (rms) from the full solve; " + likelihood.text
  }
}
