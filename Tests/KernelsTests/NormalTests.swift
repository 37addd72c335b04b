import Foundation
import Kernels
import Testing

@Suite struct NormalTests {
  private func draw(
    _ count: Int, seed: UInt64 = 5, purpose: RandomPurpose = .samplingNoise, step: UInt32 = 0,
    index: UInt32 = 0
  ) -> [Float] {
    let values = Buffer(unwritten: count)
    Philox(seed: seed, purpose: purpose, step: step, index: index).fillNormals(values.mutable)
    return values.values
  }

  /// A million variates: moments within four standard errors, the distribution within Kolmogorov and
  /// Smirnov's bound at p = 0.001, neighbours and pairs' halves uncorrelated.
  @Test func distribution() {
    let values = draw(1_000_000).map(Double.init)
    let n = Double(values.count)
    let mean = values.reduce(0, +) / n
    func moment(_ power: Int) -> Double {
      values.reduce(0) { sum, x in sum + (0..<power).reduce(1) { p, _ in p * (x - mean) } } / n
    }
    let variance = moment(2)
    #expect(abs(mean) < 4 / n.squareRoot())
    #expect(abs(variance - 1) < 4 * (2 / n).squareRoot())
    #expect(abs(moment(3) / pow(variance, 1.5)) < 4 * (6 / n).squareRoot())
    #expect(abs(moment(4) / (variance * variance) - 3) < 4 * (24 / n).squareRoot())
    for lag in 1...4 {
      let correlation = zip(values, values.dropFirst(lag)).reduce(0) { $0 + $1.0 * $1.1 } / n
      #expect(abs(correlation) < 4 / n.squareRoot(), "lag \(lag)")
    }

    var distance = 0.0
    for (i, x) in values.sorted().enumerated() {
      let probability = 0.5 * erfc(-x / 2.0.squareRoot())
      distance = max(distance, abs(probability - Double(i) / n), abs(probability - Double(i + 1) / n))
    }
    #expect(distance < 1.95 / n.squareRoot())
  }

  @Test func firstElementsDoNotDependOnTheCount() {
    let all = draw(70)
    for count in 0...70 { #expect(draw(count) == Array(all[0..<count])) }
  }

  /// The definition, in Double, from the words themselves.
  @Test func matchesBoxAndMuller() {
    let random = Philox(seed: 5, purpose: .samplingNoise)
    for (element, value) in draw(1001).enumerated() {
      let words = random[UInt32(element / 4)]
      let pair = element / 2 % 2
      let radius = (-2 * log((Double(words[2 * pair]) + 0.5) * 0x1p-32)).squareRoot()
      let angle = 2 * .pi * Double(words[2 * pair + 1] >> 8) * 0x1p-24
      let exact = radius * (element % 2 == 0 ? cos(angle) : sin(angle))
      #expect(abs(Double(value) - exact) < 1e-6)
    }
  }

  /// Seeds found by search, whose first word is the smallest and the largest: u = 2⁻³³ and 1.
  @Test func extremeWordsAreFinite() {
    let (smallest, largest): (UInt64, UInt64) = (12_332_794_037, 3_489_843_662)
    #expect(Philox(seed: smallest, purpose: .samplingNoise)[0][0] == 0)
    #expect(Philox(seed: largest, purpose: .samplingNoise)[0][0] == .max)
    let tail = draw(2, seed: smallest)
    #expect(abs(Double(hypot(tail[0], tail[1])) - (66 * log(2.0)).squareRoot()) < 1e-5)
    #expect(draw(2, seed: largest).allSatisfy { abs($0) == 0 })
  }

  @Test func everyPartOfTheNameCounts() {
    let draws = [
      draw(8), draw(8, seed: 6), draw(8, seed: 5 + 1 << 32), draw(8, purpose: .trainingNoise),
      draw(8, step: 1), draw(8, index: 1),
    ]
    #expect(Set(draws.joined()).count == 48)
  }
}
