import Files
import Kernels

extension FlowNetwork {
  /// The tensors of a parameter arena, for a file: PyTorch's names, shapes and order.
  package func tensors(of arena: Weights, prefix: String = "") -> [SafetensorsTensor] {
    parameters.map { parameter in
      SafetensorsTensor(prefix + parameter.name, shape: parameter.shape) { body throws(FileError) in
        try body(parameter.exported(from: arena).span)
      }
    }
  }

  /// A parameter arena of a file's tensors.
  ///
  /// - Throws: `.malformed` naming the first tensor that is missing, has another shape or isn't finite.
  package func load(_ file: SafetensorsFile, prefix: String = "") throws(FileError) -> Arena {
    let arena = Arena(count: plan.parameters.count)
    for parameter in parameters {
      let values = try file.floats(prefix + parameter.name, shape: parameter.shape)
      try file.requireFinite(values, prefix + parameter.name)
      parameter.load(values, into: arena)
    }
    return arena
  }
}
