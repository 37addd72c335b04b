import Kernels
import Testing

@Suite struct ActivationTests {
  // Reached: 1e-7.
  @Test(arguments: [1, 3, 5, 8, 12, 16, 17, 32, 33, 1000]) func siluMatchesDouble(count: Int) {
    let x = Buffer(normals(count, index: 1).map { 8 * $0 })
    let y = Buffer(unwritten: count)
    silu(x.span, into: y.mutable)
    expect(y, Reference.silu(x.doubles), within: Tolerance.output)
  }

  // Reached: 1.3e-7.
  @Test(arguments: [1, 5, 16, 17, 40, 100], [false, true])
  func siluGradientMatchesFiniteDifferences(count: Int, accumulates: Bool) {
    let (x, dy) = (Buffer(normals(count, index: 1).map { 4 * $0 }), Buffer(normals(count, index: 4)))
    let dx = Buffer(count: count, accumulates: accumulates)
    siluGradient(x.span, dy.span, into: dx.mutable, accumulates: accumulates)
    expectGradient(dx, at: x, dy: dy, accumulates: accumulates, "dx") { Reference.silu($0) }
  }

  @Test func siluFarFromZero() {
    let x = Buffer([-1e30, -1e4, -100, 100, 1e4, 1e30])
    let (y, dx) = (Buffer(unwritten: 6), Buffer(unwritten: 6))
    silu(x.span, into: y.mutable)
    for (value, exact) in zip(y.values, [0, 0, 0, 100, 1e4, 1e30] as [Float]) {
      #expect(abs(value - exact) < 1e-6)
    }
    siluGradient(x.span, Buffer([1, 1, 1, 1, 1, 1]).span, into: dx.mutable)
    for (value, exact) in zip(dx.values, [0, 0, 0, 1, 1, 1] as [Float]) { #expect(abs(value - exact) < 1e-6) }
  }

  // Absolute errors: cosines and sines have size one. Reached: 2e-7.
  @Test(arguments: [1, 3, 5, 8, 12, 16, 17, 32, 33, 48], [0.0, 1.0])
  func sinusoidalEmbeddingMatchesDouble(half: Int, frequencyShift: Double) {
    guard Double(half) > frequencyShift else { return }
    let timesteps = Buffer([0, 0.125, 1, 499.99997, 731.0625, 1000])
    for cosineFirst in [false, true] {
      let embedding = Buffer(unwritten: 6 * 2 * half)
      sinusoidalEmbedding(
        timesteps.span, frequencyShift: frequencyShift, cosineFirst: cosineFirst, into: embedding.mutable)
      let expected = Reference.sinusoidalEmbedding(
        timesteps.doubles, half: half, frequencyShift: frequencyShift, cosineFirst: cosineFirst)
      for (value, exact) in zip(embedding.doubles, expected) { #expect(abs(value - exact) < 4e-7) }
    }
  }
}
