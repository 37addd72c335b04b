import Evaluation
import Files
import Imagery
import Kernels
import Network
import Sampling
import Statistics

/// What is scored: the samples of a model, or images of a file.
enum EvaluationSource {
  /// - Parameter labels: of a conditional flow.
  case flow(TrainedFlow, labels: SampleLabels?)
  /// - Parameter pixels: [count, height, width, channels].
  case file(pixels: [UInt8])

  /// - Throws: `FileError` where the file holds no images of the data set's size.
  static func file(_ path: String, of data: ImageDataset) throws(FileError) -> EvaluationSource {
    let array = try IDXFile.read(path)
    let shape = [data.height, data.width] + (data.channels == 1 ? [] : [data.channels])
    guard Array(array.dimensions.dropFirst()) == shape else {
      throw FileError(
        .malformed, path, "has dimensions \(array.dimensions); '\(data.name)' has images of \(shape)",
        remedy: "give images of that size as IDX of bytes, as 'inkflow sample --idx' writes them")
    }
    return .file(pixels: array.bytes)
  }
}

/// Scores the samples of one solver after the other.
struct EvaluationSession {
  let source: EvaluationSource
  let count: Int
  let classifier: ClassifierFeatures
  /// The classifier's, on all test images, and on those of the classes that are asked for.
  let accuracy: Double
  let accuracyOfDrawn: Double
  let train: ImageDataset
  let test: ImageDataset
  let reference: QualityReference
  /// As many training images, and their scores.
  let floor: Scored
  /// Of the test images.
  let nearestHeldOut: NearestImages
  let heldOut: HeldOutShares
  let directory: String
  let pool: WorkerPool

  struct Scored {
    let features: FeatureSet
    let scores: QualityScores
  }

  /// What was found of one solver.
  struct Found {
    /// Nil for images of a file.
    let choice: SolverChoice?
    let scores: SolverScores
    /// Of each seed.
    let features: [FeatureSet]
    /// [count, height, width, channels] Of the first seed.
    let pixels: [UInt8]
    let nearest: NearestImages
  }

  /// - Parameters:
  ///   - dataset: as the command line names it.
  ///   - ofClass: the class of train and test images that are compared; nil for all.
  init(
    _ source: EvaluationSource, count: Int, train: ImageDataset, test: ImageDataset, ofClass label: Int?,
    dataset: String, directory: String, pool: WorkerPool, _ progress: inout ProgressLine
  ) throws {
    (self.source, self.count, self.directory, self.pool) = (source, count, directory, pool)
    let classifier = try ClassifierFeatures(train: train, test: test, of: dataset, on: pool)
    let check = { try progress.show("scoring training images, for the floor", fraction: 0) }
    let classified = try classifier.classify(test.pixels, on: pool, check: check)
    let labels = (test.labels ?? []).map(Int.init)
    accuracy = classified.agreement(with: labels)
    if case .flow(_, let drawn?) = source {
      let classes = Set(drawn.classes)
      let numbers = labels.indices.filter { classes.contains(labels[$0]) }
      accuracyOfDrawn = classified.images(numbers).agreement(with: numbers.map { labels[$0] })
    } else {
      accuracyOfDrawn = accuracy
    }
    let ofClass = label.map { label in (train.numbers(ofClass: label), test.numbers(ofClass: label)) }
    let (train, test) = ofClass.map { (train.images($0), test.images($1)) } ?? (train, test)
    (self.classifier, self.train, self.test) = (classifier, train, test)
    reference = try QualityReference(
      ofClass.map { classified.images($1) } ?? classified, classCount: classifier.classCount, on: pool,
      check: check)
    floor = try Self.scored(train.some(count), nil, classifier, reference, pool, check: check)
    nearestHeldOut = try NearestImages(to: test.pixels, in: train, on: pool) {
      try progress.show("nearest training images of the test images, \(Int(100 * $0)) %", fraction: $0)
    }
    heldOut = HeldOutShares(nearestHeldOut.shares)
  }

