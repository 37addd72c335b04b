import Imagery
import Testing

@Suite struct SyntheticStrokesTests {
  private let size = 28 * 28

  @Test func imagesDependOnSeedSplitAndIndexAlone() {
    let twenty = SyntheticStrokes.make(count: 20, seed: 3, split: .train)
    let ten = SyntheticStrokes.make(count: 10, seed: 3, split: .train)
    #expect(Array(twenty.pixels.prefix(10 * size)) == ten.pixels)
    #expect(twenty.pixels.prefix(10 * size) != twenty.pixels.suffix(10 * size))
    #expect(SyntheticStrokes.make(count: 10, seed: 4, split: .train).pixels != ten.pixels)
    #expect(SyntheticStrokes.make(count: 10, seed: 3, split: .test).pixels != ten.pixels)
  }

  @Test func theNamedSetHasItsSizesAndBalancedClasses() throws {
    let test = try ImageDataset.load("synthetic", split: .test)
    #expect(test.count == SyntheticStrokes.standardCount(of: .test))
    let labels = try #require(test.labels)
    for label in UInt8(0)...9 { #expect(labels.count { $0 == label } == test.count / 10) }
    #expect(SyntheticStrokes.classNames.count == 10)
  }

  /// Ink like MNIST's (mean 33 of 255 there), black ground, and no figure cut off at the border.
  @Test func looksLikePenOnPaper() {
    let dataset = SyntheticStrokes.make(count: 1_000, split: .train)
    let mean = dataset.pixels.reduce(0) { $0 + Int($1) } / dataset.pixels.count
    #expect((20...50).contains(mean))
    var touching = 0
    for index in 0..<dataset.count {
      let image = dataset.pixels[index * size..<(index + 1) * size]
      #expect(image.contains { $0 > 200 })
      let border = image.indices.filter { offset in
        let (y, x) = (offset - image.startIndex).quotientAndRemainder(dividingBy: 28)
        return y == 0 || x == 0 || y == 27 || x == 27
      }
      if border.contains(where: { image[$0] > 128 }) { touching += 1 }
    }
    #expect(touching < dataset.count / 100)
  }

  /// The simplest classifier there is, nearest class mean, tells the figures apart.
  @Test func classesAreDistinguishable() throws {
    let train = SyntheticStrokes.make(count: 2_000, split: .train)
    let test = SyntheticStrokes.make(count: 1_000, split: .test)
    var means = [[Float]](repeating: [Float](repeating: 0, count: size), count: 10)
    let trainLabels = try #require(train.labels)
    for (index, label) in trainLabels.enumerated() {
      for pixel in 0..<size {
        means[Int(label)][pixel] += Float(train.pixels[index * size + pixel]) / Float(train.count / 10)
      }
    }
    let testLabels = try #require(test.labels)
    let correct = testLabels.indices.count { index in
      let distances = means.map { mean in
        (0..<size).reduce(Float(0)) {
          let difference = mean[$1] - Float(test.pixels[index * size + $1])
          return $0 + difference * difference
        }
      }
      return distances.firstIndex(of: distances.min() ?? 0) == Int(testLabels[index])
    }
    #expect(Double(correct) / Double(test.count) > 0.8)
  }
}
