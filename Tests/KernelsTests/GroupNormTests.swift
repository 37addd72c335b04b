import Kernels
import Testing

@Suite struct GroupNormTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let norm: GroupNorm
    let activates: Bool
    let (x, weight, bias, da, statistics): (Buffer, Buffer, Buffer, Buffer, Buffer)

    init(_ height: Int, _ width: Int, _ channels: Int, groups: Int, activates: Bool, mean: Float = 0) {
      let shape = ImageShape(height: height, width: width, channels: channels)
      // Larger than in use, so that a result without it is off.
      norm = GroupNorm(shape: shape, groupCount: groups, eps: 0.01)
      self.activates = activates
      x = Buffer(normals(shape.count, index: 1).map { $0 + mean })
      weight = Buffer(normals(channels, index: 2))
      bias = Buffer(normals(channels, index: 3))
      da = Buffer(normals(shape.count, index: 4))
      statistics = Buffer(unwritten: 2 * channels)
      norm.statistics(x.span, into: statistics.mutable)
    }

    var testDescription: String {
      let shape = norm.shape
      return "\(shape.height)×\(shape.width), \(shape.channels) in \(norm.groupCount), SiLU: \(activates)"
    }

    func forward(border: Int) -> Buffer {
      let y = Buffer(unwritten: (border == 0 ? norm.shape : norm.shape.padded).count)
      norm.forward(
        x.span, statistics: statistics.span, weight: weight.span, bias: bias.span, activates: activates,
        border: border, into: y.mutable)
      return y
    }

    /// The forward pass that precedes the backward one.
    func forwardWithDerivative() -> (output: Buffer, derivative: Buffer) {
      let y = Buffer(unwritten: norm.shape.padded.count)
      let derivative = Buffer(unwritten: norm.shape.count)
      norm.forward(
        x.span, statistics: statistics.span, weight: weight.span, bias: bias.span, into: y.mutable,
        derivative: derivative.mutable)
      return (y, derivative)
    }

    /// The addend is zero or what an accumulating buffer starts with. (The compiler can't have two optional spans in
    /// one call here; without an addend it is run in the network's tests.)
    func backward(
      accumulates: Bool, hasAddend: Bool = false
    ) -> (dx: Buffer, weight: Buffer, bias: Buffer) {
      let count = norm.shape.count
      let addend =
        hasAddend ? Buffer(count: count, accumulates: true) : Buffer(Array(repeating: 0, count: count))
      let derivative = activates ? forwardWithDerivative().derivative : nil
      let dx = Buffer(count: norm.shape.count, accumulates: accumulates)
      let scratch = Buffer(unwritten: 2 * norm.shape.channels)
      let dGamma = Buffer(count: norm.shape.channels, accumulates: true)
      let dBeta = Buffer(count: norm.shape.channels, accumulates: true)
      norm.backward(
        x.span, statistics: statistics.span, weight: weight.span, da.span, derivative: derivative?.span,
        scratch: scratch.mutable, weightGradient: dGamma.mutable, biasGradient: dBeta.mutable,
        adding: addend.span, into: dx.mutable, accumulates: accumulates)
      return (dx, dGamma, dBeta)
    }

    func reference(x: [Double]? = nil, weight: [Double]? = nil, bias: [Double]? = nil) -> [Double] {
      Reference.groupNorm(
        norm, x ?? self.x.doubles, weight: weight ?? self.weight.doubles, bias: bias ?? self.bias.doubles,
        activates: activates)
    }
  }

  static let cases = [false, true].flatMap { activates in
    [
      Case(3, 2, 1, groups: 1, activates: activates), Case(2, 3, 3, groups: 3, activates: activates),
      Case(3, 5, 5, groups: 1, activates: activates), Case(8, 7, 8, groups: 4, activates: activates),
      Case(5, 2, 12, groups: 4, activates: activates), Case(14, 14, 16, groups: 8, activates: activates),
      Case(7, 3, 17, groups: 17, activates: activates), Case(28, 28, 32, groups: 8, activates: activates),
      Case(2, 7, 33, groups: 11, activates: activates), Case(14, 8, 48, groups: 8, activates: activates),
      Case(7, 7, 64, groups: 32, activates: activates), Case(1, 1, 96, groups: 3, activates: activates),
    ]
  }

  // Reached: 8e-8.
  @Test(arguments: cases, [0, 1]) func forwardMatchesDouble(_ test: Case, border: Int) {
    let expected = test.reference()
    expect(
      test.forward(border: border),
      border == 0 ? expected : Reference.pad(expected, shape: test.norm.shape), within: Tolerance.groupNorm)
  }

  /// The pass that the backward one begins with gives the forward pass's bits.
  @Test(arguments: cases.filter { $0.activates }) func forwardAgain(_ test: Case) {
    let again = test.forwardWithDerivative()
    #expect(again.output.values.map(\.bitPattern) == test.forward(border: 1).values.map(\.bitPattern))
    #expect(again.derivative.values.allSatisfy { $0.isFinite })
  }

  /// A mean of 100 deviations: E[x²] − mean² would be off by 1e-3. Reached: 2.1e-6.
  @Test func largeMeanDoesNotCancel() {
    let test = Case(28, 28, 32, groups: 8, activates: false, mean: 100)
    expect(test.forward(border: 0), test.reference(), within: 6e-6)
  }

  // Reached: 2e-6.
  @Test(arguments: cases.filter { $0.norm.shape.count <= 600 }, [false, true])
  func gradientsMatchFiniteDifferences(_ test: Case, accumulates: Bool) {
    let (dx, dGamma, dBeta) = test.backward(accumulates: accumulates)
    expectGradient(dx, at: test.x, dy: test.da, accumulates: accumulates, "dx") { test.reference(x: $0) }
    expectGradient(dGamma, at: test.weight, dy: test.da, accumulates: true, "dγ") {
      test.reference(weight: $0)
    }
    expectGradient(dBeta, at: test.bias, dy: test.da, accumulates: true, "dβ") { test.reference(bias: $0) }
    let added = test.backward(accumulates: false, hasAddend: true).dx
    expectGradient(added, at: test.x, dy: test.da, accumulates: true, "dx") { test.reference(x: $0) }
  }
}