  func found(_ choice: SolverChoice, seeds: [UInt64], _ progress: inout ProgressLine) throws -> Found {
    guard case .flow(let flow, let labels) = source else {
      guard case .file(let pixels) = source else { preconditionFailure("neither a flow nor a file") }
      let images = Array(pixels.prefix(count * train.imageSize))
      let (scored, nearest) = try score(images, "the file's images", labels: nil, &progress)
      return found(nil, evaluations: nil, [scored], [nearest], pixels: images)
    }
    let store = SampleStore(directory.appendingPath("samples"))
    let all = try seeds.map { seed in
      let what = "samples by \(choice.text)\(seeds.count > 1 ? ", seed \(seed)" : "")"
      var line = progress
      let drawn = try flow.solving {
        try store.samples(
          of: flow, count, seed: seed, solver: choice.solver, labels: labels, on: pool,
          progress: { try line.show(Double($0) / Double(count), of: count, what) })
      }
      progress = line
      let (scored, nearest) = try score(
        drawn.pixels, "the \(what)", labels: labels?.of(0..<count), &progress)
      return (drawn, scored, nearest)
    }
    let evaluations = all.reduce(0) { $0 + $1.0.evaluations.reduce(0, +) }
    return found(
      choice, evaluations: Double(evaluations) / Double(count * seeds.count), all.map(\.1), all.map(\.2),
      pixels: all[0].0.pixels)
  }

  private func found(
    _ choice: SolverChoice?, evaluations: Double?, _ scored: [Scored], _ nearest: [NearestImages],
    pixels: [UInt8]
  ) -> Found {
    Found(
      choice: choice,
      scores: SolverScores(
        name: choice?.text ?? "file", evaluations: evaluations, seeds: scored.map(\.scores),
        nearer: nearest.map { heldOut.nearer($0.shares) }, count: count),
      features: scored.map(\.features), pixels: pixels, nearest: nearest[0])
  }

  private func score(
    _ pixels: [UInt8], _ what: String, labels: [Int]?, _ progress: inout ProgressLine
  ) throws -> (Scored, NearestImages) {
    let scored = try Self.scored(pixels, labels, classifier, reference, pool) {
      try progress.show("scoring \(what)", fraction: 0)
    }
    let nearest = try NearestImages(to: pixels, in: train, on: pool) {
      try progress.show("nearest training images of \(what), \(Int(100 * $0)) %", fraction: $0)
    }
    return (scored, nearest)
  }

  private static func scored(
    _ pixels: [UInt8], _ labels: [Int]?, _ classifier: ClassifierFeatures, _ reference: QualityReference,
    _ pool: WorkerPool, check: () throws -> Void
  ) throws -> Scored {
    let classified = try classifier.classify(pixels, on: pool, check: check)
    return Scored(
      features: classified.features,
      scores: try reference.scores(of: classified, labels: labels, check: check))
  }
}

extension ClassifierFeatures {
  /// Trains the classifier of a data set, or reads the one that is kept beside it.
  ///
  /// - Parameters:
  ///   - dataset: as the command line names it.
  ///   - goingOn: what to do after an interruption.
  init(
    train: ImageDataset, test: ImageDataset, of dataset: String, on pool: WorkerPool,
    goingOn: String = "run the command again"
  ) throws {
    let isNamed = (ImageDataset.downloadable + [SyntheticStrokes.name]).contains(dataset)
    // It is trained anew after an interruption.
    var training = ProgressLine(whenInterrupted: "nothing is kept of the classifier; \(goingOn)")
    try self.init(
      train: train, test: test, keptIn: isNamed ? "datasets".appendingPath(dataset) : dataset, on: pool,
      progress: {
        try training.show(
          "training the classifier, once for this data set, \(Int(100 * $0)) %", fraction: $0)
      },
      note: { Terminal.note("note: \($0)") })
  }
}

extension ImageDataset {
  fileprivate func numbers(ofClass label: Int) -> [Int] { (0..<count).filter { labels?[$0] == UInt8(label) } }

  /// The pixels of images drawn from all, to be scored as if they were samples.
  func some(_ number: Int) -> [UInt8] {
    let order = Philox(seed: 0, purpose: .resampling, step: .max).permutation(count)
    return order.prefix(number).flatMap { pixels[Int($0) * imageSize..<(Int($0) + 1) * imageSize] }
  }

  /// The images of these numbers, at least one.
  func images(_ numbers: [Int]) -> ImageDataset {
    ImageDataset(
      name: name, split: split,
      pixels: numbers.flatMap { pixels[$0 * imageSize..<($0 + 1) * imageSize] }, height: height,
      width: width, channels: channels, labels: labels.map { labels in numbers.map { labels[$0] } },
      classNames: classNames)
  }
}
