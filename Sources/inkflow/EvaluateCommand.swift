import ArgumentParser
import Evaluation
import Files
import Flow
import Foundation
import Imagery
import Kernels
import Network
import Sampling
import Training

struct EvaluateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "evaluate", abstract: "Measure how good a model's samples are: evaluate MODEL DATASET.",
    usage: """
      inkflow evaluate MODEL DATASET [--solver NAME[:STEPS[:GRID[:NOISE]]|:TOLERANCE] ...] [options]
      inkflow evaluate --samples FILE.idx DATASET [options]
      """,
    discussion: """
      Samples are compared with the test images in the features of a small classifier that Inkflow trains on the \
      data's labels, from a fixed seed, and keeps beside the data. Each figure stands beside its floor, which as many \
      training images have when they are taken for samples, and its error. Samples of one class (--label 7) are \
      compared with the images of that class.

      frechet: the classifier Frechet distance (no FID, whose features are another network's), squared; kid: the \
      kernel distance, unbiased; precision: the share of samples among the test images, recall: of test images among \
      the samples (3 nearest neighbours); class entropy: of the classes that the classifier sees, at most the log of \
      their number; nearer than held out: the share of samples whose distance to the nearest training image, in the \
      pixels, is a smaller part of that to the next than of 999 in 1000 test images (of fewer than 1000: than of any); \
      its floor is what an honest model has.

      Samples of a model with classes have these in the proportions of the test images; with --label all each class in \
      turn, which is compared with all test images the same.
      """)

  @Argument(
    help: "A run, a checkpoint file or a diffusers directory; with --samples the DATASET alone.")
  var model: String

  @Argument(help: "The data set, as for 'train'.")
  var dataset: String?

  @Option(help: "Score these images, an IDX file of bytes, in place of a model's.")
  var samples: String?

  @Option(
    help:
      "A solver, as often as wanted: \(SolverOptions.Method.fixed) with its steps (heun:10) and, if it is not uniform, the grid (ab2:10:edm), sde with its noise after that (sde:50:uniform:0.5), or rk45 with its tolerance (rk45:1e-3). (default: rk45:1e-3)"
  )
  var solver: [SolverChoice] = []

  @Option(
    help:
      "Samples of each solver, or images of FILE.idx, at most as many as there are training images. (default: as many as there are test images, at most 10000; of FILE.idx all)"
  )
  var count: Int?

  @Option(help: "Seeds of the noise, from --seed on; from more than one comes the error.")
  var seeds = 1

  @Option(help: "The first seed.")
  var seed: UInt64 = 0

  @OptionGroup var label: LabelOption

  @OptionGroup var precision: PrecisionOption

  @Option(help: "averaged or raw weights of a run or checkpoint. (default: averaged where there are any)")
  var weights: WeightKind?

  @Option(
    help:
      "The directory of the samples, which are not drawn again, and of pictures. (default: evaluation, in the run if MODEL is one)"
  )
  var output: String?

  @Option(
    help:
      "Write the features of test images (reference), floor and samples to this safetensors file, for figures of your own."
  )
  var features: String?

  @OptionGroup var threads: ThreadsOption

  @Flag(help: "Print what was found as one JSON object.")
  var json = false

  func validate() throws {
    try require(
      (dataset == nil) == (samples != nil),
      samples == nil
        ? "give a MODEL and a DATASET, or --samples FILE.idx and a DATASET."
        : "with --samples give the DATASET alone; MODEL makes samples of its own.")
    try require("count", count, in: QualityReference.smallestCount...1_000_000)
    try require("seeds", seeds, in: 1...100)
    let repeated = solver.map(\.text).first { text in solver.count { $0.text == text } > 1 }
    try require(repeated == nil, "--solver \(repeated ?? "") is given twice; name each solver once.")
    if samples != nil {
      try require(
        solver.isEmpty && seeds == 1 && label.label == nil && label.guidance == nil && weights == nil
          && precision.precision == .float32,
        "--solver, --seeds, --label, --guidance, --precision and --weights go with a MODEL, not with --samples."
      )
    }
  }

  func run() throws {
    let watch = Stopwatch()
    let dataset = dataset ?? model
    guard !RunDirectory(dataset).exists else {
      throw ConfigurationError(
        "'\(dataset)' is a run, not a data set; the order is: inkflow evaluate MODEL DATASET")
    }
    let (train, test) = try ImageDataset.loadBoth(dataset, onNote: Terminal.noteOnData)
    let directory =
      output
      ?? (samples == nil && RunDirectory(model).exists
        ? model.appendingPath("evaluation") : "evaluation")
    let source = try samples.map { try EvaluationSource.file($0, of: train) } ?? openSource(train, test)
    let (count, label) = try scope(source, train, test)
    try createDirectory(directory)
    let pictures = EvaluationSession.pictures(in: directory)
    try requireWritable([], labelled: [pictures.closest, pictures.plot])
    if let features { try EvaluationFeatures.requireWritable(features) }
    var progress = ProgressLine(
      whenInterrupted: "what was drawn so far is kept in \(directory); the same command goes on")
    let session = try EvaluationSession(
      source, count: count, train: train, test: test, ofClass: label,
      dataset: dataset, directory: directory, pool: threads.pool, &progress)
    let all = (0..<seeds).map { seed &+ UInt64($0) }
    let found = try (solver.isEmpty ? [.standard] : solver).map { choice in
      try session.found(choice, seeds: all, &progress)
    }
    var report = Report()
    report.add("dataset", dataset)
    if precision.precision != .float32 { report.add("precision", precision.precision.rawValue) }
    report.add("reference_count", session.test.count)
    let (accuracy, checksum) = (session.accuracy, hexadecimal(session.classifier.checksum))
    var classifier = Report()
    classifier.add("accuracy", accuracy)
    classifier.add("checksum", checksum)
    report.add(
      "classifier", classifier,
      as: "\(Terminal.fixed(100 * accuracy, 2)) % of the test images right, checksum \(checksum)")
    session.add(found, to: &report)
    // Hours of work may lie behind: what can't be written must not take the figures with it.
    var failures: [any Error] = []
    do { try session.drawPictures(of: found, &report) } catch { failures.append(error) }
    if let features {
      do {
        try session.writeFeatures(of: found, seeds: all, to: features)
        report.add("features", features)
      } catch { failures.append(error) }
    }
    report.add("seconds", watch.seconds, digits: 1)
    try Terminal.print(report, json: json)
    if let failure = failures.first { throw failure }
  }

  /// How many samples are compared, and with which class of the data; nil for all.
  private func scope(
    _ source: EvaluationSource, _ train: ImageDataset, _ test: ImageDataset
  ) throws(ConfigurationError) -> (Int, Int?) {
    let least = QualityReference.smallestCount
    var (all, label) = (Int.max, Int?.none)
    switch source {
    case .flow(_, let labels): label = labels?.only
    case .file(let pixels): all = pixels.count / train.imageSize
    }
    func available(_ data: ImageDataset) -> Int {
      guard let label else { return data.count }
      return (data.labels ?? []).count { $0 == label }
    }
    let (known, references) = (available(train), available(test))
    guard references >= least, known >= least else {
      throw ConfigurationError(
        "'\(train.name)' has \(known) training and \(references) test images\(label.map { " of class \($0)" } ?? ""); "
          + "evaluate needs at least \(least) of each")
    }
    guard all >= least else {
      throw ConfigurationError(
        "'\(samples ?? "")' has \(all) images; evaluate needs at least \(least), give a file with more")
    }
    let count = count ?? (samples == nil ? min(references, known, 10_000) : all)
    guard (least...min(all, known)).contains(count) else {
      throw ConfigurationError(
        "\(count) samples can't be compared: \(samples.map { "'\($0)' has \(all), and " } ?? "")'\(train.name)' has "
          + "\(known) training images, and the floor takes as many; pass --count with a number from \(least) to "
          + "\(min(all, known))")
    }
    return (count, label)
  }

  private func openSource(_ train: ImageDataset, _ test: ImageDataset) throws -> EvaluationSource {
    let flow = try precision.apply(to: label.guide(openFlow(model, weights)))
    try SourceImages.check(train, [], named: dataset ?? "", for: flow)
    guard let classes = try label.classes(for: flow) else { return .flow(flow, labels: nil) }
    // Data without labels can't be compared at all, which is said where the classifier is made.
    if label.label != nil || test.labels == nil { return .flow(flow, labels: SampleLabels(cycling: classes)) }
    guard let labels = SampleLabels(as: test, of: classes) else {
      throw ConfigurationError(
        "'\(dataset ?? "")' has no test images of the classes that the model was trained on; name the data of the model"
      )
    }
    return .flow(flow, labels: labels)
  }
}
