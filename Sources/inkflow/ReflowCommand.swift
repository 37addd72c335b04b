import ArgumentParser
import Evaluation
import Files
import Foundation
import Imagery
import Network
import Sampling
import Training

struct ReflowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "reflow", abstract: "Straighten a trained flow, so that few steps draw good images.",
    discussion: """
      Liu et al. 2022, rectified flow: noise is taken through the trained flow, and the next flow is trained on the \
      pairs of noise and image, from the weights of the one before. One round is mostly enough: three quarters of each \
      batch are at the noise, where a single step begins, and images that are far off count less than by their squares \
      (Lee et al. 2024). Each round is a run of its own in the output directory, round-1, round-2 and so on, which sample \
      and inspect take as any other.

      At the end, report.json and reflow.svg compare the flows: how straight they are, what they draw in few steps, and \
      how far that is from the test images, as 'evaluate' measures it by the data's labels. Whatever stops the work, \
      --resume goes on; with a larger --rounds it adds rounds. A round that has begun keeps its number of steps; --steps, \
      --epochs and --minutes are for those that have not.

      Of a run with classes, pairs go through them as images of 'sample' do, or are all of the one that --label names. \
      --guidance is for the first round's pairs: the flows after it learn what it made of them.
      """)

  @Argument(help: ArgumentHelp("The trained run.", valueName: "run"))
  var original: String

  @Option(help: "Rounds, those that there are included.")
  var rounds: Int?

  @Option(help: "Pairs of each round, a twentieth of which is held out. (default: 20000)")
  var pairs: Int?

  @Option(help: "How long each round is trained, in steps. (default: a third of RUN's)")
  var steps: Int?

  @Option(help: "How long each round is trained, in passes over the pairs.")
  var epochs: Int?

  @Option(help: "How long each round is trained, in minutes: measured once, and recorded as steps.")
  var minutes: Double?

  @Option(help: "Pairs a step. (default: as RUN)")
  var batchSize: Int?

  @Option(help: "The learning rate. (default: half of RUN's)")
  var learningRate: Double?

  @Option(
    help:
      "Makes the pairs by RK45 with this relative tolerance. (default: by ten steps of eab3 on the logit grid)"
  )
  var rtol: Double?

  @Option(help: "The same with this absolute tolerance. (default of both, if one is given: 1e-3)")
  var atol: Double?

  @Option(help: "Seed of all random numbers. (default: 0)")
  var seed: UInt64?

  @OptionGroup var label: LabelOption

  @OptionGroup var threads: ThreadsOption

  @Option(help: "Images of each flow that the report is made of. (default: 1000)")
  var samples: Int?

  @Option(help: "RUN's data set, where run.json doesn't name it.")
  var dataset: String?

  @Option(help: "The directory of the rounds. (default: reflow, in RUN)")
  var output: String?

  @Flag(help: "Go on with the rounds in --output.")
  var resume = false

  @Flag(help: "Print the report as one JSON object.")
  var json = false

  func validate() throws {
    try require("rounds", rounds, in: 1...ReflowPlan.largestRound)
    try require("pairs", pairs, in: 2...ReflowPlan.largestCount)
    try requireOneLength(epochs: epochs, steps: steps, minutes: minutes)
    try require("batch-size", batchSize, in: 1...1_000_000_000)
    try require("learning-rate", learningRate, positiveUpTo: 1)
    try requireTolerances(rtol: rtol, atol: atol)
    try require("samples", samples, in: 64...1_000_000)
  }

  func run() throws {
    Interruption.catchSignals()
    let source = RunDirectory(original)
    guard source.exists else {
      throw FileError(
        .missing, original, "holds no run (run.json)",
        remedy: "name one that 'inkflow train' made, as outputs/mnist")
    }
    let record = try source.readRecord()
    // All that could be missing at the end is looked for at the beginning: images, and the loss of RUN.
    let (name, train, test) = try images(of: record)
    _ = try StepMetrics.lastHeldOut(of: source)
    let directory = output ?? original.appendingPath("reflow")
    let flow = try label.guide(openFlow(original))
    guard flow.configuration == record.network else {
      throw FileError(
        .malformed, original, "has a run.json of another network than its checkpoints",
        remedy: "restore the run.json that belongs to them")
    }
    let plan = try plan(in: directory, record, flow)
    let obstacle = ReflowJudge.obstacle(train, test, plan)
    if let obstacle { Terminal.note("the report will have no distances: \(obstacle)") }
    let pool = threads.pool
    var flows = [ReflowReport.Source(name: "1-RF", run: source)]
    for number in 1...plan.rounds {
      let round = ReflowRun(
        number: number, source: flows[number - 1].run, directory: directory, plan: plan, original: record)
      try round.complete(on: pool, report: json ? { Terminal.note($0) } : { try Terminal.print($0) })
      flows.append(.init(name: "\(number + 1)-RF", run: round.run))
    }
    let judge = try obstacle == nil ? ReflowJudge(train, test, dataset: name, plan, on: pool) : nil
    // In the proportions of the test images, with which they are compared.
    let labels = plan.classes.map { SampleLabels(as: test, of: $0) ?? SampleLabels(cycling: $0) }
    let report = try ReflowReport(
      of: flows, plan: plan, shape: train.shape, dataset: record.dataset.name, labels: labels, judge: judge,
      on: pool, directory: directory
    ).report
    try Terminal.print(report, json: json)
  }

  /// The images that RUN was trained on, and the name by which they were found.
  private func images(of record: RunRecord) throws -> (
    name: String, train: ImageDataset, test: ImageDataset
  ) {
    guard let name = dataset ?? ImageDataset.names.first(where: { $0 == record.dataset.name }) else {
      throw ConfigurationError(
        "'\(original)' was trained on \(record.dataset.name), whose place its run.json doesn't say; pass --dataset "
          + "with the directory of the images, for the report's distances")
    }
    let (train, test) = try ImageDataset.loadBoth(name, onNote: Terminal.noteOnData)
    let theirs = RunRecord.DatasetRecord(train: train, test: test)
    // A round of reflow knows nothing of the images behind its pairs.
    let isOfPairs = record.dataset.name == RunRecord.DatasetRecord.reflowPairsName
    let ours = record.dataset
    guard (train.height, train.width, train.channels) == (ours.height, ours.width, ours.channels),
      isOfPairs
        || theirs.trainChecksum == ours.trainChecksum && theirs.testChecksum == ours.testChecksum
    else {
      throw ConfigurationError(
        "'\(name)' is not the data that '\(original)' was trained on (by size or checksum); name the same data by "
          + "--dataset")
    }
    return (name, train, test)
  }

  private func plan(in directory: String, _ record: RunRecord, _ flow: TrainedFlow) throws -> ReflowPlan {
    let path = ReflowPlan.path(in: directory)
    let exists = FileManager.default.fileExists(atPath: path)
    if resume {
      guard exists else {
        throw FileError(
          .missing, directory, "holds no rounds to resume",
          remedy: "leave out --resume, or name the directory by --output")
      }
      var plan = try ReflowPlan(path: path)
      try refuseDifferences(from: plan, at: path, flow)
      if let rounds {
        guard rounds >= plan.rounds else {
          throw ConfigurationError(
            "--rounds is \(rounds), but \(plan.rounds) were begun; pass as many or more, or leave it out")
        }
        plan.rounds = rounds
      }
      if let samples { plan.samples = samples }
      try setLength(of: &plan)
      try plan.write(to: path)
      return plan
    }
    guard !exists else {
      throw FileError(
        .cannotCreate, directory, "holds rounds of reflow already",
        remedy: "go on with them by --resume, or pass --output with another directory")
    }
    var plan = ReflowPlan(
      model: .init(path: original, checksum: flow.checksum), pairs: pairs ?? 20_000,
      pairSteps: rtol == nil && atol == nil ? 10 : nil, rtol: rtol ?? 1e-3, atol: atol ?? 1e-3,
      seed: seed ?? 0, rounds: rounds ?? 1, samples: samples ?? 1000,
      batchSize: batchSize ?? record.settings.batchSize,
      learningRate: learningRate ?? record.settings.learningRate / 2,
      steps: max(1, record.settings.steps / 3),
      classes: try label.classes(for: flow), guidance: flow.classCount.map { _ in flow.guidance })
    if let classes = plan.classes, classes.count > plan.trainingPairs {
      throw ConfigurationError(
        "\(plan.trainingPairs) pairs to train on are fewer than the \(classes.count) classes; pass more --pairs"
      )
    }
    guard plan.batchSize <= plan.trainingPairs else {
      throw ConfigurationError(
        "batches of \(plan.batchSize) are more than the \(plan.trainingPairs) pairs to train on; pass a smaller "
          + "--batch-size or more --pairs")
    }
    try setLength(of: &plan)
    try createDirectory(directory)
    try plan.write(to: path)
    return plan
  }

  private func setLength(of plan: inout ReflowPlan) throws(ConfigurationError) {
    if let steps { plan.steps = steps }
    if let epochs {
      let (steps, overflow) = epochs.multipliedReportingOverflow(by: plan.trainingPairs / plan.batchSize)
      guard !overflow && steps <= 1_000_000_000 else {
        throw ConfigurationError("a round of \(epochs) epochs is longer than 10⁹ steps; pass fewer")
      }
      plan.steps = steps
    }
    if steps != nil || epochs != nil || minutes != nil { plan.minutes = minutes }
  }

  private func refuseDifferences(from plan: ReflowPlan, at path: String, _ flow: TrainedFlow) throws {
    func check<Value: Equatable>(_ name: String, _ given: Value?, _ recorded: Value) throws {
      try requireUnchanged(name, given, recorded, in: "the rounds were")
    }
    try check("pairs", pairs, plan.pairs)
    if let pairSteps = plan.pairSteps, rtol != nil || atol != nil {
      throw ConfigurationError(
        "--\(rtol == nil ? "atol" : "rtol") is of RK45, but the pairs were made by \(pairSteps) steps of eab3; leave it out"
      )
    }
    try check("rtol", rtol, plan.rtol)
    try check("atol", atol, plan.atol)
    try check("seed", seed, plan.seed)
    try check("batch-size", batchSize, plan.batchSize)
    try check("learning-rate", learningRate, plan.learningRate)
    try check("guidance", label.guidance, plan.guidance ?? 1)
    func text(_ classes: [Int]?) -> String { (classes ?? []).map(\.text).joined(separator: ", ") }
    let asked = try label.classes(for: flow)
    try check("label", label.label.map { _ in text(asked) }, text(plan.classes))
    guard flow.checksum == plan.model.checksum else {
      throw ConfigurationError(
        "'\(original)' has other weights than when its reflow was begun; begin another by --output")
    }
    guard (plan.classes == nil) == (flow.classCount == nil),
      Set(plan.classes ?? []).isSubset(of: flow.presentClasses ?? [])
    else {
      throw FileError(
        .malformed, path, "has other classes than '\(original)'",
        remedy: "restore it, or begin another by --output")
    }
  }
}
