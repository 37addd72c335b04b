import Evaluation
import Files
import Foundation
import Imagery
import Kernels
import Sampling
import Statistics
import Training

/// What the rounds of a reflow have come to: draws samples of each flow, and writes `report.json` and `reflow.svg`.
struct ReflowReport {
  /// A flow to report on.
  struct Source {
    let name: String
    let run: RunDirectory
  }

  private static let eulerSteps = [1, 2, 4, 8]
  private static let solvers = eulerSteps.map { "euler \($0)" } + ["rk45"]

  private(set) var report = Report()

  /// - Parameters:
  ///   - labels: of the samples of a conditional flow.
  ///   - judge: nil for a report without distances.
  init(
    of sources: [Source], plan: ReflowPlan, shape: ImageShape, dataset: String, labels: SampleLabels?,
    judge: ReflowJudge?, on pool: WorkerPool, directory: String
  ) throws {
    var picture = ReflowPicture(shape: shape)
    let rows = try sources.enumerated().map { index, source in
      var flow = try openFlow(source.run.path)
      if plan.classes != nil { flow = try flow.guided(by: plan.guidance(round: index + 1)) }
      let (row, images, distances) = try flow.solving {
        try Self.row(source, flow, plan, labels, judge, pool)
      }
      picture.append(images, distances)
      return row
    }
    report.add("flows", rows)
    report.add("dataset", dataset)
    report.add("samples", plan.samples)
    report.add("seed", plan.seed)
    report.add("rtol", plan.rtol)
    report.add("atol", plan.atol)
    report.add("classes", plan.classes, as: plan.classes?.map(\.text).joined(separator: ", "))
    report.add("guidance", plan.guidance)
    report.add("solvers", Self.solvers, as: "")
    report.add("frechet_floor", judge?.floor.frechet, digits: 3)
    let path = directory.appendingPath("reflow.svg")
    report.add("picture", path)
    report.notes = [
      "straightness: ∫E‖(z1 − z0) − v(z_t, t)‖² dt per dimension on the flow's own paths; 0 is straight",
      "held out loss: of the first flow on test images, of the others on pairs that were held out",
      "evaluations: of rk45 for an image",
    ]
    if let judge {
      report.notes.append(
        "frechet distances: of samples by \(Self.solvers.joined(separator: ", ")) from the test images, in the features "
          + "of evaluate's classifier (no FID); the floor is that of \(judge.floorCount) training images, and a distance "
          + "depends on how many they are")
    }
    try picture.sheet(flows: sources.map(\.name), solvers: Self.solvers).write(
      to: path,
      text: report.pictureText("dataset", "seed", "classes", "guidance") + [
        ("rows", sources.map(\.name).joined(separator: ", ")),
        ("columns", Self.solvers.joined(separator: ", ")),
      ])
    try writeDurably(
      directory.appendingPath("report.json"), Array(try report.json.utf8) + [10])
  }

  /// One flow's figures, its samples by each solver, and their distances.
  private static func row(
    _ source: Source, _ flow: TrainedFlow, _ plan: ReflowPlan, _ labels: SampleLabels?, _ judge: ReflowJudge?,
    _ pool: WorkerPool
  ) throws -> (Report, [Samples], [Double]?) {
    var progress = ProgressLine(
      whenInterrupted: "all rounds are complete; the same command with --resume makes the report")
    func show(_ solver: String) -> (Double) throws -> Void {
      { try progress.show($0, of: plan.samples, "images: report, \(source.name), \(solver)") }
    }
    let numbers = 0..<plan.samples
    let labels = labels?.of(numbers)
    var images = try eulerSteps.map { steps in
      try flow.sample(
        numbers, seed: plan.seed, solver: .fixed(.euler, steps: steps), labels: labels, on: pool,
        progress: show("euler \(steps)"))
    }
    let (solved, straightness) = try flow.straightness(
      numbers, seed: plan.seed, rtol: plan.rtol, atol: plan.atol, labels: labels, on: pool,
      progress: show("rk45"))
    images.append(solved)
    let mean = MeanEstimate(straightness)
    let scores = try judge.map { judge in
      try zip(images, solvers).map { images, solver in
        try judge.scores(images.pixels) {
          try progress.show("report: scoring \(source.name), \(solver)", fraction: 0)
        }
      }
    }
    var row = Report()
    row.add("name", source.name)
    row.add("run", source.run.path, as: "")
    row.add("checkpoint", flow.path, as: "")
    row.add("straightness", mean.mean, digits: 4)
    row.add("straightness_error", mean.standardError, digits: 4)
    row.add("held_out_loss", try StepMetrics.lastHeldOut(of: source.run)?.heldOutLoss, digits: 4)
    let distances = scores?.map(\.frechet)
    func text(_ numbers: [Double]?) -> String? {
      numbers?.map { Terminal.fixed($0, 3) }.joined(separator: " ")
    }
    row.add("frechet_distances", distances, as: text(distances))
    let errors = scores?.map(\.frechetError)
    row.add("frechet_errors", errors, as: text(errors))
    row.add("evaluations", MeanEstimate(solved.evaluations.map { Double($0) }).mean, digits: 1)
    return (row, images, distances)
  }
}

