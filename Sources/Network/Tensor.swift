import Kernels

/// An activation of the network: where it lies in a workspace, for up to a micro-batch of images.
package struct Tensor: Sendable {
  /// [capacity, height, width, channels], among the activations.
  private let values: Slice
  /// The same, among the gradients.
  private let gradients: Slice
  /// Of one image.
  package let shape: ImageShape

  init(values: Slice, gradients: Slice, shape: ImageShape) {
    self.values = values
    self.gradients = gradients
    self.shape = shape
  }

  package subscript(image: Int) -> Slice { values.part(image, length: shape.count) }
  package subscript(images: Range<Int>) -> Slice { values.parts(images, length: shape.count) }

  package func gradient(_ image: Int) -> Slice { gradients.part(image, length: shape.count) }
  package func gradient(_ images: Range<Int>) -> Slice { gradients.parts(images, length: shape.count) }
}

/// How long the values of an activation are needed. Tensors that are needed for a short time share their memory, which
/// so stays in the cache.
enum Lifetime {
  /// Until the backward pass comes to it.
  case pass
  /// By the layers of the current unit only, forward and backward.
  case unit
  /// The same, and the backward pass computes it again before it reads it.
  case recomputed
}

/// Memory that the units of a network use in turn.
struct UnitMemory: Sendable {
  private var free: [Slice] = []
  private var used: [Slice] = []

  mutating func reserve(_ count: Int, in plan: inout ArenaPlan) -> Slice {
    let fitting = free.indices.filter { free[$0].count >= count }
    let smallest = fitting.min { free[$0].count < free[$1].count }
    let slice = smallest.map { free.remove(at: $0) } ?? plan.reserve(count)
    used.append(slice)
    return slice[0..<count]
  }

  mutating func beginUnit() {
    free += used
    used = []
  }
}
