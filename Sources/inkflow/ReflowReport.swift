import Files
import Flow
import Foundation
import Imagery
import Sampling
import Training

/// What the rounds of a reflow have come to: `report.json`, the printed table, and the picture.
struct ReflowReport: Encodable {
  /// A flow to report on.
  struct Source {
    let name: String
    let run: RunDirectory
  }

  /// One flow's figures.
  struct Flow: Encodable {
    let name: String
    let run: String
    let checkpoint: String
    /// Per dimension, on the flow's own paths, with the mean's standard error.
    let straightness: Double
    let straightnessError: Double
    /// On its own held-out data: test images for the first flow, pairs for the others.
    let heldOutLoss: Double?
    /// For `solvers`, in their order.
    let frechetDistances: [Double]?
    /// Mean evaluations of rk45 for an image.
    let evaluations: Double
  }

  static let eulerSteps = [1, 2, 4, 8]

  let dataset: String
  let samples: Int
  let seed: UInt64
  let rtol: Double
  let atol: Double
  let solvers: [String]
  /// Principal components of the training images in whose space the distances are; nil where images are too large.
  let components: Int?
  /// Of as many training images as there are samples, at most: what finite numbers alone make of perfect samples.
  let frechetDistanceOfTrainingImages: Double?
  let flows: [Flow]
  let picture: String

  /// Draws samples of each flow, and writes `report.json` and `reflow.svg`.
  init(
    of sources: [Source], plan: ReflowPlan, data: (train: ImageDataset, test: ImageDataset), dataset: String,
    samples count: Int, threads: Int, directory: String
  ) throws {
    let (train, test) = data
    let isSmall = train.imageSize <= PixelSpace.largestDimension
    if !isSmall {
      Terminal.note(
        "no distances: images of \(train.imageSize) numbers are too large for their covariance; at most "
          + "\(PixelSpace.largestDimension)")
    }
    let space = isSmall ? PixelSpace(train: train, test: test) : nil
    var picture = ReflowPicture(height: train.height, width: train.width, channels: train.channels)
    var progress = ProgressLine()
    var solvesDone = 0
    let solves = sources.count * (Self.eulerSteps.count + 1)
    flows = try sources.map { source in
      let opened = try OpenedModel(source.run.path, averaged: nil)
      let sampler = Sampler(model: opened.model, threads: threads)
      func show(_ solver: String, _ done: Int) {
        progress.show(
          "report: \(source.name), \(solver), \(done)/\(count) images",
          fraction: (Double(solvesDone) + Double(done) / Double(count)) / Double(solves))
        if done == count { solvesDone += 1 }
      }
      do {
        var images = try Self.eulerSteps.map { steps in
          try sampler.sample(0..<count, seed: plan.seed, solver: .fixed(.euler, steps: steps)) {
            show("euler \(steps)", $0)
          }.values
        }
        let (solved, straightness) = try sampler.straightness(
          0..<count, seed: plan.seed, rtol: plan.rtol, atol: plan.atol
        ) { show("rk45", $0) }
        images.append(solved.values)
        picture.append(images)
        let mean = straightness.reduce(0, +) / Double(count)
        let squares = straightness.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return Flow(
          name: source.name, run: source.run.path, checkpoint: opened.path, straightness: mean,
          straightnessError: (squares / Double(count - 1) / Double(count)).squareRoot(),
          heldOutLoss: try StepMetrics.lastHeldOutLoss(of: source.run),
          frechetDistances: space.map { space in images.map { space.distance(of: $0) } },
          evaluations: Double(solved.evaluations.reduce(0, +)) / Double(count))
      } catch let error as SolverError {
        throw RunError(message: "sampling '\(opened.path)': \(error)", status: 70)
      }
    }
    progress.finish()
    self.dataset = dataset
    samples = count
    seed = plan.seed
    (rtol, atol) = (plan.rtol, plan.atol)
    solvers = Self.eulerSteps.map { "euler \($0)" } + ["rk45"]
    components = space?.components.count
    frechetDistanceOfTrainingImages = space.map { space in
      space.distance(of: (0..<min(count, train.count)).flatMap { train.normalized($0) })
    }
    self.picture = (directory as NSString).appendingPathComponent("reflow.svg")
    try picture.sheet(flows: flows.map(\.name), solvers: solvers).write(
      to: self.picture,
      text: [
        ("software", "inkflow"), ("rows", flows.map(\.name).joined(separator: ", ")),
        ("columns", solvers.joined(separator: ", ")), ("seed", "\(seed)"),
      ])
    try writeDurably(
      (directory as NSString).appendingPathComponent("report.json"), Array(try jsonText(self).utf8) + [10])
  }

  var text: String {
    var rows = [["", "straightness", "held-out loss"] + (components == nil ? [] : solvers) + ["evaluations"]]
    for flow in flows {
      rows.append(
        [
          flow.name,
          "\(Terminal.fixed(flow.straightness, 4)) ± \(Terminal.fixed(flow.straightnessError, 4))",
          flow.heldOutLoss.map { Terminal.fixed($0, 4) } ?? "–",
        ] + (flow.frechetDistances ?? []).map { Terminal.fixed($0, 2) } + [
          Terminal.fixed(flow.evaluations, 1)
        ])
    }
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    let table = rows.map { row in
      zip(row, widths).enumerated().map { column, cell in
        let space = String(repeating: " ", count: cell.1 - cell.0.count)
        return column == 0 ? cell.0 + space : space + cell.0
      }.joined(separator: "  ")
    }
    var notes = [
      "straightness: ∫E‖(z1 − z0) − v(z_t, t)‖² dt per dimension on the flow's own paths, \(samples) of them; 0 is straight",
      "held-out loss: of the first flow on test images, of the others on pairs that were held out",
    ]
    if let components, let floor = frechetDistanceOfTrainingImages {
      notes.append(
        "\(solvers[0]) to rk45: squared Fréchet distance of \(samples) samples from \(dataset)'s test images, by mean "
          + "and covariance of \(components) principal components of the pixels (no FID); as many training images "
          + "have \(Terminal.fixed(floor, 2))")
    }
    notes.append("evaluations: of rk45 at rtol \(rtol), atol \(atol), for an image")
    return (table + notes + ["picture in \(picture)"]).joined(separator: "\n")
  }
}

/// Rows of flows, columns of solvers; in each cell a small sheet from the same noise.
private struct ReflowPicture {
  private static let imagesPerCell = 8
  let height: Int
  let width: Int
  let channels: Int
  private var cells: [PNGImage] = []
  private var columns = 1

  init(height: Int, width: Int, channels: Int) {
    (self.height, self.width, self.channels) = (height, width, channels)
  }

  /// Adds a row: images of each solver, [count, height, width, channels] each.
  mutating func append(_ images: [[Float]]) {
    columns = images.count
    cells += images.map { images in
      let some = Array(images.prefix(Self.imagesPerCell * height * width * channels))
      return ContactSheet.image(
        pixels: Pixels.bytes(some.span), height: height, width: width, channels: channels,
        columns: Self.imagesPerCell / 2, padding: 1)
    }
  }

  func sheet(flows: [String], solvers: [String]) -> LabelledSheet {
    LabelledSheet(
      title: "Samples of each flow, by solver",
      ContactSheet.image(
        pixels: cells.flatMap(\.pixels), height: cells[0].height, width: cells[0].width, channels: channels,
        columns: columns, padding: 16, scale: 1), columns: solvers, rows: flows)
  }
}
