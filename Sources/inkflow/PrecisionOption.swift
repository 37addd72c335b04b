import ArgumentParser
import Kernels
import Sampling

extension Precision: ExpressibleByArgument {}

/// The precision in which a flow is evaluated, however it was trained.
struct PrecisionOption: ParsableArguments {
  @Option(
    help:
      "What the network's convolutions and attention multiply: float32, or bfloat16, which is quicker on some CPUs and less exact."
  )
  var precision = Precision.float32

  func validate() throws {
    try require(
      precision != .bfloat16Gradients,
      "--precision \(Precision.bfloat16Gradients.rawValue) is for training; nothing here has gradients.")
  }

  func apply(to flow: TrainedFlow) throws -> TrainedFlow { try flow.evaluated(in: precision) }
}
