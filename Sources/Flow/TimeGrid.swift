import Foundation

/// Where the steps of a solver begin and end.
public enum TimeGrid: String, Sendable, CaseIterable {
  /// Steps of one length.
  case uniform
  /// Karras et al. 2022, "Elucidating the design space of diffusion-based generative models", equation 5, with ρ = 7,
  /// σ = (1 − t)/t from 80 down to 0.002: short steps near the noise, and near the data. As facebookresearch/flow_matching
  /// takes it for its images, but for the first time, which is 0 here.
  case edm
  /// The same formula over σ from 20 down to 0.02, which serves few steps better on MNIST, but not on Fashion-MNIST
  /// (`docs/recipes.md`): the first one then ends at t = 0.048, the last begins at 0.98.
  case fineEnds = "fine-ends"
  /// Equal steps of log((t + 0.05)/(1.02 − t)), which is the logarithm of signal over noise with a little added to both, so
  /// that it is finite at both ends. Of ten steps the first ends at t = 0.046, the last begins at 0.98, and those between
  /// are more even than the formula above has them (`docs/recipes.md`).
  case logit

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
    // The seventh roots of the ends of σ.
    switch self {
    case .uniform: Double(index) / Double(steps)
    case .edm: Self.time(1.870_122_253_538_596_8, 0.411_559_713_783_607_95, Double(index) / Double(steps - 1))
    case .fineEnds:
      Self.time(1.534_127_404_634_391, 0.571_860_367_967_821_4, Double(index - 1) / Double(max(steps - 2, 1)))
    case .logit: Self.logit(Double(index) / Double(steps))
    }
  }

  /// The t at a share of the way of log((t + a)/(1 + b − t)) from t = 0 to 1.
  private static func logit(_ share: Double) -> Double {
    let (a, b) = (0.05, 0.02)
    let ratio = a / (1 + b) * pow((1 + a) * (1 + b) / (a * b), share)
    return (ratio * (1 + b) - a) / (1 + ratio)
  }

  /// t = 1/(1 + σ), where σ^(1/7) is a share of the way from one end to the other.
  private static func time(_ first: Double, _ last: Double, _ share: Double) -> Double {
    let root = first + (last - first) * share
    let square = root * root
    return 1 / (1 + square * square * square * root)
  }
}
