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
  private let size = Self.configuration.dimension
  private let solver = Solver.adaptive(rtol: 1e-3, atol: 1e-3)

  /// Of a model of random weights with velocities about as large as a trained one's.
  private func gentleSampler() throws -> Sampler {
    let model = try randomModel(Self.configuration)
    for parameter in model.unet.parameters where parameter.name.hasPrefix("conv_out") {
      var weights = model.parameters.mutable(parameter.slice)
      for i in weights.indices { weights[i] *= 0.1 }
    }
    return Sampler(model: model, threads: 2)
  }

  private func bits(_ values: some Sequence<Float>) -> [UInt32] { values.map(\.bitPattern) }

  /// Samples are their noise transported, alone or among others, in more than one chunk.
  @Test(arguments: [Solver.adaptive(rtol: 1e-3, atol: 1e-3), .fixed(.heun, steps: 4)])
  func samplesAreTransportedNoise(_ solver: Solver) throws {
    let sampler = Sampler(model: try randomModel(Self.configuration), threads: 2)
    let samples = try sampler.sample(3..<73, seed: 4, solver: solver)
    let noise = (3..<73).flatMap { sampler.noise(number: $0, seed: 4) }
    let transported = try sampler.transport(noise, from: 0, to: 1, solver: solver)
    #expect(bits(transported.values) == bits(samples.values))
    #expect(transported.evaluations == samples.evaluations)
    for index in [0, 66] {
      let alone = try sampler.transport(
        Array(noise[index * size..<(index + 1) * size]), from: 0, to: 1, solver: solver)
      #expect(bits(alone.values) == bits(samples.values[index * size..<(index + 1) * size]))
    }
  }

  /// Watching changes no bit; the first state is the noise, the last the sample, and those between follow the
  /// samples wherever they are.
  @Test func statesOnTheWay() throws {
    let sampler = try gentleSampler()
    let solver = Solver.adaptive(rtol: 1e-4, atol: 1e-4)
    let unwatched = try sampler.sample(0..<70, seed: 4, solver: solver)
    let times = [1, 0, 0.5, 0.75]
    func watch(_ numbers: Range<Int>) throws -> (samples: Sampler.Samples, states: [[[Double]]]) {
      var states: [[[Double]]] = Array(repeating: Array(repeating: [], count: 4), count: numbers.count)
      let samples = try sampler.sample(numbers, seed: 4, solver: solver, at: times) { sample, index, state in
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
      #expect(states[sample][1].map { Float($0) } == sampler.noise(number: sample, seed: 4))
    }
    let alone = try watch(66..<67)
    #expect(alone.states[0] == states[66])
    // The state half way leads to the sample, as far as the tolerance reaches.
    let end = try sampler.transport(
      states[5][2].map { Float($0) }, from: 0.5, to: 1, solver: .adaptive(rtol: 1e-6, atol: 1e-6)
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
    let sampler = Sampler(model: try randomModel(configuration), threads: 2)
    let states = (0..<5).flatMap { sampler.noise(number: $0, seed: 1) }
    let times = [0, 0.3, 0.5, 0.9, 1]
    let labels = classCount.map { count in (0..<5).map { $0 % count } }
    let means = try sampler.posteriorMeans(of: states, times: times, labels: labels)
    for (row, time) in times.enumerated() {
      let elements = row * size..<(row + 1) * size
      let step = try sampler.transport(
        Array(states[elements]), from: time, to: 1, solver: .fixed(.euler, steps: 1),
        labels: labels.map { [$0[row]] })
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
    let parameters = Arena(count: unet.plan.parameters.count)
    unet.initialize(parameters, seed: 5)
    let zero = Model(unet: unet, parameters: parameters)
    let images = (0..<3 * configuration.dimension).map { sin(Float($0)) }
    let inversion = try Sampler(model: zero, threads: 1).invert(images, rtol: 1e-3, atol: 1e-3)
    #expect(inversion.noise.values == images && inversion.reconstruction.values == images)
    #expect(inversion.residual == 0 && inversion.residuals == [0, 0, 0])
    #expect(inversion.tightenings == [0, 0, 0])
    #expect(abs(inversion.noiseScale - 0.5.squareRoot()) < 0.02)
  }

  /// There and back through a network of random weights, whose flow is anything but straight. Each image comes
  /// back to ten tolerances, with no more tightening than it needs, alone as among others.
  @Test func inversion() throws {
    let sampler = try gentleSampler()
    let images = (0..<2).flatMap { sampler.noise(number: $0, seed: 2).map { min(max($0, -1), 1) } }
    let inversion = try sampler.invert(images, rtol: 1e-5, atol: 1e-5)
    #expect(inversion.residual < 1e-4 && inversion.residual > 0, "\(inversion.residual)")
    #expect(inversion.residuals.count == 2 && inversion.residuals.allSatisfy { $0 < 1e-4 })
    let square = inversion.residuals.reduce(0) { $0 + $1 * $1 } / 2
    #expect(abs(inversion.residual - square.squareRoot()) < 1e-12)
    #expect(inversion.noise.values != images)
    for image in [1] {
      let elements = image * size..<(image + 1) * size
      let alone = try sampler.invert(Array(images[elements]), rtol: 1e-5, atol: 1e-5)
      #expect(bits(alone.noise.values) == bits(inversion.noise.values[elements]))
      #expect(bits(alone.reconstruction.values) == bits(inversion.reconstruction.values[elements]))
      #expect(alone.tightenings == [inversion.tightenings[image]])
      // What was kept is one solve either way, at the tolerance said.
      let tolerance = 1e-5 * pow(0.1, Double(inversion.tightenings[image]))
      let solver = Solver.adaptive(rtol: tolerance, atol: tolerance)
      let noise = try sampler.transport(Array(images[elements]), from: 1, to: 0, solver: solver)
      #expect(bits(noise.values) == bits(alone.noise.values))
      #expect(noise.evaluations == alone.noise.evaluations)
    }
  }
}
