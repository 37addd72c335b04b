import Foundation

/// A solver's method that goes on from the last evaluations of the field: a higher order for one evaluation a step.
///
///     x_{n+1} = x_n + h·v_n + J₁·p[n, n−1] + J₂·p[n, n−1, n−2],   h = t_{n+1} − t_n
///
/// p is what changes little from one step to the next: it is extrapolated by the polynomial in Newton's form through its
/// last values, whose divided differences p[…] are, and J are the integrals of that polynomial's terms. The first steps,
/// with less before them, have fewer terms: the very first is Euler's.
public struct MultistepMethod: Sendable {
  public let name: String
  /// Where the formula was read.
  public let source: String
  /// Values that the polynomial goes through.
  public let order: Int

  /// What is extrapolated.
  enum Quantity {
    /// v.
    case velocity
    /// The data that the velocity leads to from here, D = x + (1 − t)·v.
    case dataPrediction
  }

  let quantity: Quantity
  /// J₁, J₂, … of the step from `start` to `end`; `previous` is the time of the evaluation before `start`.
  let integrals: @Sendable (_ previous: Double, _ start: Double, _ end: Double) -> [Double]
}

extension MultistepMethod {
  /// The velocity as a line in t: Adams and Bashforth's method of order 2.
  public static let adamsBashforth2 = MultistepMethod(
    name: "ab2", source: "Hairer, Nørsett & Wanner, Solving Ordinary Differential Equations I, III.5",
    order: 2, quantity: .velocity
  ) { _, start, end in [(end - start) * (end - start) / 2] }

  /// DPM-Solver++(2M): the data prediction as a line in λ = log(t/(1 − t)), the logarithm of signal over noise. On the
  /// straight path that is
  ///
  ///     x_{n+1} = (1 − t_{n+1})/(1 − t_n)·x_n + h/(1 − t_n)·(D_n + Δλ_n/(2·Δλ_{n−1})·(D_n − D_{n−1}))
  ///
  /// λ is infinite at both ends. After a step from t = 0 the formula's own limit is Euler's step; a step to t = 1 has none,
  /// and is Euler's, as the method's authors have it.
  public static let dpmSolver2M = MultistepMethod(
    name: "dpmpp-2m", source: "Lu et al. 2022, DPM-Solver++, Algorithm 2 (arXiv 2211.01095)",
    order: 2, quantity: .dataPrediction
  ) { previous, start, end in
    func logRatio(_ t: Double) -> Double { log(t / (1 - t)) }
    let ratio = (logRatio(end) - logRatio(start)) / (2 * (logRatio(start) - logRatio(previous)))
    return [ratio.isFinite ? ratio * (end - start) * (start - previous) / (1 - start) : 0]
  }

  /// The data prediction as a parabola in t, with which dx/dt = (D − x)/(1 − t) is solved exactly: an exponential
  /// Adams–Bashforth method. With c = 1 − t_n, d = 1 − t_{n+1} and l = d·log(c/d)
  ///
  ///     J₁ = d·∫ (τ − t_n)/(1 − τ)² dτ = h − l
  ///     J₂ = d·∫ (τ − t_n)(τ − t_{n−1})/(1 − τ)² dτ = (c + d)·h − 2c·l + (t_n − t_{n−1})·J₁
  ///
  /// Both are finite up to t = 1.
  public static let exponentialAdamsBashforth3 = MultistepMethod(
    name: "eab3",
    source: "Zhang & Chen 2023, DEIS, tAB (arXiv 2204.13902), here for the data in place of the noise",
    order: 3, quantity: .dataPrediction
  ) { previous, start, end in
    let (c, d, h) = (1 - start, 1 - end, end - start)
    let l = d == 0 ? 0 : d * log(c / d)
    return [h - l, (c + d) * h - 2 * c * l + (start - previous) * (h - l)]
  }
}

extension MultistepMethod {
  /// What the evaluations so far have left.
  struct History {
    /// The latest first: p[n], p[n, n−1], …, each [count, dimension].
    private var differences: [[Double]] = []

    /// J and the divided difference of each term of step `index` beyond Euler's, which begins with the given states
    /// and velocities, [count, dimension].
    mutating func terms(
      of method: MultistepMethod, at times: [Double], _ index: Int, states: [Double], velocities: [Double]
    ) -> [(integral: Double, difference: [Double])] {
      let time = times[index]
      let value =
        switch method.quantity {
        case .velocity: velocities
        case .dataPrediction: zip(states, velocities).map { $0 + (1 - time) * $1 }
        }
      var newer = [value]
      for (order, older) in differences.prefix(method.order - 1).enumerated() {
        let stretch = time - times[index - order - 1]
        newer.append(zip(newer[order], older).map { ($0 - $1) / stretch })
      }
      differences = newer
      if index == 0 { return [] }
      return Array(zip(method.integrals(times[index - 1], time, times[index + 1]), newer.dropFirst()))
    }
  }
}
