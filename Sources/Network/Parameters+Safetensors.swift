import Files
import Kernels

extension PlannedNetwork {
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
    try load { (parameter) throws(FileError) in
      try file.finiteFloats(prefix + parameter.name, shape: parameter.shape)
    }
  }

  /// A parameter arena of values that come from anywhere.
  ///
  /// - Parameter values: gives a parameter's, in the file's order.
  package func load(_ values: (Parameter) throws(FileError) -> [Float]) throws(FileError) -> Arena {
    let arena = Arena(count: plan.parameters.count)
    for parameter in parameters { parameter.load(try values(parameter), into: arena) }
    return arena
  }
}
