import Files
import Foundation
import Kernels
import Network
import Testing
import Training

/// The gradient of a whole batch against diffusers 0.42.1 and PyTorch 2.13 (`NetworkTests/Fixtures/make_fixtures.py`):
/// more micro-batches than gradient lanes, the last one short, each in several portions; convolutions of both kinds.
@Suite struct BatchFixtureTests {
  private static let seed: UInt64 = 11

  private static func uniforms(_ purpose: RandomPurpose, _ index: Int, _ count: Int) -> [Double] {
    let random = Philox(seed: seed, purpose: purpose, index: UInt32(index))
    return (0..<count).map { random.uniform(UInt32($0)) }
  }

  private struct Examples: ExampleSource {
    let dimension: Int
    var count: Int? { 35 }

    func draw(
      _ row: Int, _ random: ExampleRandom, noise: consuming MutableSpan<Float>,
      data: consuming MutableSpan<Float>
    ) {
      for (i, u) in uniforms(.trainingNoise, row, dimension).enumerated() {
        noise[i] = Float(3.0.squareRoot() * Double(Float(2 * u - 1)))
      }
      for (i, u) in uniforms(.synthetic, row, dimension).enumerated() { data[i] = Float(2 * u - 1) }
    }
  }

  @Test(arguments: [1, 3]) func gradient(threads: Int) throws {
    let unet = try UNet(
      UNetConfiguration(
        sampleHeight: 20, sampleWidth: 20, inputChannels: 1, outputChannels: 1,
        blockOutputChannels: [16, 16],
        layersPerBlock: 1, attentionLevels: [false, true], attentionHeadWidth: 8, normGroupCount: 4))
    #expect(unet.microBatchSize == 8 && unet.plan.portionSize(of: unet.shape) == 3)
    let sorted = unet.parameters.sorted { $0.name < $1.name }
    let parameters = Arena(count: unet.plan.parameters.count)
    for (index, parameter) in sorted.enumerated() {
      let values = Self.uniforms(.initialization, index, parameter.count).map { 2 * $0 - 1 }
      let fanIn = Double(parameter.count / parameter.shape[0])
      parameter.load(
        values.map {
          if parameter.name.hasSuffix("bias") { return Float(0.2 * $0) }
          return Float(parameter.shape.count == 1 ? 1 + 0.3 * $0 : (3 / fanIn).squareRoot() * $0)
        }, into: parameters)
    }
    let engine = LossEngine(
      network: unet, pool: WorkerPool(threadCount: threads), maximumBatchSize: 35)
    engine.parametersChanged(parameters)
    let rows = (0..<35).map { UInt32($0) }
    let batch = Batch(
      source: Examples(dimension: unet.dimension), rows: rows[...], seed: Self.seed,
      draws: .training(step: 0),
      times: .independent)
    let (loss, norm) = engine.lossAndGradient(batch, parameters: parameters)

    let path = try #require(Bundle.module.resourceURL).appending(path: "Fixtures/batch.safetensors").path
    let expected = try SafetensorsFile(contentsOf: path)
    let expectedLoss = Double(try expected.floats("loss")[0])
    #expect(abs(loss - expectedLoss) < 1e-5 * expectedLoss)
    var squares = 0.0
    for (index, parameter) in sorted.enumerated() {
      let ours = parameter.exported(from: Weights(reading: engine.gradient))
      let length = Double(try expected.floats("norm." + parameter.name)[0])
      squares += length * length
      // A key's bias has no gradient but rounding: softmax doesn't see it.
      guard !parameter.name.hasSuffix("to_k.bias") else {
        #expect(ours.allSatisfy { abs($0) < 1e-6 }, "\(parameter.name)")
        continue
      }
      // The projection of a difference d on numbers uniform in ±1 has the variance |d|²/3.
      let vectors = Self.uniforms(.likelihoodProbe, index, 8 * parameter.count)
      let theirs = try expected.floats("projections." + parameter.name, shape: [8])
      let error = (0..<8).reduce(0.0) { sum, k in
        let projection = ours.indices.reduce(0.0) {
          $0 + (2 * vectors[k * parameter.count + $1] - 1) * Double(ours[$1])
        }
        return sum + (projection - Double(theirs[k])) * (projection - Double(theirs[k]))
      }
      let relative = (3 * error / 8).squareRoot() / length
      #expect(relative < 1e-3, "\(parameter.name): relative error \(relative)")
    }
    #expect(abs(norm - squares.squareRoot()) < 1e-4 * norm)
  }
}
