import Kernels

/// A network that predicts velocities, whatever is inside: the UNet for images, a small MLP for points.
///
/// It is a plan that holds no numbers: any number of threads may run it, each in a workspace of its own.
package protocol FlowNetwork: Sendable {
  var plan: NetworkPlan { get }
  /// Samples in a micro-batch, a function of the network's shape alone.
  var microBatchSize: Int { get }
  /// Numbers of one sample.
  var dimension: Int { get }
  /// The network is given t times this.
  var timeScale: Float { get }
  /// x_t and v, [microBatchSize, dimension], among the activations.
  var input: Tensor { get }
  var output: Tensor { get }
  /// [microBatchSize] times, scaled.
  var timesteps: Slice { get }
  /// [microBatchSize] numbers of classes, in a conditional network.
  var labels: Slice? { get }

  /// Runs a micro-batch: reads `input`, `timesteps` and `labels` in the workspace's activations, writes `output`.
  func forward(_ pass: ForwardPass)

  /// Runs backward after `forward` in the same workspace: reads the gradient at `output` and adds the parameters'
  /// gradients, where the pass wants them. It may be run again, with another gradient at `output`.
  ///
  /// - Parameter toInput: whether to write the gradient of `input` too.
  func backward(toInput: Bool, _ pass: BackwardPass)
}

extension FlowNetwork {
  package var parameters: [Parameter] { plan.parameters.parameters }

  /// Fills a parameter arena with PyTorch's default initialisation.
  package func initialize(_ arena: Arena, seed: UInt64) {
    for (index, parameter) in parameters.enumerated() {
      parameter.initialize(arena, seed: seed, index: index)
    }
  }
}
