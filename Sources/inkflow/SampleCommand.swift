import ArgumentParser
import Files
import Flow
import Foundation
import Imagery
import Network
import Sampling

struct SampleCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sample", abstract: "Draw images from a trained model.",
    discussion: """
      Image number i depends on the weights, the seed, i and the solver alone: it is the same in a sheet of one
      or a thousand, on any number of threads. (--control batch, SciPy's way of one step size for all, gives
      that up.)
      """)

  enum Method: String, ExpressibleByArgument, CaseIterable {
    case euler, midpoint, heun, rk4, rk45

    var tableau: ButcherTableau {
      switch self {
      case .euler: .euler
      case .midpoint: .midpoint
      case .heun: .heun
      case .rk4: .rk4
      case .rk45: .dormandPrince
      }
    }
  }

  @Argument(help: "A run, a checkpoint file or a diffusers directory.")
  var model: String

  @Option(help: "How many images.")
  var count = 64

  @Option(help: "The number of the first image.")
  var first = 0

  @Option(help: "Images in a row of the sheet. (default: about the square root of --count)")
  var columns: Int?

  @Option(help: "The sheet's file. (default: grid.png, in the run if MODEL is one)")
  var output: String?

  @Option(help: "Write the images as an IDX file too, one byte a pixel, as the training data is.")
  var idx: String?

  @Option(help: "The method by which the differential equation is solved.")
  var solver = Method.rk45

  @Option(help: "Steps of euler, midpoint, heun and rk4. (default: 50)")
  var steps: Int?

  @Option(help: "Relative tolerance of rk45. (default: 1e-3)")
  var rtol: Double?

  @Option(help: "Absolute tolerance of rk45. (default: 1e-3)")
  var atol: Double?

  @Option(help: "What rk45 chooses a step size for: each sample, or the whole batch. (default: sample)")
  var control: StepControl?

  @Option(help: "Seed of the noise.")
  var seed: UInt64 = 0

  @Option(help: "The class of all images, for a model that was trained with classes.")
  var label: Int?

  @OptionGroup var threads: ThreadsOption

  @Option(help: "averaged or raw weights of a run or checkpoint. (default: averaged where there are any)")
  var weights: Weights?

  @Flag(help: "Print what was done as one JSON object.")
  var json = false

  func validate() throws {
    func require(_ holds: Bool, _ message: String) throws {
      if !holds { throw ValidationError(message) }
    }
    try require((1...1_000_000).contains(count), "--count must be from 1 to 1000000.")
    try require((0...4_000_000_000).contains(first), "--first must be from 0 to 4000000000.")
    try require(columns.map { (1...10_000).contains($0) } ?? true, "--columns must be from 1 to 10000.")
    if solver == .rk45 {
      try require(
        steps == nil, "--steps goes with euler, midpoint, heun and rk4; rk45 takes --rtol and --atol.")
    } else {
      try require(
        rtol == nil && atol == nil && control == nil,
        "--rtol, --atol and --control go with rk45; \(solver.rawValue) takes --steps.")
    }
    try require(steps.map { (1...1_000_000).contains($0) } ?? true, "--steps must be from 1 to 1000000.")
    try require(rtol.map { $0 >= 0 && $0 <= 1 } ?? true, "--rtol must be from 0 to 1.")
    try require(atol.map { $0 > 0 && $0 <= 1 } ?? true, "--atol must be more than 0, at most 1.")
  }

  private var flowSolver: Solver {
    solver == .rk45
      ? .adaptive(rtol: rtol ?? 1e-3, atol: atol ?? 1e-3, control: control ?? .sample)
      : .fixed(solver.tableau, steps: steps ?? 50)
  }

  private var solverText: String {
    solver == .rk45
      ? "rk45, rtol \(rtol ?? 1e-3), atol \(atol ?? 1e-3), control \((control ?? .sample).rawValue)"
      : "\(solver.rawValue), \(steps ?? 50) steps"
  }

  func run() throws {
    let start = ContinuousClock.now
    let opened = try OpenedModel(model, averaged: weights.map { $0 == .averaged })
    let configuration = opened.model.unet.configuration
    guard configuration.inputChannels == configuration.outputChannels,
      [1, 3].contains(configuration.outputChannels)
    else {
      throw ConfigurationError(
        "'\(opened.path)' maps \(configuration.inputChannels) channels to \(configuration.outputChannels); "
          + "only models of grey or RGB pictures can be sampled")
    }
    let labels = try labels(for: configuration)
    let output = output ?? defaultOutput
    for path in [output, idx].compactMap({ $0 }) { try requireDirectory(of: path) }
    let sampler = Sampler(model: opened.model, threads: threads.count)
    var progress = ProgressLine()
    let solverStart = ContinuousClock.now
    let samples: Sampler.Samples
    do {
      samples = try sampler.sample(
        first..<first + count, seed: seed, solver: flowSolver, labels: labels
      ) { done in
        if count > 64 { progress.show("\(done)/\(count) images", fraction: Double(done) / Double(count)) }
      }
    } catch let error as SolverError {
      throw RunError(message: "sampling '\(opened.path)': \(error)", status: 70)
    }
    progress.finish()
    let solverSeconds = (ContinuousClock.now - solverStart) / .seconds(1)
    let pixels = Pixels.bytes(samples.values.span)
    let sheet = ContactSheet.image(
      pixels: pixels, height: configuration.sampleHeight, width: configuration.sampleWidth,
      channels: configuration.outputChannels,
      columns: min(columns ?? Int(Double(count).squareRoot().rounded(.up)), count))
    if let idx { try writeIDX(pixels, configuration, to: idx) }
    try sheet.write(
      to: output,
      text: [
        ("software", "inkflow"), ("checkpoint", opened.path), ("seed", "\(seed)"), ("solver", solverText),
        ("first", "\(first)"),
      ])
    let summary = Summary(
      output: output, idx: idx, checkpoint: opened.path,
      weights: opened.model.notes["weights"], count: count, first: first, seed: seed, solver: solverText,
      evaluations: samples.evaluations, accepted: samples.accepted, rejected: samples.rejected,
      solverSeconds: solverSeconds, seconds: (ContinuousClock.now - start) / .seconds(1))
    print(json ? try jsonText(summary) : summary.text)
  }

  /// A long solve should not end at a directory that isn't there.
  private func requireDirectory(of path: String) throws(FileError) {
    let parent = (path as NSString).deletingLastPathComponent
    let directory = parent.isEmpty ? "." : parent
    guard FileManager.default.isWritableFile(atPath: directory) else {
      throw FileError(
        .cannotCreate, path, "can't be created: no writable directory '\(directory)'",
        remedy: "make it, or name another file")
    }
  }

  private var defaultOutput: String {
    FileManager.default.fileExists(atPath: (model as NSString).appendingPathComponent("run.json"))
      ? (model as NSString).appendingPathComponent("grid.png") : "grid.png"
  }

  private func labels(for configuration: UNetConfiguration) throws -> [Int]? {
    switch (configuration.classCount, label) {
    case (nil, nil): return nil
    case (nil, _): throw ConfigurationError("--label \(label ?? 0): the model was trained without classes")
    case (let classes?, nil):
      throw ConfigurationError(
        "the model has \(classes) classes; pass --label with one from 0 to \(classes - 1)")
    case (let classes?, let label?):
      guard (0..<classes).contains(label) else {
        throw ConfigurationError("--label \(label): the model's classes are 0 to \(classes - 1)")
      }
      return Array(repeating: label, count: count)
    }
  }

  private func writeIDX(
    _ pixels: [UInt8], _ configuration: UNetConfiguration, to path: String
  ) throws(FileError) {
    let size = [count, configuration.sampleHeight, configuration.sampleWidth]
    let channels = configuration.outputChannels
    try IDXFile.write(
      IDXArray(dimensions: channels == 1 ? size : size + [channels], bytes: pixels), to: path)
  }

  /// What was done.
  private struct Summary: Encodable {
    let output: String
    let idx: String?
    let checkpoint: String
    let weights: String?
    let count: Int
    let first: Int
    let seed: UInt64
    let solver: String
    /// For each image.
    let evaluations: [Int]
    let accepted: [Int]
    let rejected: [Int]
    let solverSeconds: Double
    let seconds: Double

    var text: String {
      func range(_ values: [Int]) -> String {
        let (low, high) = (values.min() ?? 0, values.max() ?? 0)
        return low == high ? "\(low)" : "\(low) to \(high)"
      }
      let mean = Double(evaluations.reduce(0, +)) / Double(count)
      return """
        \(count) images from \(checkpoint)\(weights.map { ", \($0) weights" } ?? ""), seed \(seed)
        \(solver): \(range(evaluations)) evaluations an image (mean \(Terminal.fixed(mean, 1))), steps accepted \
        \(range(accepted)), rejected \(range(rejected))
        \(Terminal.fixed(solverSeconds, 2)) s in the solver, \(Terminal.fixed(seconds, 2)) s in all
        sheet in \(output)\(idx.map { ", images in \($0)" } ?? "")
        """
    }
  }
}

extension StepControl: ExpressibleByArgument {}
