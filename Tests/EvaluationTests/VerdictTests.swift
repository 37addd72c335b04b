import Evaluation
import Statistics
import TestSupport
import Testing

@Suite struct VerdictTests {
  /// Of n test images an honest model's samples have any rank alike: 1 / (n + 1) are nearer than all.
  @Test func expectationOfFewAndMany() {
    let few = HeldOutShares((1...30).map { Double($0) / 100 })
    #expect(few.expected == 1.0 / 31 && few.copies == 0)
    #expect(few.nearer([0.005, 0.01, 0.02, 0]) == 2)
    let many = HeldOutShares((1...10_000).map { Double($0) / 20_000 })
    #expect(abs(many.expected - 11.0 / 10_001) < 1e-15)
    #expect(many.nearer([10.5 / 20_000, 11 / 20_000]) == 1)
  }

  /// Copies among the test images set no limit, but are what a model may draw too.
  @Test func copiesAmongTestImages() {
    let shares = Array(repeating: 0.0, count: 5) + (1...25).map { Double($0) / 100 }
    let heldOut = HeldOutShares(shares)
    #expect(heldOut.copies == 5 && heldOut.expected == 6.0 / 31)
    #expect(heldOut.nearer([0, 0.001, 0.01, 0.5]) == 2)
    #expect(heldOut.tellsRepetition(by: 300, among: 300))
    #expect(!heldOut.tellsRepetition(by: 60, among: 300))
    let leaked = HeldOutShares([0, 0, 0])
    #expect(leaked.expected == 1 && leaked.nearer([0, 0.1]) == 1)
    #expect(!leaked.tellsRepetition(by: 9, among: 9))
  }

  /// Samples and test images of one distribution, drawn 2000 times: a false alarm is about one in 1000. What the limit of 2 %
  /// for any number of test images said of them is far from it.
  @Test(arguments: [30, 200, 1500]) func honestModelsAreNotAccused(testCount: Int) {
    var random = TestRandom(seed: UInt64(testCount))
    func draw(_ count: Int) -> [Double] { (0..<count).map { _ in random.uniform() } }
    var (accused, nearer) = (0, 0)
    let (rounds, samples) = (2000, 300)
    for _ in 0..<rounds {
      let heldOut = HeldOutShares(draw(testCount))
      let hits = heldOut.nearer(draw(samples))
      nearer += hits
      if heldOut.tellsRepetition(by: hits, among: samples) { accused += 1 }
    }
    #expect(accused <= 8)
    let expected = HeldOutShares(draw(testCount)).expected
    #expect(abs(Double(nearer) / Double(rounds * samples) / expected - 1) < 0.15)
  }

  /// A few hits are no repetition; many are, also of few samples.
  @Test func repetitionIsTold() {
    let heldOut = HeldOutShares((1...30).map { Double($0) / 100 })
    #expect(!heldOut.tellsRepetition(by: 3, among: 24))
    #expect(heldOut.tellsRepetition(by: 12, among: 24))
    #expect(heldOut.tellsRepetition(by: 8, among: 8))
  }

  private func scores(
    frechet: Double, precision: Double = 0.9, recall: Double = 0.9, agreement: Double? = nil
  ) -> QualityScores {
    let points = FeatureSet([0, 1, 2, 4], dimension: 1)
    return QualityScores(
      frechet: frechet, frechetError: 0.01, kernel: KernelDistance(points, points) { (0..<$0).map($1) },
      precision: precision, recall: recall, classEntropy: 1, labelAgreement: agreement)
  }

  private func verdict(
    _ all: [SolverScores], floor: Double = 0.1, accuracy: Double = 0.99, canBeGuided: Bool = false
  ) -> String {
    Verdict(
      on: all, floor: scores(frechet: floor), heldOut: HeldOutShares((1...999).map { Double($0) / 1000 }),
      accuracy: accuracy, canBeGuided: canBeGuided
    ).description
  }

  private func solver(
    _ name: String, _ evaluations: Double, _ seeds: [QualityScores], nearer: Int = 0
  ) -> SolverScores {
    SolverScores(
      name: name, evaluations: evaluations, seeds: seeds, nearer: seeds.map { _ in nearer }, count: 100)
  }

  /// A classifier that is right about 70 % can't find more of the samples right.
  @Test func agreementIsMeasuredByAccuracy() {
    let found = [solver("euler:2", 2, [scores(frechet: 0.1, agreement: 0.68)])]
    #expect(verdict(found, accuracy: 0.7).contains("can hardly be told"))
    let wrong = verdict(found)
    #expect(wrong.contains("only 68 % of the samples") && wrong.contains("99 % of the test images"))
    #expect(!wrong.contains("--guidance"))
    #expect(verdict(found, canBeGuided: true).contains("--guidance 2"))
  }

  @Test func whatIsFarFromItsFloor() {
    let copies = verdict([solver("a", 2, [scores(frechet: 1)], nearer: 40)])
    #expect(copies.hasPrefix("40 % of the samples are copies") && copies.contains("honest model has 0.1 %"))
    #expect(verdict([solver("a", 2, [scores(frechet: 1)])]).contains("10.0 times its floor: training longer"))
    #expect(
      verdict([solver("a", 2, [scores(frechet: 2)]), solver("b", 9, [scores(frechet: 1)])])
        .contains("10.0 times its floor at b, 20.0 times its floor at a: more evaluations"))
    #expect(
      verdict([solver("a", 2, [scores(frechet: 1, precision: 0.5)])]).contains("50 % of the samples lie"))
    #expect(verdict([solver("a", 2, [scores(frechet: 1, recall: 0.4)])]).contains("60 % of the test images"))
    // Of a floor of 0 there are no multiples.
    #expect(verdict([solver("a", 2, [scores(frechet: 1)])], floor: 0).contains("1.000, its floor 0"))
  }

  @Test func meansAndErrorsOverSeeds() {
    let two = solver("a", 2, [scores(frechet: 1), scores(frechet: 3)], nearer: 5)
    #expect(two.frechet == 2 && abs(two.frechetError - 1) < 1e-12 && two.nearerThanHeldOut == 0.05)
    #expect(two.labelAgreement == nil)
    #expect(solver("a", 2, [scores(frechet: 1)]).frechetError == 0.01)
  }

  /// Also where every distance is far below the floor, which is shown too, or 0.
  @Test func rangesForLogarithms() {
    #expect(logarithmicRange(around: [0.001, 9], by: 1.5) == 0.001 / 1.5...13.5)
    let zero = logarithmicRange(around: [0, -1e-9], by: 1.5)
    #expect(zero.lowerBound > 0 && zero.lowerBound < zero.upperBound)
  }
}
