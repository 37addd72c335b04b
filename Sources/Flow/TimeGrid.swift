/// Where the steps of a solver begin and end.
public enum TimeGrid: String, Sendable, CaseIterable {
  /// Steps of one length.
  case uniform
  /// Karras et al. 2022, "Elucidating the design space of diffusion-based generative models", equation 5, with ρ = 7,
  /// σ from 80 down to 0.002 and then 0, and t = 1/(1 + σ): short steps near the noise, and near the data. As
  /// facebookresearch/flow_matching takes it for its images, but for the first time, which is 0 here.
  case edm

  /// The times, `steps` + 1 of them, from `start` to `end`, both exact. The grid is of 0…1: it is scaled to another stretch
  /// of time, and met in reverse order where time runs backward.
  package func times(steps: Int, from start: Double, to end: Double) -> [Double] {
    precondition(steps > 0, "\(steps) steps; at least one is needed")
    return (0...steps).map { index in
      if index == 0 { return start }
      if index == steps { return end }
      // By index, so that no rounding accumulates.
      return start + (end - start) * (start < end ? fraction(index, of: steps) : 1 - fraction(steps - index, of: steps))
    }
  }

  private func fraction(_ index: Int, of steps: Int) -> Double {
    switch self {
    case .uniform: return Double(index) / Double(steps)
    case .edm:
      let (first, last) = (1.870_122_253_538_596_8, 0.411_559_713_783_607_95)  // 80 and 0.002 to the power of 1/7
      let root = first + (last - first) * (Double(index) / Double(steps - 1))
      let square = root * root
      return 1 / (1 + square * square * square * root)
    }
  }
}

extension TimeGrid {
  var suffix: String {
    switch self {
    case .uniform: ""
    case .edm: ", edm grid"
    }
  }
}
