/// A function σ applied to each element between a small network's layers, with the derivatives that gradients and
/// divergences need.
package enum ActivationFunction: String, Sendable, CaseIterable {
  /// x for x > 0, else eˣ − 1 (Clevert, Unterthiner & Hochreiter 2015, with α = 1).
  case elu
  /// x·s(x), s = 1/(1 + e⁻ˣ) (Elfwing, Uchibe & Doya 2017).
  case silu
  case tanh
  /// max(x, 0). Its second derivative is 0 where it has one.
  case relu

  /// y = σ(x).
  ///
  /// - Parameters: x, y: of one size.
  package func apply(_ x: Span<Float>, into y: consuming MutableSpan<Float>) {
    precondition(x.count == y.count)
    let (count, x, y) = (x.count, x.pointer, y.pointer)
    // One loop for each function: a choice in every vector's step would cost more than the arithmetic.
    switch self {
    case .elu: map(count, x, into: y) { exponentialLinear($0) }
    case .silu: map(count, x, into: y) { $0 * sigmoid($0) }
    case .tanh: map(count, x, into: y) { hyperbolicTangent($0) }
    case .relu: map(count, x, into: y) { $0.replacing(with: zero, where: $0 .< zero) }
    }
  }

  /// dx = dy·σ′(x): a gradient on its way back, or a tangent on its way forward.
  ///
  /// - Parameters: x, dy, dx: of one size.
  package func multiplyByDerivative(
    _ x: Span<Float>, _ dy: Span<Float>, into dx: consuming MutableSpan<Float>
  ) {
    precondition(x.count == dy.count && x.count == dx.count)
    let (count, x, dy, dx) = (x.count, x.pointer, dy.pointer, dx.pointer)
    switch self {
    case .elu: map(count, x, dy, into: dx) { $1 * exponentialLinearDerivative($0) }
    case .silu:
      map(count, x, dy, into: dx) { x, dy in
        let s = sigmoid(x)
        return dy * s.addingProduct(s * x, one - s)
      }
    case .tanh: map(count, x, dy, into: dx) { $1 * hyperbolicTangentDerivative($0) }
    case .relu: map(count, x, dy, into: dx) { $1.replacing(with: zero, where: $0 .<= zero) }
    }
  }

  /// dx += dẏ·ẋ·σ″(x): what a tangent ẏ = σ′(x)·ẋ adds to the gradient of x.
  ///
  /// - Parameters: x, tangent (ẋ), tangentGradient (dẏ), dx: of one size.
  package func addCurvature(
    _ x: Span<Float>, tangent: Span<Float>, tangentGradient: Span<Float>,
    into dx: consuming MutableSpan<Float>
  ) {
    precondition(
      x.count == tangent.count && x.count == tangentGradient.count && x.count == dx.count)
    let (count, x, tangent, gradient, dx) = (
      x.count, x.pointer, tangent.pointer, tangentGradient.pointer, dx.pointer
    )
    forEachVector(count) { i, width in
      let product = tangent.lanes(at: i, count: width) * gradient.lanes(at: i, count: width)
      let curvature = secondDerivative(x.lanes(at: i, count: width))
      dx.store(dx.lanes(at: i, count: width).addingProduct(product, curvature), at: i, count: width)
    }
  }

  /// σ″.
  @inline(__always)
  private func secondDerivative(_ x: Lanes) -> Lanes {
    switch self {
    case .elu: return exp(x).replacing(with: zero, where: x .> zero)
    case .silu:
      let s = sigmoid(x)
      return s * (one - s) * (Lanes(repeating: 2) + x * (one - s - s))
    case .tanh: return Lanes(repeating: -2) * hyperbolicTangent(x) * hyperbolicTangentDerivative(x)
    case .relu: return zero
    }
  }
}

private var zero: Lanes {
  @inline(__always) get { Lanes(repeating: 0) }
}
private var one: Lanes {
  @inline(__always) get { Lanes(repeating: 1) }
}

@inline(__always)
private func exponentialLinear(_ x: Lanes) -> Lanes { expMinusOne(x).replacing(with: x, where: x .> zero) }

@inline(__always)
private func exponentialLinearDerivative(_ x: Lanes) -> Lanes {
  exp(x).replacing(with: one, where: x .> zero)
}

/// tanh x = (e^2x − 1) / (e^2x + 1).
@inline(__always)
private func hyperbolicTangent(_ x: Lanes) -> Lanes {
  let e = expMinusOne(x + x)
  return e / (e + Lanes(repeating: 2))
}

/// 4·e^2x / (e^2x + 1)²: 1 − tanh² x would cancel far from 0.
@inline(__always)
private func hyperbolicTangentDerivative(_ x: Lanes) -> Lanes {
  let e = exp(x + x)
  let s = one / (one + e)
  return Lanes(repeating: 4) * (e * s) * s
}

@inline(__always)
private func map(_ count: Int, _ x: Source, into y: Destination, _ f: (Lanes) -> Lanes) {
  forEachVector(count) { i, width in y.store(f(x.lanes(at: i, count: width)), at: i, count: width) }
}

@inline(__always)
private func map(
  _ count: Int, _ x: Source, _ dy: Source, into dx: Destination, _ f: (_ x: Lanes, _ dy: Lanes) -> Lanes
) {
  forEachVector(count) { i, width in
    dx.store(f(x.lanes(at: i, count: width), dy.lanes(at: i, count: width)), at: i, count: width)
  }
}
