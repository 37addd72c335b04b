import Foundation

/// Where the steps of a solver begin and end.
public enum TimeGrid: String, Sendable, CaseIterable {
  /// Steps of one length.
  case uniform
  /// Karras et al. 2022, "Elucidating the design space of diffusion-based generative models", equation 5, with ρ = 7,
  /// σ = (1 − t)/t from 80 down to 0.002: short steps near the noise, and near the data. As facebookresearch/flow_matching
  /// takes it for its images, but for the first time, which is 0 here.
  case edm
  /// Equal steps of log((t + 0.03)/(1.02 − t)), which is the logarithm of signal over noise with a little added to both, so
  /// that it is finite at both ends. Of ten steps the first ends at t = 0.031, the last begins at 0.98. What serves ten
  /// evaluations best (`docs/recipes.md`).
  case logit

  /// In a solver's description.
  var description: String {
    switch self {
    case .uniform, .edm: rawValue
    // With its constants: samples and pairs are kept under this name, and other constants give others.
    case .logit: "\(rawValue) \(Self.logitEnds.noise) \(Self.logitEnds.data)"
    }
  }

  /// The times, `steps` + 1 of them, from `start` to `end`, both exact. The grid is of 0…1: it is scaled to another stretch
  /// of time, and met in reverse order where time runs backward.
  package func times(steps: Int, from start: Double, to end: Double) -> [Double] {
    precondition(steps > 0, "\(steps) steps; at least one is needed")
    return (0...steps).map { index in
      if index == 0 { return start }
      if index == steps { return end }
      // By index, so that no rounding accumulates.
      return start
        + (end - start) * (start < end ? fraction(index, of: steps) : 1 - fraction(steps - index, of: steps))
    }
  }

  /// The time of a step's end, other than the last one's.
  private func fraction(_ index: Int, of steps: Int) -> Double {
    switch self {
    case .uniform: Double(index) / Double(steps)
    case .edm: Self.edm(Double(index) / Double(steps - 1))
    case .logit: Self.logit(Double(index) / Double(steps))
    }
  }

  private static let logitEnds = (noise: 0.03, data: 0.02)

  /// The t at a share of the way of log((t + a)/(1 + b − t)) from t = 0 to 1.
  private static func logit(_ share: Double) -> Double {
    let (a, b) = logitEnds
    let ratio = a / (1 + b) * pow((1 + a) * (1 + b) / (a * b), share)
    return (ratio * (1 + b) - a) / (1 + ratio)
  }

  /// t = 1/(1 + σ), where σ^(1/7) is a share of the way from one end to the other.
  private static func edm(_ share: Double) -> Double {
    // The seventh roots of 80 and 0.002.
    let (first, last) = (1.870_122_253_538_596_8, 0.411_559_713_783_607_95)
    let root = first + (last - first) * share
    let square = root * root
    return 1 / (1 + square * square * square * root)
  }
}
