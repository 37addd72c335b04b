import Flow
import Foundation
import Kernels
import Network
import Sampling
import Testing

/// States given, wanted on the way, and taken back.
@Suite struct TransportTests {
  private static let configuration = UNetConfiguration(
    sampleHeight: 8, sampleWidth: 8, inputChannels: 1, outputChannels: 1, blockOutputChannels: [8, 16],
    layersPerBlock: 1, attentionLevels: [false, true], normGroupCount: 4)
  private let size = Self.configuration.shape.count
  private let solver = Solver.adaptive(rtol: 1e-3, atol: 1e-3)

  private let pool = WorkerPool(threadCount: 2)

  /// Of random weights, with velocities about as large as a trained one's.
  private func gentleFlow() throws -> TrainedFlow { try randomFlow(Self.configuration, scale: 0.1) }

  private func bits(_ values: some Sequence<Float>) -> [UInt32] { values.map(\.bitPattern) }

  /// Samples are their noise transported, alone or among others, in more than one chunk.
  @Test(arguments: [Solver.adaptive(rtol: 1e-3, atol: 1e-3), .fixed(.heun, steps: 4)])
  func samplesAreTransportedNoise(_ solver: Solver) throws {
    let flow = try randomFlow(Self.configuration)
    let samples = try flow.sample(3..<73, seed: 4, solver: solver, on: pool)
    let noise = flow.noise(3..<73, seed: 4)
    let transported = try flow.transport(noise, from: 0, to: 1, solver: solver, on: pool)
    #expect(bits(transported.values) == bits(samples.values))
    #expect(transported.evaluations == samples.evaluations)
    for index in [0, 66] {
      let alone = try flow.transport(
        Array(noise[index * size..<(index + 1) * size]), from: 0, to: 1, solver: solver, on: pool)
      #expect(bits(alone.values) == bits(samples.values[index * size..<(index + 1) * size]))
    }
  }

  /// Watching changes no bit; the first state is the noise, the last the sample, and those between follow the
  /// samples wherever they are.
  @Test func statesOnTheWay() throws {
    let flow = try gentleFlow()
    let solver = Solver.adaptive(rtol: 1e-4, atol: 1e-4)
    let unwatched = try flow.sample(0..<70, seed: 4, solver: solver, on: pool)
    let times = [1, 0, 0.5, 0.75]
    func watch(_ numbers: Range<Int>) throws -> (samples: Samples, states: [[[Double]]]) {
      var states: [[[Double]]] = Array(repeating: Array(repeating: [], count: 4), count: numbers.count)
      let samples = try flow.sample(numbers, seed: 4, solver: solver, on: pool, at: times) {
        sample, index, state in
        #expect(states[sample][index].isEmpty)
        states[sample][index] = state.indices.map { state[$0] }
      }
      return (samples, states)
    }
    let (samples, states) = try watch(0..<70)
    #expect(bits(samples.values) == bits(unwatched.values))
    #expect(samples.evaluations == unwatched.evaluations)
    for sample in 0..<70 {
      #expect(
        states[sample][0].map { Float($0) } == Array(samples.values[sample * size..<(sample + 1) * size]))
      #expect(states[sample][1].map { Float($0) } == flow.noise(sample..<sample + 1, seed: 4))
    }
    let alone = try watch(66..<67)
    #expect(alone.states[0] == states[66])
    // The state half way leads to the sample, as far as the tolerance reaches.
    let end = try flow.transport(
      states[5][2].map { Float($0) }, from: 0.5, to: 1, solver: .adaptive(rtol: 1e-6, atol: 1e-6), on: pool
    ).values
    let sample = samples.values[5 * size..<6 * size]
    let distance = zip(end, sample).map { abs($0 - $1) }.max() ?? .nan
    let largest = sample.map { abs($0) }.max() ?? .nan
    #expect(distance < 0.01 * (1 + largest), "\(distance) of \(largest)")
  }

  /// The posterior mean is where one Euler step from t to 1 leads; labels go with their states.
  @Test(arguments: [nil, 3]) func posteriorMeans(classCount: Int?) throws {
    var configuration = Self.configuration
    configuration.classCount = classCount
    let flow = try randomFlow(configuration)
    let states = flow.noise(0..<5, seed: 1)
    let times = [0, 0.3, 0.5, 0.9, 1]
    let labels = classCount.map { count in (0..<5).map { $0 % count } }
    let means = try flow.posteriorMeans(of: states, times: times, labels: labels, on: pool)
    for (row, time) in times.enumerated() {
      let elements = row * size..<(row + 1) * size
      let step = try flow.transport(
        Array(states[elements]), from: time, to: 1, solver: .fixed(.euler, steps: 1),
        labels: labels.map { [$0[row]] }, on: pool)
      for (mean, expected) in zip(means[elements], step.values) {
        #expect(abs(mean - expected) <= 1e-5 * max(1, abs(expected)))
      }
    }
    #expect(Array(means.suffix(size)) == Array(states.suffix(size)))
  }

  /// A network that learnt nothing yet is a zero field: noise and reconstruction are the images themselves.
  @Test func inversionOfTheZeroField() throws {
    var configuration = Self.configuration
    configuration.sampleWidth = 4
    let unet = try UNet(configuration)
    let zero = TrainedFlow(unet, Weights(reading: unet.initialParameters(seed: 5)))
    let images = (0..<3 * configuration.shape.count).map { sin(Float($0)) }
    let inversion = try zero.invert(images, rtol: 1e-3, atol: 1e-3, on: WorkerPool(threadCount: 1))
    #expect(inversion.noise.values == images && inversion.reconstruction.values == images)
    #expect(inversion.residual == 0 && inversion.residuals == [0, 0, 0])
    #expect(inversion.tightenings == [0, 0, 0])
    #expect(abs(inversion.noiseScale - 0.5.squareRoot()) < 0.02)
  }

  /// There and back through a network of random weights, whose flow is anything but straight. Each image comes
  /// back to ten tolerances, with no more tightening than it needs, alone as among others.
  @Test func inversion() throws {
    let flow = try gentleFlow()
    let images = flow.noise(0..<2, seed: 2).map { min(max($0, -1), 1) }
    let inversion = try flow.invert(images, rtol: 1e-5, atol: 1e-5, on: pool)
    #expect(inversion.residual < 1e-4 && inversion.residual > 0, "\(inversion.residual)")
    #expect(inversion.residuals.count == 2 && inversion.residuals.allSatisfy { $0 < 1e-4 })
    let square = inversion.residuals.reduce(0) { $0 + $1 * $1 } / 2
    #expect(abs(inversion.residual - square.squareRoot()) < 1e-12)
    #expect(inversion.noise.values != images)
    for image in [1] {
      let elements = image * size..<(image + 1) * size
      let alone = try flow.invert(Array(images[elements]), rtol: 1e-5, atol: 1e-5, on: pool)
      #expect(bits(alone.noise.values) == bits(inversion.noise.values[elements]))
      #expect(bits(alone.reconstruction.values) == bits(inversion.reconstruction.values[elements]))
      #expect(alone.tightenings == [inversion.tightenings[image]])
      // What was kept is one solve either way, at the tolerance said.
      let tolerance = 1e-5 * pow(0.1, Double(inversion.tightenings[image]))
      let solver = Solver.adaptive(rtol: tolerance, atol: tolerance)
      let noise = try flow.transport(
        Array(images[elements]), from: 1, to: 0, solver: solver, on: pool)
      #expect(bits(noise.values) == bits(alone.noise.values))
      #expect(noise.evaluations == alone.noise.evaluations)
    }
  }
}
