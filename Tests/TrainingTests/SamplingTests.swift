import Flow
import Kernels
import Network
import Sampling
import Testing

/// A sample's bits depend on weights, seed, number and solver alone.
@Suite struct SamplingTests {
  private static let configuration = UNetConfiguration(
    sampleHeight: 8, sampleWidth: 8, inputChannels: 1, outputChannels: 1, blockOutputChannels: [8, 16],
    layersPerBlock: 1, attentionLevels: [false, true], normGroupCount: 4)

  @Test(arguments: [
    Solver.adaptive(rtol: 1e-3, atol: 1e-3, control: .sample), .fixed(.heun, steps: 5),
    .fixed(.euler, steps: 7), .multistep(.exponentialAdamsBashforth3, steps: 5),
    .stochastic(noise: 1, steps: 5),
  ])
  func aloneAndAmongOthers(_ solver: Solver) throws {
    let flow = try randomFlow(Self.configuration)
    let size = Self.configuration.shape.count
    let alone = WorkerPool(threadCount: 1)
    let reference = try flow.sample(0..<64, seed: 9, solver: solver, on: alone)
    let seventh = Array(reference.values[7 * size..<8 * size])
    #expect(Set(seventh.map(\.bitPattern)).count > size / 2)
    for threads in 1...3 {
      let pool = WorkerPool(threadCount: threads)
      let alone = try flow.sample(7..<8, seed: 9, solver: solver, on: pool)
      #expect(alone.values.map(\.bitPattern) == seventh.map(\.bitPattern))
      #expect(alone.evaluations == [reference.evaluations[7]])
      let all = try flow.sample(0..<64, seed: 9, solver: solver, on: pool)
      #expect(all.values.map(\.bitPattern) == reference.values.map(\.bitPattern))
      // More than one chunk, and beginning elsewhere.
      let shifted = try flow.sample(5..<75, seed: 9, solver: solver, on: pool)
      #expect(Array(shifted.values[2 * size..<3 * size]).map(\.bitPattern) == seventh.map(\.bitPattern))
    }
    let otherSeed = try flow.sample(7..<8, seed: 10, solver: solver, on: alone)
    #expect(otherSeed.values != seventh)
  }

  /// The noise on the way is not x₀'s, and differs by step, sample and seed.
  @Test func noiseOfASolverIsItsOwn() throws {
    let generators: [Philox] = [
      .noise(ofSample: 3, seed: 1), .noise(ofSample: 3, step: 0, seed: 1),
      .noise(ofSample: 3, step: 1, seed: 1),
      .noise(ofSample: 4, step: 0, seed: 1), .noise(ofSample: 3, step: 0, seed: 2),
    ]
    #expect(Set(generators.map { $0[0] }).count == generators.count)
    let flow = try randomFlow(Self.configuration)
    let samples = try [0, 1, 2].map {
      try flow.sample(2, seed: 1, solver: .stochastic(noise: $0, steps: 3)).values
    }
    #expect(Set(samples).count == 3)
    #expect(samples[0] == (try flow.sample(2, seed: 1, solver: .fixed(.euler, steps: 3)).values))
  }

  /// Wide enough for Winograd's algorithm on any vectors: a lone image's layers are split over the threads, by tiles
  /// and by output channels.
  @Test(arguments: [Precision.float32, .bfloat16]) func aloneOnManyThreads(_ precision: Precision) throws {
    guard precision.isAvailable else { return }
    var configuration = Self.configuration
    (configuration.sampleHeight, configuration.sampleWidth) = (28, 20)
    configuration.blockOutputChannels = [32, 96]
    let exact = try randomFlow(configuration)
    let flow = try exact.evaluated(in: precision)
    let (solver, size) = (Solver.fixed(.euler, steps: 2), configuration.shape.count)
    let reference = try flow.sample(0..<19, seed: 3, solver: solver, on: WorkerPool(threadCount: 1))
    for threads in [1, 2, 3, 7] {
      let pool = WorkerPool(threadCount: threads)
      for numbers in [17..<18, 4..<6, 0..<11] {
        let some = try flow.sample(numbers, seed: 3, solver: solver, on: pool)
        let expected = reference.values[numbers.lowerBound * size..<numbers.upperBound * size]
        #expect(some.values.map(\.bitPattern) == expected.map(\.bitPattern))
      }
    }
    // bf16 has 8 bits: near the exact samples, and not the same.
    let values = try exact.sample(0..<19, seed: 3, solver: solver).values
    let error = zip(values, reference.values).map { ($0 - $1) * ($0 - $1) }.reduce(0, +)
    let total = values.map { $0 * $0 }.reduce(0, +)
    if precision == .float32 {
      #expect(error == 0)
    } else {
      #expect((1e-6..<1e-2).contains(error / total))
    }
  }

  @Test func labelsDecideAndTravelWithTheirSample() throws {
    var configuration = Self.configuration
    configuration.classCount = 3
    let flow = try randomFlow(configuration)
    let size = configuration.shape.count
    let pool = WorkerPool(threadCount: 2)
    let solver = Solver.adaptive(rtol: 1e-3, atol: 1e-3, control: .sample)
    let labels = (0..<20).map { $0 % 3 }
    let all = try flow.sample(0..<20, seed: 1, solver: solver, labels: labels, on: pool)
    for number in [4, 11, 19] {
      let alone = try flow.sample(
        number..<number + 1, seed: 1, solver: solver, labels: [labels[number]], on: pool)
      #expect(alone.values == Array(all.values[number * size..<(number + 1) * size]))
      let other = try flow.sample(
        number..<number + 1, seed: 1, solver: solver, labels: [(labels[number] + 1) % 3], on: pool)
      #expect(other.values != alone.values)
    }
  }
}
