import Evaluation
import Files
import Foundation
import Imagery
import Kernels

extension EvaluationSession {
  func add(_ all: [Found], to report: inout Report) throws {
    let rows = all.map(row)
    report.add("results", rows, as: (rows + [floorRow("floor")]).text)
    report.add("floor", floorRow(nil), as: "")
    report.add("held_out_nearest", median(nearestHeldOut.distances), digits: 2)
    let closest = directory.appendingPath("closest.svg")
    try closestPairs(all[0]).write(to: closest, text: report.pictureText("dataset"))
    report.add("closest_pairs", closest)
    if all.count > 1 {
      let path = directory.appendingPath("evaluation.svg")
      try plot(all).write(to: path)
      report.add("picture", path)
    }
    let verdict = verdict(all)
    report.add("verdict", verdict, as: "")
    report.notes = [
      "floor: what as many training images have when they are taken for samples",
      "errors: "
        + (all[0].seeds.count > 1
          ? "standard errors over \(all[0].seeds.count) seeds"
          : "of frechet from drawing the samples anew with repetition, of kid from leaving out each of them"),
      "nearest: the median over samples of the distance to the nearest training image, root mean square in grey levels",
      verdict,
    ]
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
    return row
  }

  private func row(_ found: Found) -> Report {
    var row = Report()
    row.add("solver", found.name)
    row.add("evaluations", found.evaluations, digits: 1)
    row.add("count", count)
    row.add("frechet", found.frechet, digits: 3)
    row.add("frechet_error", found.frechetError, digits: 3)
    row.add("frechet_floor", floor.scores.frechet, as: "")
    row.add("kid", found.mean(\.kernel.value), digits: 4)
    row.add("kid_error", found.error(\.kernel.value, ofOne: \.kernel.error), digits: 4)
    row.add("precision", found.mean(\.precision), digits: 3)
    row.add("recall", found.mean(\.recall), digits: 3)
    row.add("class_entropy", found.mean(\.classEntropy), digits: 3)
    row.add("nearer_than_held_out", found.nearerThanHeldOut, digits: 4)
    row.add("nearest", median(found.nearest.distances), digits: 2)
    if found.seeds[0].scores.labelAgreement != nil {
      row.add("label_agreement", found.mean { $0.labelAgreement ?? 0 }, digits: 4)
    }
    return row
  }

  /// Which figure is far from its floor, and what usually helps.
  private func verdict(_ all: [Found]) -> String {
    guard let best = all.min(by: { $0.frechet < $1.frechet }) else {
      preconditionFailure("nothing was scored")
    }
    let floor = floor.scores
    func percent(_ share: Double) -> String { "\(Int((100 * share).rounded())) %" }
    func distance(_ found: Found) -> String { "\(Terminal.fixed(found.frechet / floor.frechet, 1)) times" }
    if let copier = all.max(by: { $0.nearerThanHeldOut < $1.nearerThanHeldOut }),
      copier.nearerThanHeldOut > 0.02
    {
      return
        "\(percent(copier.nearerThanHeldOut)) of the samples are copies of training images, or nearly: the model has "
        + "learnt them by heart; give it more images, or fewer steps"
    }
    if best.seeds[0].scores.labelAgreement != nil {
      let agreement = best.mean { $0.labelAgreement ?? 0 }
      if agreement < 0.9 {
        return
          "only \(percent(agreement)) of the samples are of the class asked for: train longer, or pass --guidance 2"
      }
    }
    let (precision, recall) = (best.mean(\.precision), best.mean(\.recall))
    let (strange, missing) = (floor.precision - precision, floor.recall - recall)
    if best.frechet - floor.frechet < max(3 * best.frechetError, floor.frechet), max(strange, missing) < 0.05
    {
      return "the samples can hardly be told from as many training images by these figures"
    }
    let fewer = all.filter { ($0.evaluations ?? 0) < best.evaluations ?? 0 }
    if let coarse = fewer.max(by: { $0.frechet < $1.frechet }), coarse.frechet > 1.5 * best.frechet {
      return
        "the distance is \(distance(best)) its floor at \(best.name), \(distance(coarse)) at \(coarse.name): more "
        + "evaluations help there; where they no longer do, training longer does"
    }
    let far = "the distance is \(distance(best)) its floor"
    if strange >= 0.05 && 2 * strange >= missing {
      return
        "\(far), and \(percent(1 - precision)) of the samples lie where no test image does (floor "
        + "\(percent(1 - floor.precision))): training longer usually helps, and averaged weights"
    }
    if missing >= 0.05 {
      return
        "\(far), and \(percent(1 - recall)) of the test images lie where no sample does (floor "
        + "\(percent(1 - floor.recall))): the model leaves kinds out; training longer or a larger --preset usually helps"
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
    let points = all.compactMap { found in found.evaluations.map { (found, $0, found.frechet) } }
    let (most, least) = (points.map(\.1).max() ?? 1, points.map(\.1).min() ?? 1)
    let top = points.map(\.2).max() ?? 1
    var plot = Plot(
      title: "Classifier Fréchet distance by evaluations", side: 420,
      x: .init(least / 1.3...most * 1.3, label: "evaluations for an image", isLogarithmic: true),
      y: .init(max(floor.scores.frechet, 1e-6) / 1.5...top * 1.5, label: "distance", isLogarithmic: true))
    plot.line([least / 2, floor.scores.frechet, most * 2, floor.scores.frechet], from: .plotGrey)
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
