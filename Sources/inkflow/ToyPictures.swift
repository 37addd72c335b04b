import Files
import Flow
import Foundation
import Imagery
import Kernels
import Sampling
import Training

/// The pictures of `inkflow toy`, each a function of the trained flow.
struct ToyPictures {
  let distribution: PointDistribution
  let flow: TrainedFlow
  let pool: WorkerPool
  let directory: String
  let seed: UInt64

  /// Noise needs more room than the data.
  private static let noiseExtent = 3.0
  /// As the 2-D tutorial samples.
  static let sampling = Solver.fixed(.midpoint, steps: 8)

  private func axis(_ extent: Double) -> Plot.Axis { .init(-extent...extent) }
  private var extent: Double { distribution.extent }

  /// Draws and writes them all.
  ///
  /// - Returns: their names, and the integral of the density over the plot.
  /// - Throws: `SolverError`, `FileError`.
  func write() throws -> (names: [String], densityIntegral: Double) {
    let data = distribution.heldOutPoints(2000, seed: seed).map { Double($0) }
    let samples = try samples(of: flow, 2000, Self.sampling)
    try write(points(data: data), "data.svg")
    try write(comparison(data: data, samples: samples), "flow_matching.svg")
    try write(field(), "field.svg")
    try write(trajectories(), "trajectories.svg")
    let (density, integral) = try density()
    try write(density, "density.svg")
    let name = "particles.png"
    try particles().write(to: path(name), text: text)
    return (
      ["data.svg", "flow_matching.svg", "field.svg", "trajectories.svg", "density.svg", name], integral
    )
  }

  func path(_ name: String) -> String { directory.appendingPath(name) }

  private var text: [(key: String, value: String)] {
    [("software", "inkflow"), ("dataset", distribution.rawValue), ("seed", "\(seed)")]
  }

  @discardableResult
  func write(_ plot: Plot, _ name: String) throws -> String {
    try plot.write(to: path(name), text: text)
    return name
  }

  /// x₀ of the first samples, [count, 2].
  private func noise(_ count: Int) -> [Double] { flow.noise(0..<count, seed: seed).map { Double($0) } }

  /// [count, 2]
  private func samples(of flow: TrainedFlow, _ count: Int, _ solver: Solver) throws -> [Double] {
    try flow.sample(0..<count, seed: seed, solver: solver, on: pool, progress: ToySession.check).values.map {
      Double($0)
    }
  }

  /// The first samples at `steps` + 1 equally spaced times from 0 to 1, each [count, 2], by RK4 with a step between
  /// two of them.
  private func trajectories(of flow: TrainedFlow, _ count: Int, steps: Int) throws -> [[Double]] {
    var field = flow.field(capacity: count, on: pool)
    var states = noise(count)
    var frames = [states]
    try Solver.fixed(.rk4, steps: steps).integrate(&field, from: 0, to: 1, states: &states) { step in
      frames.append(step.endStates.indices.map { step.endStates[$0] })
    }
    return frames
  }

  /// Where the flow starts, and where it is to end.
  private func points(data: [Double]) -> Plot {
    let axis = axis(Self.noiseExtent)
    var plot = Plot(
      title: "From noise to \(distribution.rawValue)", captions: ["noise, t = 0", "data, t = 1"], columns: 2,
      side: 400, x: axis, y: axis)
    plot.points(noise(2000), in: 0, .plotGrey)
    plot.points(data, in: 1, .plotBlue)
    return plot
  }

  private func comparison(data: [Double], samples: [Double]) -> Plot {
    var plot = Plot(
      title: "Samples of the flow over the data", captions: ["2000 each, midpoint rule, 8 steps"], side: 560,
      x: axis(extent), y: axis(extent))
    plot.points(data, radius: 3, .plotBlue, opacity: 0.35)
    plot.points(samples, radius: 1.3, .plotOrange, opacity: 0.8)
    plot.legend([("data", .plotBlue), ("samples", .plotOrange)])
    return plot
  }

  /// v(x, t) on a grid at six times, orange where it is fastest.
  private func field() throws -> Plot {
    let times = (0...5).map { Double($0) / 5 }
    let (columns, extent) = (15, Self.noiseExtent)
    let coordinates = (0..<columns).map { extent * (2 * (Double($0) + 0.5) / Double(columns) - 1) }
    let grid = coordinates.flatMap { y in coordinates.flatMap { x in [x, y] } }
    let count = columns * columns
    let frames = try times.map { time in
      try flow.velocities(
        at: grid.map { Float($0) }, times: Array(repeating: time, count: count), on: pool
      ).map { Double($0) }
    }
    func speed(_ velocities: [Double], _ row: Int) -> Double {
      (velocities[2 * row] * velocities[2 * row] + velocities[2 * row + 1] * velocities[2 * row + 1])
        .squareRoot()
    }
    let speeds = frames.flatMap { frame in (0..<count).map { speed(frame, $0) } }.sorted()
    // Arrows of the 95th percentile's speed are as long as a cell of the grid.
    let usual = max(speeds[speeds.count * 95 / 100], .leastNormalMagnitude)
    let cell = 2 * extent / Double(columns)
    var plot = Plot(
      title: "The velocity field v(x, t); orange is fast",
      captions: times.map { "t = \(Terminal.fixed($0, 1))" }, columns: 3,
      x: axis(extent), y: axis(extent))
    for (index, frame) in frames.enumerated() {
      for row in 0..<count {
        let share = min(speed(frame, row) / usual, 1.5)
        let color = PlotColor.plotBlue + Float(min(share, 1)) * (.plotOrange - .plotBlue)
        let scale = cell / usual * (share == 1.5 ? 1.5 * usual / speed(frame, row) : 1)
        let vector = scale * SIMD2(frame[2 * row], frame[2 * row + 1])
        plot.arrow(
          at: SIMD2(grid[2 * row], grid[2 * row + 1]) - vector / 2, vector, in: index, color)
      }
    }
    return plot
  }

