import ArgumentParser
import Evaluation
import Files
import Flow
import Foundation
import Imagery
import Kernels
import Sampling
import Statistics

/// A solver as `evaluate --solver` names it: heun:10, rk45:1e-3.
struct SolverChoice: ExpressibleByArgument {
  let method: SolverOptions.Method
  let solver: Solver
  let text: String

  static let standard = SolverChoice(.rk45, .standard, "rk45:0.001")

  private init(_ method: SolverOptions.Method, _ solver: Solver, _ text: String) {
    (self.method, self.solver, self.text) = (method, solver, text)
  }

  init?(argument: String) {
    let parts = argument.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard parts.count <= 2, let method = SolverOptions.Method(rawValue: parts[0]) else { return nil }
    if method == .rk45 {
      guard let tolerance = parts.count == 2 ? Double(parts[1]) : 1e-3, tolerance > 0, tolerance <= 1 else {
        return nil
      }
      self.init(method, .adaptive(rtol: tolerance, atol: tolerance), "rk45:\(tolerance)")
    } else {
      guard let steps = parts.count == 2 ? Int(parts[1]) : 50, (1...1_000_000).contains(steps) else {
        return nil
      }
      self.init(method, .fixed(method.tableau, steps: steps), "\(method.rawValue):\(steps)")
    }
  }
}

/// What is scored: the samples of a model, or images of a file.
enum EvaluationSource {
  /// - Parameter classes: of which sample number i has the i-th modulo their count.
  case flow(TrainedFlow, classes: [Int]?)
  case file(pixels: [UInt8], count: Int)

  /// - Throws: `FileError` where the file holds no images of the data set's size.
  static func file(_ path: String, of data: ImageDataset) throws(FileError) -> EvaluationSource {
    let array = try IDXFile.read(path)
    let shape = [data.height, data.width] + (data.channels == 1 ? [] : [data.channels])
    guard Array(array.dimensions.dropFirst()) == shape, array.dimensions[0] >= 8 else {
      throw FileError(
        .malformed, path, "has dimensions \(array.dimensions); '\(data.name)' has images of \(shape)",
        remedy: "give at least 8 images of that size as IDX of bytes, as 'inkflow sample --idx' writes them")
    }
    return .file(pixels: array.bytes, count: array.dimensions[0])
  }
}

/// Scores the samples of one solver after the other.
struct EvaluationSession {
  let source: EvaluationSource
  let count: Int
  let features: ClassifierFeatures
  let reference: QualityReference
  let train: ImageDataset
  /// Of as many training images.
  let floor: QualityScores
  /// Of the test images.
  let nearestHeldOut: NearestImages
  let directory: String
  let pool: WorkerPool
  /// The test images.
  let heldOutPixels: [UInt8]

  /// What was found of one solver.
  struct Found {
    /// Nil for images of a file.
    let choice: SolverChoice?
    /// A mean for each image.
    let evaluations: Double?
    /// Of each seed.
    let scores: [QualityScores]
    /// The shares nearer to a training image than any test image is, of each seed.
    let nearer: [Double]
    /// Of the first seed.
    let pixels: [UInt8]
    let nearest: NearestImages

    func mean(_ value: (QualityScores) -> Double) -> Double {
      scores.map(value).reduce(0, +) / Double(scores.count)
    }

    /// The standard error over seeds; of one seed, what it says of itself.
    func error(_ value: (QualityScores) -> Double, ofOne: (QualityScores) -> Double?) -> Double? {
      guard scores.count > 1 else { return ofOne(scores[0]) }
      let mean = mean(value)
      let squares = scores.reduce(0) { $0 + (value($1) - mean) * (value($1) - mean) }
      return (squares / Double(scores.count - 1) / Double(scores.count)).squareRoot()
    }

    var frechet: Double { mean(\.frechet) }
    var frechetError: Double { error(\.frechet) { $0.frechetError } ?? 0 }
    var nearerThanHeldOut: Double { nearer.reduce(0, +) / Double(nearer.count) }
  }

