import Kernels
import Testing

@Suite struct TimeEmbeddingTests {
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
