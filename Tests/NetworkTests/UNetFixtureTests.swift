import Files
import Foundation
import Kernels
import Network
import Sampling
import Testing

/// The whole network against diffusers 0.42.1 and PyTorch 2.13 (`Fixtures/make_fixtures.py`).
@Suite struct UNetFixtureTests {
  private struct Case {
    let flow: TrainedFlow
    let unet: UNet
    let expected: SafetensorsFile
    let workspace: Workspace
    let (forwardWeights, backwardWeights): (Arena, Arena)
    let count: Int

    init(_ name: String) throws {
      let directory = try #require(Bundle.module.resourceURL).appending(path: "Fixtures/\(name)").path
      flow = try TrainedFlow(diffusers: directory)
      unet = try #require(flow.network as? UNet)
      expected = try SafetensorsFile(contentsOf: directory + "/expected.safetensors")
      let plan = unet.plan
      workspace = Workspace(plan, forTraining: true)
      forwardWeights = Arena(count: plan.forwardWeights.count)
      backwardWeights = Arena(count: plan.backwardWeights.count)
      plan.prepare(
        flow.weights, forward: forwardWeights, backward: backwardWeights,
        pool: WorkerPool(threadCount: 2))
      count = try #require(expected["input"]).shape[0]
      workspace.fillWithNaN()
      try write("input", to: unet.input, of: workspace.activations)
      var timesteps = workspace.activations.mutable(unet.timesteps[0..<count])
      for (i, value) in try expected.floats("timesteps").enumerated() { timesteps[i] = value }
      if let place = unet.labels {
        var labels = workspace.activations.mutable(place[0..<count])
        for (i, value) in try expected.floats("labels").enumerated() { labels[i] = value }
      }
    }

    var forward: ForwardPass {
      ForwardPass(
        count: count, parameters: flow.weights, prepared: Weights(reading: forwardWeights),
        workspace: workspace)
    }

    /// Copies a fixture from [N, C, H, W] to [N, H, W, C].
    func write(_ name: String, to tensor: Tensor, of arena: Arena) throws {
      let values = channelsLast(try expected.floats(name), tensor.shape)
      var destination = arena.mutable(tensor[0..<values.count / tensor.shape.count])
      for i in values.indices { destination[i] = values[i] }
    }

    func read(_ tensor: Tensor, of arena: Arena, gradient: Bool = false) -> [Float] {
      let values = arena[gradient ? tensor.gradient(0..<count) : tensor[0..<count]]
      return values.indices.map { values[$0] }
    }

    func channelsLast(_ values: [Float], _ shape: ImageShape) -> [Float] {
      var result = values
      for n in 0..<count {
        for c in 0..<shape.channels {
          for p in 0..<shape.pixels {
            result[(n * shape.pixels + p) * shape.channels + c] =
              values[(n * shape.channels + c) * shape.pixels + p]
          }
        }
      }
      return result
    }
  }

  @Test(arguments: ["unconditional", "conditional"])
  func outputLossAndGradients(_ name: String) throws {
    let test = try Case(name)
    let (unet, workspace, expected) = (test.unet, test.workspace, test.expected)
    unet.forward(test.forward)

    let output = test.read(unet.output, of: workspace.activations)
    let expectedOutput = test.channelsLast(try expected.floats("output"), unet.output.shape)
    #expect(output.count == expectedOutput.count)
    #expect(relativeError(output, expectedOutput) < 1e-4)

    let target = test.channelsLast(try expected.floats("target"), unet.output.shape)
    let loss =
      zip(output, target).reduce(0.0) { $0 + pow(Double($1.0) - Double($1.1), 2) } / Double(output.count)
    let expectedLoss = Double(try expected.floats("loss")[0])
    #expect(abs(loss - expectedLoss) < 1e-5 * expectedLoss)

    var gradient = workspace.gradients.mutable(unet.output.gradient(0..<test.count))
    for i in output.indices { gradient[i] = 2 * (output[i] - target[i]) / Float(output.count) }
    let parameterGradients = Arena(count: unet.plan.parameters.count)
    unet.backward(
      toInput: true,
      BackwardPass(
        forward: test.forward, prepared: Weights(reading: test.backwardWeights),
        parameterGradients: parameterGradients))

    // A key's bias shifts all scores of a query alike, which softmax doesn't see: its gradient is zero, and
    // both sides hold rounding only.
    var largest = 0.0
    for parameter in unet.parameters {
      let ours = parameter.exported(from: Weights(reading: parameterGradients))
      let theirs = try expected.floats("grad." + parameter.name, shape: parameter.shape)
      if parameter.name.hasSuffix("to_k.bias") {
        #expect(ours.allSatisfy { abs($0) < 1e-6 }, "\(parameter.name)")
      } else {
        let error = relativeError(ours, theirs)
        #expect(error < 1e-3, "\(parameter.name): relative error \(error)")
        largest = max(largest, error)
      }
    }
    #expect(largest > 0)

    let inputGradient = test.read(unet.input, of: workspace.gradients, gradient: true)
    let expectedGradient = test.channelsLast(try expected.floats("input_gradient"), unet.input.shape)
    #expect(relativeError(inputGradient, expectedGradient) < 1e-3)

    // Once more after the same forward pass, and without the parameters' gradients: the same bits.
    fill(workspace.gradients.mutable(unet.input.gradient(0..<test.count)), with: .nan)
    unet.backward(
      toInput: true,
      BackwardPass(
        forward: test.forward, prepared: Weights(reading: test.backwardWeights), parameterGradients: nil))
    #expect(test.read(unet.input, of: workspace.gradients, gradient: true) == inputGradient)
  }

  @Test(arguments: ["unconditional", "conditional"])
  func directoryRoundTrip(_ name: String) throws {
    let test = try Case(name)
    let directory = FileManager.default.temporaryDirectory.appending(path: "inkflow-\(UUID())").path
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try test.flow.write(to: directory)
    let copy = try TrainedFlow(diffusers: directory)
    #expect(copy.configuration == test.flow.configuration)
    for parameter in test.unet.parameters {
      #expect(parameter.exported(from: copy.weights) == parameter.exported(from: test.flow.weights))
    }
  }
}

extension Workspace {
  /// So that whatever reads a place that was not written shows. Of every arena that there is, so that none is forgotten.
  func fillWithNaN() {
    let arenas = Mirror(reflecting: self).children.compactMap { $0.value as? Arena }
    #expect(arenas.count >= 9)
    for arena in arenas { fill(arena.mutable(arena.all), with: .nan) }
  }
}
