import Files
import Foundation
import Kernels
import Network
import Sampling
import Testing

/// A trained model's directory, opened by diffusers itself. Needs Python with torch, diffusers and safetensors:
/// `make check-diffusers MODEL=outputs/mnist/model PYTHON=path/to/python`.
@Suite struct DiffusersTests {
  private static let environment = ProcessInfo.processInfo.environment

  /// Reads input.safetensors, writes the output of `from_pretrained(model)` beside it.
  private static let script = """
    import sys, torch
    from diffusers import UNet2DModel
    from safetensors.torch import load_file, save_file
    model, directory = sys.argv[1:]
    unet, info = UNet2DModel.from_pretrained(model, output_loading_info=True)
    assert not any(info.values()), info
    given = load_file(directory + "/input.safetensors")
    with torch.no_grad():
        output = unet(given["input"], given["timesteps"]).sample
    save_file({"output": output.contiguous()}, directory + "/output.safetensors")
    """

  @Test(.enabled(if: environment["INKFLOW_MODEL"] != nil && environment["INKFLOW_PYTHON"] != nil))
  func agreesWithDiffusers() throws {
    let path = try #require(Self.environment["INKFLOW_MODEL"])
    let flow = try TrainedFlow(diffusers: path)
    let unet = try #require(flow.network as? UNet)
    let count = unet.microBatchSize
    let shape = unet.input.shape
    let workspace = Workspace(unet.plan, forTraining: false)
    let prepared = Arena(count: unet.plan.forwardWeights.count)
    unet.plan.prepare(flow.weights, forward: prepared, backward: nil, pool: WorkerPool(threadCount: 1))
    let activations = workspace.activations
    Philox(seed: 1, purpose: .samplingNoise).fillNormals(activations.mutable(unet.input[0..<count]))
    let timesteps = (0..<count).map { Float(1000 * $0) / Float(count) + 31.25 }
    var times = activations.mutable(unet.timesteps)
    for (i, time) in timesteps.enumerated() { times[i] = time }
    unet.forward(
      ForwardPass(
        count: count, parameters: flow.weights, prepared: Weights(reading: prepared), workspace: workspace))

    /// PyTorch's order, [N, C, H, W].
    func channelsFirst(_ tensor: Tensor) -> [Float] {
      let values = activations[tensor[0..<count]]
      return (0..<values.count).map { i in
        let (image, rest) = i.quotientAndRemainder(dividingBy: tensor.shape.count)
        let (channel, pixel) = rest.quotientAndRemainder(dividingBy: tensor.shape.pixels)
        return values[(image * tensor.shape.pixels + pixel) * tensor.shape.channels + channel]
      }
    }
    let directory = FileManager.default.temporaryDirectory.appending(path: "inkflow-\(UUID())").path
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try SafetensorsFile.write(
      [
        SafetensorsTensor(
          "input", shape: [count, shape.channels, shape.height, shape.width],
          values: channelsFirst(unet.input)),
        SafetensorsTensor("timesteps", shape: [count], values: timesteps),
      ], to: directory + "/input.safetensors")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: try #require(Self.environment["INKFLOW_PYTHON"]))
    process.arguments = ["-c", Self.script, path, directory]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)

    let theirs = try SafetensorsFile(contentsOf: directory + "/output.safetensors").floats("output")
    let ours = channelsFirst(unet.output)
    let largest = theirs.map { abs($0) }.max() ?? 0
    let difference = zip(ours, theirs).map { abs($0 - $1) }.max() ?? .infinity
    #expect(ours.count == theirs.count && largest > 0.1)
    #expect(difference < 1e-4 * largest, "largest difference \(difference), largest value \(largest)")
    print("largest difference \(difference), largest value \(largest)")
  }
}
