import ArgumentParser
import Evaluation
import Files
import Flow
import Foundation
import Imagery
import Kernels
import Sampling
import Training

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate", abstract: "Measure how good a model's samples are: evaluate MODEL DATASET.",
    usage: """
      inkflow evaluate MODEL DATASET [--solver NAME[:STEPS|:TOLERANCE] ...] [options]
      inkflow evaluate --samples FILE.idx DATASET [options]
      """,
    discussion: """
      Samples are compared with the test images in the features of a small classifier that Inkflow trains on the \
      data's labels, from a fixed seed, and keeps beside the data. Each figure stands beside its floor, which as many \
      training images have when they are taken for samples, and its error.

      frechet: the classifier Frechet distance (no FID, whose features are another network's), squared; kid: the \
      kernel distance, unbiased; precision: the share of samples among the test images, recall: of test images among \
      the samples (3 nearest neighbours); class entropy: of the classes that the classifier sees, at most the log of \
      their number; nearer than held out: the share of samples that are nearer to a training image than any test \
      image is, in the pixels.
      """)

  @Argument(help: "MODEL (a run, a checkpoint file or a diffusers directory) and DATASET, as for 'train'.")
  var paths: [String]

  @Option(help: "Score these images, an IDX file of bytes, in place of a model's.")
  var samples: String?

  @Option(
    help:
      "A solver, as often as wanted: euler, midpoint, heun or rk4 with its steps (heun:10), or rk45 with its tolerance (rk45:1e-3). (default: rk45:1e-3)"
  )
  var solver: [SolverChoice] = []

  @Option(help: "Samples of each solver. (default: as many as there are test images, at most 10000)")
  var count: Int?

  @Option(help: "Seeds of the noise, from --seed on; from more than one comes the error.")
  var seeds = 1

  @Option(help: "The first seed.")
  var seed: UInt64 = 0

  @OptionGroup var label: LabelOption

  @Option(help: "averaged or raw weights of a run or checkpoint. (default: averaged where there are any)")
  var weights: WeightKind?

  @Option(
    help:
      "The directory of the samples, which are not drawn again, and of pictures. (default: evaluation, in the run if MODEL is one)"
  )
  var output: String?

  @OptionGroup var threads: ThreadsOption

  @Flag(help: "Print what was found as one JSON object.")
  var json = false

  func validate() throws {
    try require(
      paths.count == (samples == nil ? 2 : 1),
      samples == nil
        ? "give a MODEL and a DATASET, or --samples FILE.idx and a DATASET."
        : "with --samples give the DATASET alone; MODEL makes samples of its own.")
    try require("count", count, in: 8...1_000_000)
    try require("seeds", seeds, in: 1...100)
    if samples != nil {
      try require(
        solver.isEmpty && seeds == 1 && label.label == nil && label.guidance == nil && weights == nil,
        "--solver, --seeds, --label, --guidance and --weights go with a MODEL, not with --samples.")
    }
  }

  func run() throws {
    let watch = Stopwatch()
    let dataset = paths[paths.count - 1]
    let (train, test) = try ImageDataset.loadBoth(dataset, onNote: Terminal.noteOnData)
    let directory =
      output
      ?? (samples == nil && RunDirectory(paths[0]).exists
        ? paths[0].appendingPath("evaluation") : "evaluation")
    let source = try samples.map { try EvaluationSource.file($0, of: train) } ?? openSource(train)
    try createDirectory(directory)
    let pool = threads.pool
    var progress = ProgressLine(
      whenInterrupted: "the samples drawn so far are kept in \(directory); the same command goes on")
    let features = try ClassifierFeatures(
      train: train, test: test, keptIn: Self.directory(of: dataset), on: pool,
      progress: { try progress.show("training the classifier, \(Int(100 * $0)) %", fraction: $0) },
      note: { Terminal.note("note: \($0)") })
    let reference = QualityReference(test, in: features, on: pool)
    var count = count ?? min(test.count, 10_000)
    if case .file(_, let all) = source { count = all }
    let heldOut = try NearestImages(to: test.pixels, in: train, on: pool) {
      try progress.show("nearest training images of the test images, \(Int(100 * $0)) %", fraction: $0)
    }
    let floor = reference.scores(of: features.classify(Self.random(train, count), on: pool))
    let session = EvaluationSession(
      source: source, count: count, features: features, reference: reference, train: train, floor: floor,
      nearestHeldOut: heldOut, directory: directory, pool: pool, heldOutPixels: test.pixels)
    let found = try (solver.isEmpty ? [.standard] : solver).map { choice in
      try session.found(choice, seeds: (0..<seeds).map { seed &+ UInt64($0) }, &progress)
    }
    var report = Report()
    report.add("dataset", dataset)
    report.add("reference_count", reference.count)
    var classifier = Report()
    classifier.add("accuracy", features.accuracy, digits: 4)
    classifier.add("checksum", hexadecimal(features.checksum))
    report.add(
      "classifier", classifier,
      as:
        "\(Terminal.fixed(100 * features.accuracy, 2)) % of the test images, checksum \(hexadecimal(features.checksum))"
    )
    try session.add(found, to: &report)
    report.add("seconds", watch.seconds, digits: 1)
    try Terminal.print(report, json: json)
  }

  private func openSource(_ train: ImageDataset) throws -> EvaluationSource {
    let flow = try label.guide(openFlow(paths[0], weights))
    try SourceImages.check(train, [], named: paths[1], for: flow)
    return .flow(flow, classes: try label.classes(for: flow))
  }

  /// Where a data set's files lie, and so its classifier.
  private static func directory(of dataset: String) -> String {
    (ImageDataset.downloadable + [SyntheticStrokes.name]).contains(dataset)
      ? "datasets".appendingPath(dataset) : dataset
  }

  /// Some training images, always the same, as if they were samples.
  private static func random(_ train: ImageDataset, _ count: Int) -> [UInt8] {
    let order = Philox(seed: 0, purpose: .resampling, step: .max).permutation(train.count)
    return (0..<count).flatMap { number -> ArraySlice<UInt8> in
      let image = Int(order[number % train.count])
      return train.pixels[image * train.imageSize..<(image + 1) * train.imageSize]
    }
  }
}
