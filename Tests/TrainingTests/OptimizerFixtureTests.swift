import Files
import Foundation
import Kernels
import Network
import Testing
import Training

/// Ten steps of clipping, AdamW and moving average against PyTorch 2.13
/// (`NetworkTests/Fixtures/make_fixtures.py`).
@Suite struct OptimizerFixtureTests {
  @Test func tenSteps() throws {
    let path = try #require(Bundle.module.resourceURL).appending(path: "Fixtures/optimizer.safetensors").path
    let fixture = try SafetensorsFile(contentsOf: path)
    let initial = try fixture.floats("parameters")
    let count = initial.count
    var settings = TrainingSettings(recipe: .quick, steps: 10)
    settings.warmupSteps = 0
    settings.schedule = .constant
    #expect(settings.learningRate == 1e-3 && settings.weightDecay == 0.01 && settings.gradientClip == 1)
    #expect(settings.averageDecay == 0.999)

    func arena(_ values: ArraySlice<Float>) -> Arena {
      let arena = Arena(count: count)
      var span = arena.mutable(arena.all)
      for (i, value) in values.enumerated() { span[i] = value }
      return arena
    }
    settings.optimizer = .adamW
    let pool = WorkerPool(threadCount: 2)
    let tasks = UpdateTasks([], count: count, settings: settings, pool: pool)
    let state = TrainingState(from: Weights(reading: arena(initial[...])), settings: settings)
    let gradients = try fixture.floats("gradients", shape: [10, count])
    let after = try fixture.floats("parameters_after", shape: [10, count])
    let averages = try fixture.floats("averages", shape: [10, count])
    let norms = try fixture.floats("gradient_norms", shape: [10])
    #expect(norms.contains { $0 > 1 } && norms.contains { $0 < 1 })

    for step in 0..<10 {
      let rows = step * count..<(step + 1) * count
      let gradient = arena(gradients[rows])
      let norm = sumOfSquares(gradient[gradient.all]).squareRoot()
      #expect(abs(norm - Double(norms[step])) < 1e-5 * norm)
      state.update(settings, gradient: gradient, norm: norm, tasks: tasks, pool: pool)
      let (parameters, average) = (state.parameters, try #require(state.average))
      #expect(largestDifference(parameters[parameters.all], after[rows]) < 2e-6)
      #expect(largestDifference(average[average.all], averages[rows]) < 2e-6)
    }
  }

  private func largestDifference(_ a: Span<Float>, _ b: ArraySlice<Float>) -> Float {
    zip(a.indices, b).map { abs(a[$0] - $1) }.max() ?? .infinity
  }
}
