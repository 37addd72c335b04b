import Kernels

/// A network of layers: which there are, and where their parameters and activations lie.
///
/// It is a plan that holds no numbers: any number of threads may run it, each in a workspace of its own.
package protocol PlannedNetwork: Sendable {
  var plan: NetworkPlan { get }
  /// Samples in a micro-batch, a function of the network's shape alone.
  var microBatchSize: Int { get }
  /// Of one sample; a point of d numbers is an image of one pixel with d channels.
  var shape: ImageShape { get }
  /// [microBatchSize, …], among the activations.
  var input: Tensor { get }
  var output: Tensor { get }

  /// Runs a micro-batch: reads `input` in the workspace's activations, writes `output`.
  func forward(_ pass: ForwardPass)

  /// Runs backward after `forward` in the same workspace: reads the gradient at `output` and adds the parameters'
  /// gradients, where the pass wants them. It may be run again, with another gradient at `output`.
  ///
  /// - Parameter toInput: whether to write the gradient of `input` too.
  func backward(toInput: Bool, _ pass: BackwardPass)
}

extension PlannedNetwork {
  /// Numbers of one sample.
  package var dimension: Int { shape.count }
  package var parameters: [Parameter] { plan.parameters.parameters }
  /// Numbers that training finds.
  package var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }

  /// A parameter arena by PyTorch's default initialisation.
  package func initialParameters(seed: UInt64) -> Arena {
    let arena = Arena(count: plan.parameters.count)
    for (index, parameter) in parameters.enumerated() {
      parameter.initialize(arena, seed: seed, index: index)
    }
    return arena
  }
}