  private func trajectories() throws -> Plot {
    let frames = try trajectories(of: flow, 200, steps: 60)
    let axis = axis(Self.noiseExtent)
    var plot = Plot(title: "Paths of 200 samples", side: 560, x: axis, y: axis)
    Self.draw(frames, into: &plot, 0)
    plot.legend([("noise, t = 0", .plotGrey), ("samples, t = 1", .plotOrange)])
    return plot
  }

  /// Paths with their ends.
  static func draw(_ frames: [[Double]], into plot: inout Plot, _ index: Int) {
    let paths = (0..<frames[0].count / 2).map { row in frames.flatMap { [$0[2 * row], $0[2 * row + 1]] } }
    plot.lines(paths, in: index, thickness: 1, from: .plotGrey, to: .plotBlue)
    plot.points(frames[0], in: index, radius: 2.2, .plotGrey, opacity: 1)
    plot.points(frames[frames.count - 1], in: index, radius: 2.4, .plotOrange, opacity: 1)
  }

  /// Paths above, samples by one Euler step below, a column for each round.
  func reflow(_ flows: [(flow: TrainedFlow, found: Report)]) throws -> Plot {
    let axis = axis(Self.noiseExtent)
    func name(_ round: Int) -> String { round == 0 ? "flow matching" : "reflow \(round)" }
    func figure(_ found: Report, _ name: String) -> String { found.text(of: name) ?? "–" }
    var plot = Plot(
      title: "Reflow: paths, and samples by one Euler step",
      captions: flows.enumerated().map { "\(name($0)): S = \(figure($1.found, "straightness"))" }
        + flows.map { "one step: rms error \(figure($0.found, "one_step_error"))" },
      columns: flows.count, side: 360, x: axis, y: axis)
    for (index, entry) in flows.enumerated() {
      Self.draw(try trajectories(of: entry.flow, 300, steps: 60), into: &plot, index)
      plot.points(
        distribution.heldOutPoints(2000, seed: seed).map { Double($0) }, in: flows.count + index, .plotBlue,
        opacity: 0.5)
      plot.points(
        try samples(of: entry.flow, 2000, .fixed(.euler, steps: 1)), in: flows.count + index, .plotOrange)
    }
    return plot
  }

  /// exp(log p) from the continuity equation on a grid, beside a histogram of samples and, where it is known, the
  /// data's density, all on one scale.
  private func density() throws -> (Plot, integral: Double) {
    let columns = 120
    let width = 2 * extent / Double(columns)
    let coordinates = (0..<columns).map { width * (Double($0) + 0.5) - extent }
    let grid = coordinates.flatMap { y in coordinates.flatMap { x in [x, y] } }
    let model = try flow.logDensities(
      of: grid.map { Float($0) }, numbers: 0..<columns * columns, probes: .axes(dimension: 2),
      solver: .adaptive(rtol: 1e-4, atol: 1e-4), on: pool, progress: ToySession.check
    ).values.map { exp($0) }
    let sampleCount = 100_000
    // Not the few steps of the samples: both maps should be of the flow itself.
    let samples = try samples(of: flow, sampleCount, .fixed(.rk4, steps: 25))
    var histogram = Array(repeating: 0.0, count: columns * columns)
    for i in stride(from: 0, to: samples.count, by: 2) {
      let (x, y) = ((samples[i] + extent) / width, (samples[i + 1] + extent) / width)
      guard (0..<Double(columns)).contains(x) && (0..<Double(columns)).contains(y) else { continue }
      histogram[Int(y) * columns + Int(x)] += 1 / (Double(sampleCount) * width * width)
    }
    var maps = [("continuity equation", model), ("histogram of 100000 samples", histogram)]
    let exact = stride(from: 0, to: grid.count, by: 2).compactMap { i in
      distribution.logDensity(grid[i..<i + 2].span).map { exp($0) }
    }
    if !exact.isEmpty { maps.append(("the data's density", exact)) }
    // The flow's own greatest values can be single cells.
    let sorted = model.sorted()
    let maximum = exact.max() ?? sorted[sorted.count * 995 / 1000]
    var plot = Plot(
      title: "Density at t = 1, dark 0 to yellow \(Terminal.fixed(maximum, 2))", captions: maps.map(\.0),
      columns: 3, side: 360, x: axis(extent), y: axis(extent))
    for (index, map) in maps.enumerated() {
      plot.heatMap(map.1, columns: columns, maximum: maximum, in: index)
    }
    return (plot, model.reduce(0, +) * width * width)
  }

  /// 1000 samples on their way, coloured by where they start.
  private func particles() throws -> AnimatedPNG {
    let frames = try trajectories(of: flow, 1000, steps: 40)
    let colors = stride(from: 0, to: frames[0].count, by: 2).map { i in
      let share = Float(min(max(frames[0][i] / 4 + 0.5, 0), 1))
      return PlotColor.plotBlue + share * (.plotOrange - .plotBlue)
    }
    let images = frames.map {
      PNGImage.discs($0, colors: colors, extent: Self.noiseExtent, side: 600, radius: 3.5, opacity: 0.8)
    }
    return AnimatedPNG(frames: images, secondsPerFrame: 0.06, lastFrameSeconds: 1.5)
  }
}
