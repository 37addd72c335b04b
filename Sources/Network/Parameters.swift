import Kernels

/// One named tensor of a network's flat parameter arena.
package struct Parameter: Sendable {
  /// How a tensor of PyTorch's order lies in the arena. Inside, the output index is always last, so that a row
  /// of weights is a row of the right matrix of a product.
  package enum Layout: Sendable {
    /// [n], or an embedding's [classes, width]: as in the file.
    case asInFile
    /// A linear layer, or a 1×1 convolution: [out, in] in the file, [in, out] inside.
    case linear
    /// A 3×3 convolution: [out, in, 3, 3] in the file, [3, 3, in, out] inside.
    case convolution3x3
  }

  package enum Initialization: Sendable {
    case constant(Float)
    case normal
    /// Uniform in ±bound.
    case uniform(Float)
  }

  /// diffusers' name for it.
  package let name: String
  /// PyTorch's shape: the file's.
  package let shape: [Int]
  package let slice: Slice
  package let layout: Layout
  package let initialization: Initialization

  package var count: Int { slice.count }

  /// The values in the file's order.
  package func exported(from arena: Weights) -> [Float] {
    let inside = arena[slice]
    return [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
      for i in 0..<count { buffer[i] = inside[insideIndex(i)] }
      initialized = count
    }
  }

  /// Takes over values in the file's order.
  package func load(_ values: [Float], into arena: Arena) {
    precondition(values.count == count)
    var inside = arena.mutable(slice)
    for i in 0..<count { inside[insideIndex(i)] = values[i] }
  }

  private func insideIndex(_ fileIndex: Int) -> Int {
    switch layout {
    case .asInFile: return fileIndex
    case .linear:
      let (o, c) = fileIndex.quotientAndRemainder(dividingBy: shape[1])
      return c * shape[0] + o
    case .convolution3x3:
      let (rest, tap) = fileIndex.quotientAndRemainder(dividingBy: 9)
      let (o, c) = rest.quotientAndRemainder(dividingBy: shape[1])
      return (tap * shape[1] + c) * shape[0] + o
    }
  }

  /// PyTorch's default initialisation. The values depend on the seed and the parameter's place in the list.
  package func initialize(_ arena: Arena, seed: UInt64, index: Int) {
    let random = Philox(seed: seed, purpose: .initialization, index: UInt32(index))
    var values = arena.mutable(slice)
    switch initialization {
    case .constant(let value): fill(values, with: value)
    case .normal: random.fillNormals(values)
    case .uniform(let bound):
      for i in 0..<count { values[i] = bound * Float(2 * random.uniform(UInt32(i)) - 1) }
    }
  }
}

/// A layer's weight and bias in the parameter arena.
package struct WeightAndBias: Sendable {
  package let weight: Slice
  package let bias: Slice
}

/// Collects the parameters of a network while its layers are made: the one list from which files, gradients
/// and the optimiser's moments take their layout.
package struct ParameterPlan: Sendable {
  package private(set) var parameters: [Parameter] = []
  private var arena = ArenaPlan()

  package init() {}

  /// The size of an arena for all of them, the gaps for alignment included.
  package var count: Int { arena.count }

  private mutating func add(
    _ name: String, _ shape: [Int], _ layout: Parameter.Layout, _ initialization: Parameter.Initialization
  ) -> Slice {
    let slice = arena.reserve(shape.reduce(1, *))
    parameters.append(
      Parameter(name: name, shape: shape, slice: slice, layout: layout, initialization: initialization))
    return slice
  }

  private mutating func addWithBias(
    _ name: String, _ shape: [Int], _ layout: Parameter.Layout, isZero: Bool
  ) -> WeightAndBias {
    let fanIn = shape.dropFirst().reduce(1, *)
    let initialization =
      isZero ? Parameter.Initialization.constant(0) : .uniform(1 / Float(fanIn).squareRoot())
    return WeightAndBias(
      weight: add(name + ".weight", shape, layout, initialization),
      bias: add(name + ".bias", [shape[0]], .asInFile, initialization))
  }

  package mutating func linear(
    _ name: String, inputChannels: Int, outputChannels: Int
  ) -> WeightAndBias {
    addWithBias(name, [outputChannels, inputChannels], .linear, isZero: false)
  }

  /// - Parameter isZero: whether it starts at zero instead.
  package mutating func convolution(
    _ name: String, inputChannels: Int, outputChannels: Int, kernelSize: Int = 3, isZero: Bool = false
  ) -> WeightAndBias {
    precondition(kernelSize == 3 || kernelSize == 1)
    return addWithBias(
      name, [outputChannels, inputChannels, kernelSize, kernelSize],
      kernelSize == 3 ? .convolution3x3 : .linear, isZero: isZero)
  }

  package mutating func norm(_ name: String, channels: Int) -> WeightAndBias {
    WeightAndBias(
      weight: add(name + ".weight", [channels], .asInFile, .constant(1)),
      bias: add(name + ".bias", [channels], .asInFile, .constant(0)))
  }

  package mutating func embedding(_ name: String, count: Int, width: Int) -> Slice {
    add(name + ".weight", [count, width], .asInFile, .normal)
  }
}
