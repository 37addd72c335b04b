/// An explicit Runge–Kutta method, as data:
///
///     k_s = f(t + c_s h, y + h Σ_{r<s} a_sr k_r),   y_new = y + h Σ_s b_s k_s.
///
/// The initialiser verifies the conditions that a mistyped coefficient would break.
public struct ButcherTableau: Sendable {
  public let name: String
  /// The endpoint's error is O(h^order).
  public let order: Int
  /// Where the coefficients were read.
  public let source: String
  /// c, one for each stage, in [0, 1]: a field is never evaluated outside a step.
  public let nodes: [Double]
  /// a: row s has one entry for each of the s stages before it, so that the method is explicit by its shape.
  public let coefficients: [[Double]]
  /// b, one for each stage.
  public let weights: [Double]
  /// What step control and dense output need, where the method has them.
  public let embedded: EmbeddedMethod?

  /// Whether the last stage is evaluated at the step's result, so that its slope is the next step's first
  /// ("first same as last").
  public let isFirstSameAsLast: Bool

  /// A second method on the same stages, and the polynomial through them.
  public struct EmbeddedMethod: Sendable {
    /// The order of the estimate that `errorWeights` compares with; the step's error is O(h^(order + 1)).
    public let order: Int
    /// b − b̂, one for each stage: h Σ_s errorWeights_s k_s estimates the error of a step.
    public let errorWeights: [Double]
    /// P, [stages, degree]: y(t + θh) = y + h Σ_s k_s Σ_j P_sj θ^(j+1).
    public let interpolation: [[Double]]

    public init(order: Int, errorWeights: [Double], interpolation: [[Double]]) {
      self.order = order
      self.errorWeights = errorWeights
      self.interpolation = interpolation
    }
  }

  /// Traps when the data is not a method of the order claimed; `defect(…)` is the check.
  public init(
    name: String, order: Int, source: String, nodes: [Double], coefficients: [[Double]],
    weights: [Double], embedded: EmbeddedMethod? = nil
  ) {
    let defect = Self.defect(
      order: order, nodes: nodes, coefficients: coefficients, weights: weights, embedded: embedded)
    if let defect { preconditionFailure("Butcher tableau '\(name)': \(defect)") }
    self.name = name
    self.order = order
    self.source = source
    self.nodes = nodes
    self.coefficients = coefficients
    self.weights = weights
    self.embedded = embedded
    isFirstSameAsLast =
      nodes.last == 1 && weights.last == 0 && coefficients.last == Array(weights.dropLast())
  }

  public var stageCount: Int { nodes.count }
}

extension ButcherTableau {
  /// The first invariant that the data violates, with the value found; nil for a sound tableau.
  ///
  /// Checked are the shapes, row sums Σ_r a_sr = c_s, and the quadrature conditions
  /// Σ_s b_s c_s^(q−1) = 1/q for q up to the order (necessary for it; for q = 1 consistency). The error
  /// weights' conditions are the same with 0 on the right, up to their order. The interpolant must start with
  /// slope k_1 and end at y_new. (Hairer, Nørsett & Wanner, "Solving Ordinary Differential Equations I",
  /// sections II.1 to II.6.)
  public static func defect(
    order: Int, nodes: [Double], coefficients: [[Double]], weights: [Double],
    embedded: EmbeddedMethod? = nil
  ) -> String? {
    let stages = nodes.count
    // Coefficients of magnitude 10 cancel to sums of order 1.
    let tolerance = 1e-13
    func isOff(_ sum: Double, _ expected: Double) -> Bool { !(abs(sum - expected) <= tolerance) }
    func moment(_ weights: [Double], _ power: Int) -> Double {
      zip(weights, nodes).reduce(0) { sum, pair in
        sum + (0..<power).reduce(pair.0) { product, _ in product * pair.1 }
      }
    }

    guard stages > 0, order > 0 else { return "a method has at least one stage, and order at least 1" }
    guard coefficients.count == stages, weights.count == stages else {
      return "\(stages) nodes need as many rows of coefficients and weights, "
        + "not \(coefficients.count) and \(weights.count)"
    }
    for (stage, row) in coefficients.enumerated() {
      guard row.count == stage else {
        return "row \(stage) of the coefficients has \(row.count) entries; an explicit method has \(stage)"
      }
      let sum = row.reduce(0, +)
      if isOff(sum, nodes[stage]) {
        return "row \(stage) of the coefficients sums to \(sum), its node is \(nodes[stage])"
      }
      guard (0...1).contains(nodes[stage]) else {
        return "node \(stage) is \(nodes[stage]), outside [0, 1]"
      }
    }
    for power in 0..<order where isOff(moment(weights, power), 1 / Double(power + 1)) {
      return "Σ b c^\(power) is \(moment(weights, power)); order \(order) needs 1/\(power + 1)"
    }

    guard let embedded else { return nil }
    guard embedded.errorWeights.count == stages, embedded.interpolation.count == stages else {
      return "\(stages) stages need as many error weights and rows of the interpolant, "
        + "not \(embedded.errorWeights.count) and \(embedded.interpolation.count)"
    }
    for power in 0..<embedded.order where isOff(moment(embedded.errorWeights, power), 0) {
      return "Σ e c^\(power) is \(moment(embedded.errorWeights, power)), and must vanish"
    }
    for (stage, row) in embedded.interpolation.enumerated() {
      if row.first != (stage == 0 ? 1 : 0) {
        return "row \(stage) of the interpolant does not start with the first stage's slope"
      }
      let sum = row.reduce(0, +)
      if isOff(sum, weights[stage]) {
        return "row \(stage) of the interpolant sums to \(sum), its weight is \(weights[stage])"
      }
    }
    return nil
  }
}

