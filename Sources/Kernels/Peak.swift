/// Fused multiply-adds with nothing to wait for: timed, the peak of one core. Twelve sums hide a latency
/// of up to six cycles at two instructions a cycle.
///
/// - Returns: a number that depends on all of them, so that none is optimised away.
package func spinMultiplyAdds(iterations: Int) -> Float {
  let (x, y) = (Lanes(repeating: 0.999), Lanes(repeating: 1e-3))
  var a = (Lanes(repeating: 1), Lanes(repeating: 2), Lanes(repeating: 3), Lanes(repeating: 4))
  var b = (Lanes(repeating: 5), Lanes(repeating: 6), Lanes(repeating: 7), Lanes(repeating: 8))
  var c = (Lanes(repeating: 9), Lanes(repeating: 10), Lanes(repeating: 11), Lanes(repeating: 12))
  for _ in 0..<iterations {
    a = (y.addingProduct(a.0, x), y.addingProduct(a.1, x), y.addingProduct(a.2, x), y.addingProduct(a.3, x))
    b = (y.addingProduct(b.0, x), y.addingProduct(b.1, x), y.addingProduct(b.2, x), y.addingProduct(b.3, x))
    c = (y.addingProduct(c.0, x), y.addingProduct(c.1, x), y.addingProduct(c.2, x), y.addingProduct(c.3, x))
  }
  return (a.0 + a.1 + a.2 + a.3 + b.0 + b.1 + b.2 + b.3 + c.0 + c.1 + c.2 + c.3).sum()
}

/// Floating-point operations of one iteration of `spinMultiplyAdds`.
package var operationsPerIteration: Int { 12 * 2 * laneCount }
