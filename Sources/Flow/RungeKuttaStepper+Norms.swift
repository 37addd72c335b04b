import Foundation

/// Norms for step control: root mean squares over the components of a group, in units of the tolerance at
/// each component. A norm is one sum in ascending order, so it does not depend on the other groups.
extension RungeKuttaStepper {
  /// The error of the step just attempted: rms(h Σ_s e_s k_s / (atol + rtol·max(|y|, |y_new|))).
  mutating func errorNorm(_ errorWeights: [Double], group: Int, _ tolerance: Tolerance) -> Double {
    combine(errorWeights, group: group)
    let h = steps[group].size
    let range = elements(of: group)
    return rootMeanSquare(range) { i in
      let scale = tolerance.scale(max(abs(states[i]), abs(proposals[i])))
      return h * sums[i - range.lowerBound] / scale
    }
  }

  /// rms(y / scale), where scale = atol + rtol·|y|.
  func stateNorm(group: Int, _ tolerance: Tolerance) -> Double {
    rootMeanSquare(elements(of: group)) { i in states[i] / tolerance.scale(abs(states[i])) }
  }

  /// rms(k_0 / scale).
  func slopeNorm(group: Int, _ tolerance: Tolerance) -> Double {
    rootMeanSquare(elements(of: group)) { i in slopes[i] / tolerance.scale(abs(states[i])) }
  }

  /// rms((k_1 − k_0) / scale).
  func slopeChangeNorm(group: Int, _ tolerance: Tolerance) -> Double {
    rootMeanSquare(elements(of: group)) { i in
      (slopes[states.count + i] - slopes[i]) / tolerance.scale(abs(states[i]))
    }
  }
}

private func rootMeanSquare(_ range: Range<Int>, _ value: (Int) -> Double) -> Double {
  var sum = 0.0
  for i in range {
    let x = value(i)
    sum += x * x
  }
  return sum.squareRoot() / Double(range.count).squareRoot()
}