  func found(_ choice: SolverChoice, seeds: [UInt64], _ progress: inout ProgressLine) throws -> Found {
    switch source {
    case .file(let pixels, _):
      let nearest = try nearest(pixels, "the file's images", &progress)
      return Found(
        choice: nil, evaluations: nil, scores: [reference.scores(of: features.classify(pixels, on: pool))],
        nearer: [nearer(nearest)], pixels: pixels, nearest: nearest)
    case .flow(let flow, let classes):
      let store = SampleStore(directory.appendingPath("samples"))
      var (scores, nearers, evaluations) = ([QualityScores](), [Double](), 0)
      var first: ([UInt8], NearestImages)?
      for seed in seeds {
        let what = "\(choice.text)\(seeds.count > 1 ? ", seed \(seed)" : "")"
        var line = progress
        let drawn = try flow.solving {
          try store.samples(
            of: flow, count, seed: seed, solver: choice.solver, classes: classes, on: pool,
            progress: { try line.show(Double($0) / Double(count), of: count, "samples by \(what)") })
        }
        progress = line
        let labels = classes.map { classes in (0..<count).map { classes[$0 % classes.count] } }
        scores.append(
          reference.scores(of: features.classify(drawn.pixels, on: pool), labels: labels))
        let nearest = try nearest(drawn.pixels, "the samples by \(what)", &progress)
        nearers.append(nearer(nearest))
        evaluations += drawn.evaluations.reduce(0, +)
        if first == nil { first = (drawn.pixels, nearest) }
      }
      guard let first else { preconditionFailure("an evaluation has at least one seed") }
      return Found(
        choice: choice, evaluations: Double(evaluations) / Double(count * seeds.count), scores: scores,
        nearer: nearers, pixels: first.0, nearest: first.1)
    }
  }

  private func nearest(
    _ pixels: [UInt8], _ what: String, _ progress: inout ProgressLine
  ) throws -> NearestImages {
    try NearestImages(to: pixels, in: train, on: pool) {
      try progress.show("nearest training images of \(what), \(Int(100 * $0)) %", fraction: $0)
    }
  }

  private func nearer(_ nearest: NearestImages) -> Double {
    let closest = nearestHeldOut.distances.min() ?? 0
    return Double(nearest.distances.count { $0 < closest }) / Double(nearest.distances.count)
  }

  // MARK: Report

  func add(_ all: [Found], to report: inout Report) throws {
    report.add("results", all.map(row))
    var row = Report()
    row.add("frechet", floor.frechet, digits: 3)
    row.add("kid", floor.kernel.value, as: String(format: "%.4f", floor.kernel.value))
    row.add("precision", floor.precision, digits: 3)
    row.add("recall", floor.recall, digits: 3)
    row.add("class_entropy", floor.classEntropy, digits: 3)
    report.add("floor", [row])
    report.add("held_out_nearest", median(nearestHeldOut.distances), digits: 2)
    let closest = directory.appendingPath("closest.svg")
    try closestPairs(all[0]).write(to: closest, text: report.pictureText("dataset"))
    report.add("closest_pairs", closest)
    if all.count > 1 {
      let path = directory.appendingPath("evaluation.svg")
      try plot(all).write(to: path)
      report.add("picture", path)
    }
    report.notes = [
      "floor: what as many training images have when they are taken for samples",
      "errors: "
        + (all[0].scores.count > 1
          ? "standard errors over \(all[0].scores.count) seeds"
          : "of frechet from drawing the samples anew with repetition, of kid from blocks of \(KernelDistance.blockSize)"),
      "nearest: the median over samples of the distance to the nearest training image, root mean square in grey levels",
      verdict(all),
    ]
  }

  private func row(_ found: Found) -> Report {
    var row = Report()
    row.add("solver", found.choice?.text ?? "file")
    row.add("evaluations", found.evaluations, digits: 1)
    row.add("count", count)
    row.add("frechet", found.frechet, digits: 3)
    row.add("frechet_error", found.frechetError, digits: 3)
    row.add("frechet_floor", floor.frechet, as: "")
    row.add("kid", found.mean { $0.kernel.value }, digits: 4)
    row.add("kid_error", found.error({ $0.kernel.value }, ofOne: { $0.kernel.error }), digits: 4)
    row.add("precision", found.mean(\.precision), digits: 3)
    row.add("recall", found.mean(\.recall), digits: 3)
    row.add("class_entropy", found.mean(\.classEntropy), digits: 3)
    row.add("nearer_than_held_out", found.nearerThanHeldOut, digits: 4)
    row.add("nearest", median(found.nearest.distances), digits: 2)
    if found.scores[0].labelAgreement != nil {
      row.add("label_agreement", found.mean { $0.labelAgreement ?? 0 }, digits: 4)
    }
    return row
  }

