import Evaluation
import Files
import Flow
import Foundation
import Imagery
import Kernels

extension EvaluationSession {
  func add(_ all: [Found], to report: inout Report) {
    let rows = all.map(row)
    report.add("results", rows, as: (rows + [floorRow("floor")]).text)
    report.add("floor", floorRow(nil), as: "")
    report.add("held_out_nearest", median(nearestHeldOut.distances), digits: 2)
    report.add("held_out_copies", heldOut.copies, as: heldOut.copies == 0 ? "" : nil)
    let verdict = Verdict(
      on: all.map(\.scores), floor: floor.scores, heldOut: heldOut, accuracy: accuracyOfDrawn,
      canBeGuided: canBeGuided
    ).description
    report.add("verdict", verdict, as: "")
    let seeds = all[0].scores.seeds.count
    report.notes = [
      "floor: what as many training images have when they are taken for samples; of nearer than held out, what an honest "
        + "model has",
      "errors: "
        + (seeds > 1
          ? "standard errors over \(seeds) seeds"
          : "of frechet from drawing the samples anew with repetition, of kid from leaving out each of them"),
      "nearest: the median over samples of the distance to the nearest training image, root mean square in grey levels",
    ]
    if isGuided {
      report.notes.append("evaluations: of the network, which guidance runs twice where the solver asks once")
    }
    if heldOut.copies > 0 {
      report.notes.append(
        "held out copies: test images that are exact copies of training images; they set no limit for nearer than held "
          + "out")
    }
    report.notes.append(verdict)
  }

  private var isGuided: Bool {
    if case .flow(let flow, _) = source { return flow.guidance != 1 }
    return false
  }

  private var canBeGuided: Bool {
    if case .flow(let flow, _) = source { return !isGuided && flow.configuration?.unconditionalClass != nil }
    return false
  }

  /// What samples and training images both have, but the solver's name, which is nil for programs.
  private func floorRow(_ name: String?) -> Report {
    var row = Report()
    row.add("solver", name)
    row.add("count", count)
    row.add("frechet", floor.scores.frechet, digits: 3)
    row.add("frechet_error", floor.scores.frechetError, digits: 3)
    row.add("kid", floor.scores.kernel.value, digits: 4)
    row.add("kid_error", floor.scores.kernel.error, digits: 4)
    row.add("precision", floor.scores.precision, digits: 3)
    row.add("recall", floor.scores.recall, digits: 3)
    row.add("class_entropy", floor.scores.classEntropy, digits: 3)
    row.add("nearer_than_held_out", heldOut.expected, digits: 4)
    return row
  }

  private func row(_ found: Found) -> Report {
    var row = Report()
    let scores = found.scores
    row.add("solver", scores.name)
    row.add("evaluations", scores.evaluations, digits: 1)
    row.add("count", count)
    row.add("frechet", scores.frechet, digits: 3)
    row.add("frechet_error", scores.frechetError, digits: 3)
    row.add("frechet_floor", floor.scores.frechet, as: "")
    row.add("kid", scores.mean(\.kernel.value), digits: 4)
    row.add("kid_error", scores.error(\.kernel.value, ofOne: \.kernel.error), digits: 4)
    row.add("precision", scores.mean(\.precision), digits: 3)
    row.add("recall", scores.mean(\.recall), digits: 3)
    row.add("class_entropy", scores.mean(\.classEntropy), digits: 3)
    row.add("nearer_than_held_out", scores.nearerThanHeldOut, digits: 4)
    row.add("nearest", median(found.nearest.distances), digits: 2)
    row.add("label_agreement", scores.labelAgreement, digits: 4)
    return row
  }

  // MARK: Pictures

  /// Where pictures go.
  static func pictures(in directory: String) -> (closest: String, plot: String) {
    (directory.appendingPath("closest.svg"), directory.appendingPath("evaluation.svg"))
  }

  func drawPictures(of all: [Found], _ report: inout Report) throws {
    let paths = Self.pictures(in: directory)
    try closestPairs(all[0]).write(to: paths.closest, text: report.pictureText("dataset"))
    report.add("closest_pairs", paths.closest)
    if all.count > 1 {
      try plot(all).write(to: paths.plot)
      report.add("picture", paths.plot)
    }
  }

  /// The samples that are nearest to a training image, each above it; then the same of test images.
  private func closestPairs(_ found: Found) -> LabelledSheet {
    let (columns, size) = (min(10, count, test.count), train.imageSize)
    func image(_ pixels: [UInt8], _ number: Int) -> ArraySlice<UInt8> {
      pixels[number * size..<(number + 1) * size]
    }
    var pixels: [UInt8] = []
    for (source, nearest) in [(found.pixels, found.nearest), (test.pixels, nearestHeldOut)] {
      let order = nearest.distances.indices.sorted {
        (nearest.shares[$0], $0) < (nearest.shares[$1], $1)
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
    let points = all.compactMap { found in
      found.scores.evaluations.map { (found, $0, max(found.scores.frechet, 1e-6)) }
    }
    let level = max(floor.scores.frechet, 1e-6)
    let x = logarithmicRange(around: points.map(\.1), by: 1.3)
    var plot = Plot(
      title: "Classifier Fréchet distance by evaluations", side: 420,
      x: .init(x, label: "evaluations for an image", isLogarithmic: true),
      y: .init(
        logarithmicRange(around: points.map(\.2) + [level], by: 1.5), label: "distance", isLogarithmic: true))
    plot.line([x.lowerBound / 2, level, x.upperBound * 2, level], from: .plotGrey)
    var legend: [(String, PlotColor)] = []
    for method in SolverOptions.Method.allCases {
      for grid in TimeGrid.allCases {
        let ours = points.filter { $0.0.choice?.method == method && $0.0.choice?.grid == grid }
          .sorted { $0.1 < $1.1 }.flatMap { [$0.1, $0.2] }
        if ours.isEmpty { continue }
        let color = grid.shade(of: method.color)
        plot.line(ours, thickness: 1.6, from: color)
        plot.points(ours, radius: 3.5, color, opacity: 1)
        legend.append((method.rawValue + (grid == .uniform ? "" : ":\(grid.rawValue)"), color))
      }
    }
    plot.legend(legend + [("training images", .plotGrey)])
    return plot
  }
}

extension SolverOptions.Method {
  fileprivate var color: PlotColor {
    switch self {
    case .euler: .plotBlue
    case .midpoint: .plotOrange
    case .heun: SIMD3(0.25, 0.62, 0.35)
    case .rk4: SIMD3(0.62, 0.36, 0.71)
    case .rk45: SIMD3(0.80, 0.22, 0.27)
    case .ab2: SIMD3(0.20, 0.65, 0.70)
    case .dpmpp2M: SIMD3(0.55, 0.45, 0.30)
    case .eab3: SIMD3(0.90, 0.45, 0.65)
    case .sde: SIMD3(0.60, 0.62, 0.15)
    }
  }
}

extension TimeGrid {
  /// A method's colour, darker or lighter on another grid than the uniform one.
  fileprivate func shade(of color: PlotColor) -> PlotColor {
    switch self {
    case .uniform: color
    case .edm: 0.5 * color + SIMD3(repeating: 0.45)
    case .logit: 0.6 * color
    }
  }
}

private func median(_ values: [Double]) -> Double {
  let sorted = values.sorted()
  return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
}