extension ButcherTableau {
  /// Euler's method: one evaluation a step.
  public static let euler = ButcherTableau(
    name: "euler", order: 1, source: "Euler 1768, Institutionum calculi integralis, vol. 1",
    nodes: [0], coefficients: [[]], weights: [1])

  /// The explicit midpoint rule: two evaluations a step.
  public static let midpoint = ButcherTableau(
    name: "midpoint", order: 2, source: "Runge 1895, Math. Ann. 46, 167–178",
    nodes: [0, 0.5], coefficients: [[], [0.5]], weights: [0, 1])

  /// Heun's method, the explicit trapezoidal rule: two evaluations a step.
  public static let heun = ButcherTableau(
    name: "heun", order: 2, source: "Heun 1900, Z. Math. Phys. 45, 23–38",
    nodes: [0, 1], coefficients: [[], [1]], weights: [0.5, 0.5])

  /// The classical method of order 4: four evaluations a step.
  public static let rk4 = ButcherTableau(
    name: "rk4", order: 4, source: "Kutta 1901, Z. Math. Phys. 46, 435–453",
    nodes: [0, 0.5, 0.5, 1],
    coefficients: [[], [0.5], [0, 0.5], [0, 0, 1]],
    weights: [1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6])

  /// Dormand and Prince's pair of orders 5 and 4, whose seventh stage is the next step's first: six
  /// evaluations a step. The result of order 5 is the one kept (local extrapolation). Dense output has
  /// order 4, with the optimal node of Shampine 1986.
  public static let dormandPrince = ButcherTableau(
    name: "rk45", order: 5,
    source: "Dormand & Prince 1980, J. Comput. Appl. Math. 6, 19–26; Shampine 1986, Math. Comp. 46, "
      + "135–150; in the form of SciPy 1.17, integrate/_ivp/rk.py",
    nodes: [0, 1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1, 1],
    coefficients: [
      [],
      [1.0 / 5],
      [3.0 / 40, 9.0 / 40],
      [44.0 / 45, -56.0 / 15, 32.0 / 9],
      [19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729],
      [9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656],
      [35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84],
    ],
    weights: [35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84, 0],
    embedded: EmbeddedMethod(
      order: 4,
      errorWeights: [
        -71.0 / 57600, 0, 71.0 / 16695, -71.0 / 1920, 17253.0 / 339200, -22.0 / 525, 1.0 / 40,
      ],
      interpolation: [
        [
          1, -8_048_581_381.0 / 2_820_520_608, 8_663_915_743.0 / 2_820_520_608,
          -12_715_105_075.0 / 11_282_082_432,
        ],
        [0, 0, 0, 0],
        [
          0, 131_558_114_200.0 / 32_700_410_799, -68_118_460_800.0 / 10_900_136_933,
          87_487_479_700.0 / 32_700_410_799,
        ],
        [
          0, -1_754_552_775.0 / 470_086_768, 14_199_869_525.0 / 1_410_260_304,
          -10_690_763_975.0 / 1_880_347_072,
        ],
        [
          0, 127_303_824_393.0 / 49_829_197_408, -318_862_633_887.0 / 49_829_197_408,
          701_980_252_875.0 / 199_316_789_632,
        ],
        [
          0, -282_668_133.0 / 205_662_961, 2_019_193_451.0 / 616_988_883,
          -1_453_857_185.0 / 822_651_844,
        ],
        [0, 40_617_522.0 / 29_380_423, -110_615_467.0 / 29_380_423, 69_997_945.0 / 29_380_423],
      ]))
}
