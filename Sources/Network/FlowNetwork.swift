import Kernels

/// A network that predicts velocities, whatever is inside: the UNet for images, a small MLP for points. Its input is x_t,
/// its output v, [microBatchSize, dimension]; `forward` reads `timesteps` and `labels` too.
package protocol FlowNetwork: PlannedNetwork {
  /// Classes of a conditional network, from 0; the one that stands for no class isn't counted.
  var classCount: Int? { get }
  /// The class that stands for no class, where a conditional network has one.
  var unconditionalClass: Int? { get }
  /// The network is given t times this.
  var timeScale: Float { get }
  /// [microBatchSize] times, scaled.
  var timesteps: Slice { get }
  /// [microBatchSize] numbers of classes, in a conditional network.
  var labels: Slice? { get }
  /// The same network, planned anew where that makes a difference.
  ///
  /// - Parameters:
  ///   - forTraining: whether there will be backward passes; those that are only forward need less memory.
  ///   - precision: an available one.
  func planned(forTraining: Bool, precision: Precision) -> Self
}
