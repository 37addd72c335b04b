import Flow
import Testing

@Suite struct ButcherTableauTests {
  /// Everything `defect` checks, of a sound method, to be broken one piece at a time.
  struct Data {
    var order = ButcherTableau.dormandPrince.order
    var nodes = ButcherTableau.dormandPrince.nodes
    var coefficients = ButcherTableau.dormandPrince.coefficients
    var weights = ButcherTableau.dormandPrince.weights
    var errorWeights = ButcherTableau.dormandPrince.embedded?.errorWeights ?? []
    var interpolation = ButcherTableau.dormandPrince.embedded?.interpolation ?? []

    var defect: String? {
      ButcherTableau.defect(
        order: order, nodes: nodes, coefficients: coefficients, weights: weights,
        embedded: .init(order: 4, errorWeights: errorWeights, interpolation: interpolation))
    }
  }

  @Test func soundDataHasNoDefect() {
    #expect(Data().defect == nil)
  }

  struct Damage: Sendable {
    /// A part of the message expected.
    var message: String
    var apply: @Sendable (inout Data) -> Void

    init(_ message: String, _ apply: @escaping @Sendable (inout Data) -> Void) {
      self.message = message
      self.apply = apply
    }
  }

  @Test(arguments: [
    Damage("as many rows") { $0.nodes.removeLast() },
    Damage("has 3 entries; an explicit method has 2") { $0.coefficients[2].append(0) },
    Damage("row 3 of the coefficients sums to") { $0.coefficients[3][1] += 1e-6 },
    Damage("outside [0, 1]") {
      $0.nodes[1] = 1.5
      $0.coefficients[1][0] = 1.5
    },
    Damage("Σ b c^0") { $0.weights[0] += 1e-6 },
    Damage("Σ b c^1") { $0.weights.swapAt(2, 3) },
    Damage("Σ b c^5") { $0.order = 6 },
    Damage("as many error weights") { $0.errorWeights.removeLast() },
    Damage("Σ e c^0") { $0.errorWeights[6] = 0 },
    Damage("does not start with") { $0.interpolation[4][0] = 1 },
    Damage("row 5 of the interpolant sums to") { $0.interpolation[5][3] += 1e-6 },
  ])
  func brokenDataIsNamed(damage: Damage) {
    var data = Data()
    damage.apply(&data)
    #expect(data.defect?.contains(damage.message) == true, "\(data.defect ?? "no defect")")
  }

  @Test func onlyDormandPrinceReusesItsLastStage() {
    #expect(ButcherTableau.dormandPrince.isFirstSameAsLast)
    for method in [ButcherTableau.euler, .midpoint, .heun, .rk4] {
      #expect(!method.isFirstSameAsLast, "\(method.name)")
    }
  }
}
