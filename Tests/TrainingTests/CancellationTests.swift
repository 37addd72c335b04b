import Flow
import Foundation
import Imagery
import Kernels
import Network
import Sampling
import Testing
import Training

/// Work ends when its task is cancelled, and when whoever is told of its progress wants no more.
@Suite struct CancellationTests {
  private static let configuration = UNetConfiguration(
    sampleHeight: 8, sampleWidth: 8, inputChannels: 1, outputChannels: 1, blockOutputChannels: [8, 16],
    layersPerBlock: 1, attentionLevels: [false, true], normGroupCount: 4)

  private struct Enough: Error {}

  enum Work: CaseIterable { case sample, sampleBySteps, transport, invert, straightness, logDensities }

  /// Runs some work on a flow, and tells of its progress.
  private func run(_ work: Work, progress: @escaping (Double) throws -> Void) throws {
    let flow = try randomFlow(Self.configuration, scale: 0.1)
    let (solver, pool) = (Solver.adaptive(rtol: 1e-3, atol: 1e-3), WorkerPool(threadCount: 2))
    let states = flow.noise(0..<2, seed: 1)
    switch work {
    case .sample: _ = try flow.sample(0..<2, seed: 1, solver: solver, on: pool, progress: progress)
    case .sampleBySteps:
      _ = try flow.sample(0..<2, seed: 1, solver: .fixed(.euler, steps: 8), on: pool, progress: progress)
    case .transport:
      _ = try flow.transport(states, from: 1, to: 0, solver: solver, on: pool, progress: progress)
    case .invert: _ = try flow.invert(states, rtol: 1e-3, atol: 1e-3, on: pool, progress: progress)
    case .straightness:
      _ = try flow.straightness(0..<2, seed: 1, rtol: 1e-3, atol: 1e-3, on: pool, progress: progress)
    case .logDensities:
      _ = try flow.logDensities(
        of: states, numbers: 0..<2, probes: .random(seed: 1), solver: solver, on: pool, progress: progress)
    }
  }

  /// The third report ends the work, and nothing is told after it.
  @Test(arguments: Work.allCases) func aCancelledTaskEndsTheWork(_ work: Work) async throws {
    let reports = await Task {
      var reports = 0
      #expect(throws: CancellationError.self) {
        try run(work) { _ in
          reports += 1
          if reports == 3 { withUnsafeCurrentTask { $0?.cancel() } }
        }
      }
      return reports
    }.value
    #expect(reports == 3)
  }

  @Test(arguments: Work.allCases) func whatAProgressHandlerThrowsEndsTheWork(_ work: Work) throws {
    var reports = 0
    #expect(throws: Enough.self) {
      try run(work) { share in
        #expect((0...1).contains(share))
        reports += 1
        if reports == 3 { throw Enough() }
      }
    }
    #expect(reports == 3)
  }

  /// Of a task that is cancelled from outside, before it could draw its two million images.
  @Test func aTaskCancelledByAnotherEnds() async throws {
    let flow = try randomFlow(Self.configuration)
    let task = Task { try flow.sample(2_000_000, solver: .fixed(.euler, steps: 1)) }
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
  }

  /// Training ends after its step, with a checkpoint from which it goes on.
  @Test func aCancelledTaskInterruptsTraining() async throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "inkflow-\(UUID())").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    let (train, test) = (
      SyntheticStrokes.make(count: 60, split: .train), SyntheticStrokes.make(count: 20, split: .test)
    )
    let run = RunDirectory(path)
    let outcome = try await Task {
      let trainer = try Trainer(
        output: path, train: train, test: test,
        options: TrainingOptions(preset: .tiny, length: .steps(100), batchSize: 13, threads: 2))
      return try trainer.train { event in
        if case .step(let metrics) = event, metrics.step == 2 { withUnsafeCurrentTask { $0?.cancel() } }
      }
    }.value
    #expect(outcome == .interrupted)
    #expect(try run.newestCheckpoint { $0 }.result.header.step == 2)
    let resumed = try Trainer(resuming: path, train: train, test: test)
    #expect(resumed.step == 2)
  }
}