/// Compares samples of a flow with test images, as `evaluate` does: with all of them, or those of the pairs' classes.
struct ReflowJudge {
  /// Of training images, as if they were samples: as many, if there are so many.
  let floor: QualityScores
  let floorCount: Int
  private let classifier: ClassifierFeatures
  private let reference: QualityReference
  private let pool: WorkerPool

  /// Why there can be no distances; nil where there can.
  static func obstacle(_ train: ImageDataset, _ test: ImageDataset, _ plan: ReflowPlan) -> String? {
    do { try ClassifierFeatures.classes(train, test) } catch { return "\(error)" }
    let least = QualityReference.smallestCount
    for data in [train, test] {
      let count = numbers(data, plan).count
      if count < least { return "'\(data.name)' has \(count) images to compare with, and needs \(least)" }
    }
    return nil
  }

  /// - Parameter dataset: as the command line names it.
  init(
    _ train: ImageDataset, _ test: ImageDataset, dataset: String, _ plan: ReflowPlan, on pool: WorkerPool
  ) throws {
    let goingOn = "the same command with --resume makes the report"
    let classifier = try ClassifierFeatures(
      train: train, test: test, of: dataset, on: pool, goingOn: goingOn)
    (self.classifier, self.pool) = (classifier, pool)
    let check = { try Interruption.check(goingOn) }
    reference = try QualityReference(
      classifier.classify(test.images(Self.numbers(test, plan)).pixels, on: pool, check: check),
      classCount: classifier.classCount, on: pool, check: check)
    let known = train.images(Self.numbers(train, plan))
    floorCount = min(plan.samples, known.count)
    floor = try reference.scores(
      of: classifier.classify(known.some(floorCount), on: pool, check: check), check: check)
  }

  /// Images of the classes that the pairs go through.
  private static func numbers(_ data: ImageDataset, _ plan: ReflowPlan) -> [Int] {
    guard let classes = plan.classes, let labels = data.labels else { return Array(0..<data.count) }
    return labels.indices.filter { classes.contains(Int(labels[$0])) }
  }

  /// - Parameters:
  ///   - pixels: [count, height, width, channels].
  ///   - check: is called often; what it throws ends the work.
  func scores(_ pixels: [UInt8], check: () throws -> Void) throws -> QualityScores {
    try reference.scores(of: classifier.classify(pixels, on: pool, check: check), check: check)
  }
}

/// Rows of flows, columns of solvers; in each cell a small sheet from the same noise.
private struct ReflowPicture {
  private static let imagesPerCell = 8
  let shape: ImageShape
  private var cells: [PNGImage] = []
  private var captions: [String] = []
  private var columns = 1

  init(shape: ImageShape) { self.shape = shape }

  /// Adds a row: images of each solver, and their distances.
  mutating func append(_ samples: [Samples], _ distances: [Double]?) {
    captions += (distances ?? []).map { Terminal.fixed($0, 3) }
    columns = samples.count
    cells += samples.map { samples in
      let some = Array(samples.values.prefix(Self.imagesPerCell * shape.count))
      return ContactSheet.image(
        pixels: Pixels.bytes(some.span), of: shape, columns: Self.imagesPerCell / 2, padding: 1)
    }
  }

  func sheet(flows: [String], solvers: [String]) -> LabelledSheet {
    let gap = captions.isEmpty ? 16 : 24
    let cell = ImageShape(height: cells[0].height, width: cells[0].width, channels: shape.channels)
    return LabelledSheet(
      title: "Samples of each flow, by solver"
        + (captions.isEmpty ? "" : ", and their distance from test images"),
      ContactSheet.image(
        pixels: cells.flatMap(\.pixels), of: cell, columns: columns, padding: gap, scale: 1),
      columns: solvers, rows: flows, captions: captions.isEmpty ? nil : .init(captions, gap: gap))
  }
}