  /// Which figure is far from its floor, and what usually helps.
  private func verdict(_ all: [Found]) -> String {
    let best = all.min { $0.frechet < $1.frechet } ?? all[0]
    if best.nearerThanHeldOut > 0.02 {
      return
        "\(Int((100 * best.nearerThanHeldOut).rounded())) % of the samples are copies of training images, or nearly: "
        + "the model has learnt them by heart; give it more images, or fewer steps"
    }
    if let agreement = best.scores[0].labelAgreement, agreement < 0.9 {
      return
        "only \(Int(100 * agreement)) % of the samples are of the class asked for: train longer, or pass --guidance 2"
    }
    if best.frechet - floor.frechet < max(3 * best.frechetError, floor.frechet) {
      return "the samples can hardly be told from as many training images by these figures"
    }
    if all.count > 1, let last = all.last(where: { $0.choice?.text != best.choice?.text }),
      last.frechet > 1.5 * best.frechet
    {
      return
        "the distance is \(String(format: "%.1f", best.frechet / floor.frechet)) times its floor at \(best.choice?.text ?? ""), "
        + "\(String(format: "%.1f", last.frechet / floor.frechet)) times at \(last.choice?.text ?? ""): more evaluations help "
        + "there; where they no longer do, training longer does"
    }
    let (precision, recall) = (best.mean(\.precision), best.mean(\.recall))
    let far = "the distance is \(String(format: "%.1f", best.frechet / floor.frechet)) times its floor"
    if floor.precision - precision > 0.05 && floor.precision - precision >= floor.recall - recall {
      return
        "\(far), and \(Int(100 * (1 - precision))) % of the samples lie where no test image does (floor "
        + "\(Int(100 * (1 - floor.precision))) %): training longer usually helps, and averaged weights"
    }
    if floor.recall - recall > 0.05 {
      return
        "\(far), and \(Int(100 * (1 - recall))) % of the test images lie where no sample does (floor "
        + "\(Int(100 * (1 - floor.recall))) %): the model leaves kinds out; training longer or a larger --preset usually "
        + "helps"
    }
    return "\(far): training longer usually helps, then more evaluations"
  }

  // MARK: Pictures

  /// The samples that are nearest to a training image, each above it; then the same of test images.
  private func closestPairs(_ found: Found) -> LabelledSheet {
    let (columns, size) = (min(10, count), train.imageSize)
    func image(_ pixels: [UInt8], _ number: Int) -> ArraySlice<UInt8> {
      pixels[number * size..<(number + 1) * size]
    }
    var pixels: [UInt8] = []
    for (source, nearest) in [(found.pixels, found.nearest), (heldOutPixels, nearestHeldOut)] {
      let order = nearest.distances.indices.sorted {
        (nearest.distances[$0], $0) < (nearest.distances[$1], $1)
      }.prefix(columns)
      for number in order { pixels += image(source, number) }
      for number in order { pixels += image(train.pixels, nearest.numbers[number]) }
    }
    return LabelledSheet(
      title: "The closest pairs, and the closest of test images",
      ContactSheet.image(
        pixels: pixels, of: ImageShape(height: train.height, width: train.width, channels: train.channels),
        columns: columns), columns: [],
      rows: ["sample", "training image", "test image", "training image"])
  }

  /// Distance against evaluations, a line a method.
  private func plot(_ all: [Found]) -> Plot {
    let points = all.compactMap { found in found.evaluations.map { (found, $0, found.frechet) } }
    let (most, least) = (points.map(\.1).max() ?? 1, points.map(\.1).min() ?? 1)
    let top = points.map(\.2).max() ?? 1
    var plot = Plot(
      title: "Classifier Fréchet distance by evaluations", side: 420,
      x: .init(least / 1.3...most * 1.3, label: "evaluations for an image", isLogarithmic: true),
      y: .init(max(floor.frechet, 1e-6) / 1.5...top * 1.5, label: "distance", isLogarithmic: true))
    plot.line([least / 2, floor.frechet, most * 2, floor.frechet], from: .plotGrey)
    let colors: [PlotColor] = [
      .plotBlue, .plotOrange, SIMD3(0.25, 0.62, 0.35), SIMD3(0.62, 0.36, 0.71), SIMD3(0.80, 0.22, 0.27),
    ]
    var legend: [(String, PlotColor)] = []
    for (method, color) in zip(SolverOptions.Method.allCases, colors) {
      let ours = points.filter { $0.0.choice?.method == method }.sorted { $0.1 < $1.1 }.flatMap {
        [$0.1, $0.2]
      }
      if ours.isEmpty { continue }
      plot.line(ours, thickness: 1.6, from: color)
      plot.points(ours, radius: 3.5, color, opacity: 1)
      legend.append((method.rawValue, color))
    }
    plot.legend(legend + [("training images", .plotGrey)])
    return plot
  }
}

private func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}
