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

  init(
    of sources: [Source], plan: ReflowPlan, data: (train: ImageDataset, test: ImageDataset), dataset: String,
    on pool: WorkerPool, directory: String
  ) throws {
    let (train, test) = data
    var reason: String?
    if train.imageSize > PixelSpace.largestDimension {
      reason =
        "images of \(train.imageSize) numbers are too large for their covariance; at most "
        + "\(PixelSpace.largestDimension)"
    } else if plan.classes?.count == 1 {
      reason = "the pairs are of one class, and the test images of all"
    }
    if let reason { Terminal.note("no distances: \(reason)") }
    let space = reason == nil ? PixelSpace(train: train, test: test) : nil
    var picture = ReflowPicture(shape: train.shape)
    let rows = try sources.enumerated().map { index, source in
      var flow = try openFlow(source.run.path)
      if plan.classes != nil { flow = try flow.guided(by: plan.guidance(round: index + 1)) }
      let (row, images) = try flow.solving { try Self.row(source, flow, plan, space, pool) }
      picture.append(images)
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
    report.add("components", space?.components.count)
    report.add(
      "frechet_distance_of_training_images",
      space.map { space in
        space.distance(of: (0..<min(plan.samples, train.count)).flatMap { train.normalized($0) })
      }, digits: 2)
    let path = directory.appendingPath("reflow.svg")
    report.add("picture", path)
    report.notes = [
      "straightness: ∫E‖(z1 − z0) − v(z_t, t)‖² dt per dimension on the flow's own paths; 0 is straight",
      "held out loss: of the first flow on test images, of the others on pairs that were held out",
      "evaluations: of rk45 for an image",
    ]
    if space != nil {
      report.notes.append(
        "frechet distances: of samples by \(Self.solvers.joined(separator: ", ")) from the test images, squared, by "
          + "mean and covariance of principal components of the pixels (no FID); as many training images have the "
          + "distance above")
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

  /// One flow's figures, and its samples by each solver.
  private static func row(
    _ source: Source, _ flow: TrainedFlow, _ plan: ReflowPlan, _ space: PixelSpace?, _ pool: WorkerPool
  ) throws -> (Report, [Samples]) {
    var progress = ProgressLine(
      whenInterrupted: "all rounds are complete; the same command with --resume makes the report")
    func show(_ solver: String) -> (Double) throws -> Void {
      { try progress.show($0, of: plan.samples, "images: report, \(source.name), \(solver)") }
    }
    let numbers = 0..<plan.samples
    let labels = plan.origin(round: 1, model: 0).labels(numbers)
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
    let distances = space.map { space in images.map { space.distance(of: $0.values) } }
    var row = Report()
    row.add("name", source.name)
    row.add("run", source.run.path, as: "")
    row.add("checkpoint", flow.path, as: "")
    row.add("straightness", mean.mean, digits: 4)
    row.add("straightness_error", mean.standardError, digits: 4)
    row.add("held_out_loss", try StepMetrics.lastHeldOut(of: source.run)?.heldOutLoss, digits: 4)
    row.add(
      "frechet_distances", distances,
      as: distances?.map { Terminal.fixed($0, 2) }.joined(separator: " "))
    row.add("evaluations", MeanEstimate(solved.evaluations.map { Double($0) }).mean, digits: 1)
    return (row, images)
  }
}

/// Rows of flows, columns of solvers; in each cell a small sheet from the same noise.
private struct ReflowPicture {
  private static let imagesPerCell = 8
  let shape: ImageShape
  private var cells: [PNGImage] = []
  private var columns = 1

  init(shape: ImageShape) { self.shape = shape }

  /// Adds a row: images of each solver.
  mutating func append(_ samples: [Samples]) {
    columns = samples.count
    cells += samples.map { samples in
      let some = Array(samples.values.prefix(Self.imagesPerCell * shape.count))
      return ContactSheet.image(
        pixels: Pixels.bytes(some.span), of: shape, columns: Self.imagesPerCell / 2, padding: 1)
    }
  }

  func sheet(flows: [String], solvers: [String]) -> LabelledSheet {
    let cell = ImageShape(height: cells[0].height, width: cells[0].width, channels: shape.channels)
    return LabelledSheet(
      title: "Samples of each flow, by solver",
      ContactSheet.image(
        pixels: cells.flatMap(\.pixels), of: cell, columns: columns, padding: 16, scale: 1),
      columns: solvers, rows: flows)
  }
}
