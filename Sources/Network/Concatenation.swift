import Kernels

/// [a | b] along the channels: how a skip connection joins the way up.
struct Concatenation: Sendable {
  private let a: Tensor
  private let b: Tensor
  let output: Tensor

  init(_ a: Tensor, _ b: Tensor, plan: inout NetworkPlan) {
    precondition(a.shape.with(channels: 1) == b.shape.with(channels: 1))
    self.a = a
    self.b = b
    output = plan.tensor(
      a.shape.with(channels: a.shape.channels + b.shape.channels), lifetime: .recomputed)
  }

  func forward(_ pass: ForwardPass) {
    for image in pass.images {
      concatenate(
        pass.activations[a[image]], pass.activations[b[image]], pixels: output.shape.pixels,
        into: pass.activations.mutable(output[image]))
    }
  }

  /// Writes both gradients.
  func backward(_ pass: BackwardPass) {
    for image in pass.images {
      split(
        pass.gradients[output.gradient(image)], pixels: output.shape.pixels,
        into: pass.gradients.mutable(a.gradient(image)), pass.gradients.mutable(b.gradient(image)))
    }
  }
}
