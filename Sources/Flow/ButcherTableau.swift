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
