import Kernels
import Network
import Testing

/// A multilayer perceptron in Double, as plain as can be.
private struct Reference {
  let configuration: MLP.Configuration
  /// In the parameters' order: weight [out, in], bias [out], …
  var values: [[Double]]

  private func activate(_ x: Double) -> Double {
    switch configuration.activation {
    case .elu: x > 0 ? x : exponential(x) - 1
    case .silu: x / (1 + exponential(-x))
    case .tanh: 1 - 2 / (1 + exponential(2 * x))
    case .relu: max(x, 0)
    }
  }

  /// By its series after halving: no library needed.
  private func exponential(_ x: Double) -> Double {
    let r = x / 64
    var (term, sum) = (1.0, 1.0)
    for n in 1...20 {
      term *= r / Double(n)
      sum += term
    }
    for _ in 0..<6 { sum *= sum }
    return sum
  }

  func velocity(_ x: [Double], time: Double) -> [Double] {
    var h = x + [time]
    let layers = values.count / 2
    for layer in 0..<layers {
      let (weight, bias) = (values[2 * layer], values[2 * layer + 1])
      let z = bias.indices.map { o in
        h.indices.reduce(bias[o]) { $0 + weight[o * h.count + $1] * h[$1] }
      }
      h = layer == layers - 1 ? z : z.map(activate)
    }
    return h
  }

  /// Σ_i ∂v_i/∂x_i by the chain rule: differences of differences would leave four digits of the gradients that are
  /// compared with it.
  func divergence(_ x: [Double], time: Double) -> Double {
    x.indices.reduce(0) { sum, i in
      var h = x + [time]
      var tangent = h.indices.map { $0 == i ? 1.0 : 0.0 }
      let layers = values.count / 2
      for layer in 0..<layers {
        let (weight, bias) = (values[2 * layer], values[2 * layer + 1])
        func product(_ o: Int, _ y: [Double]) -> Double {
          y.indices.reduce(0) { $0 + weight[o * y.count + $1] * y[$1] }
        }
        let z = bias.indices.map { bias[$0] + product($0, h) }
        let dz = bias.indices.map { product($0, tangent) }
        h = layer == layers - 1 ? z : z.map(activate)
        tangent = layer == layers - 1 ? dz : zip(z, dz).map { derivative($0) * $1 }
      }
      return sum + tangent[i]
    }
  }

  private func derivative(_ x: Double) -> Double {
    let s = 1 / (1 + exponential(-x))
    switch configuration.activation {
    case .elu: return x > 0 ? 1 : exponential(x)
    case .silu: return s * (1 + x * (1 - s))
    case .tanh: return 1 - activate(x) * activate(x)
    case .relu: return x > 0 ? 1 : 0
    }
  }
}

@Suite struct MLPTests {
  /// A network with everything that a pass needs, its memory full of NaN.
  private struct Case {
    let network: MLP
    let parameters: Weights
    let workspace: Workspace
    let backwardWeights: Arena
    let gradient: Arena
    var reference: Reference
    let states: [Double]
    let times: [Double]
    let count: Int
    var dimension: Int { network.dimension }

    init(_ activation: ActivationFunction, dimension: Int, widths: [Int], count: Int, tangents: Bool) {
      let configuration = MLP.Configuration(
        dimension: dimension, hiddenWidths: widths, activation: activation)
      network = MLP(configuration, carriesTangents: tangents)
      self.count = count
      parameters = Weights(reading: network.initialParameters(seed: 3))
      workspace = Workspace(network.plan, forTraining: true)
      workspace.fillWithNaN()
      backwardWeights = Arena(count: network.plan.backwardWeights.count)
      network.plan.prepare(
        parameters, forward: Arena(count: 0), backward: backwardWeights, pool: WorkerPool(threadCount: 1))
      gradient = Arena(count: network.plan.parameters.count)
      let values = parameters
      reference = Reference(
        configuration: configuration,
        values: network.parameters.map { $0.exported(from: values).map { Double($0) } })
      let numbers = Arena(count: count * (dimension + 1))
      Philox(seed: 8, purpose: .synthetic).fillNormals(numbers.mutable(numbers.all))
      let all = numbers[numbers.all]
      states = (0..<count * dimension).map { Double(all[$0]) }
      times = (0..<count).map { abs(Double(all[count * dimension + $0])) / 4 }
      for row in 0..<count {
        var input = workspace.activations.mutable(network.input[row])
        for i in input.indices { input[i] = Float(states[row * dimension + i]) }
        fill(
          workspace.activations.mutable(network.timesteps.part(row, length: 1)), with: Float(times[row]))
      }
    }

    var forward: ForwardPass {
      ForwardPass(
        count: count, parameters: parameters, prepared: .none, workspace: workspace)
    }
    var backward: BackwardPass {
      BackwardPass(
        forward: forward, prepared: Weights(reading: backwardWeights), parameterGradients: gradient)
    }

    func state(_ row: Int) -> [Double] { Array(states[row * dimension..<(row + 1) * dimension]) }

    /// ‖ours − theirs‖ / ‖theirs‖ of the parameters' gradient, whose reference is a function of the parameters.
    func parameterGradientError(of f: (Reference) -> Double) -> Double {
      var (difference, size) = (0.0, 0.0)
      for (index, parameter) in network.parameters.enumerated() {
        let ours = parameter.exported(from: Weights(reading: gradient))
        for i in ours.indices {
          let step = 1e-5
          var (low, high) = (reference, reference)
          low.values[index][i] -= step
          high.values[index][i] += step
          let theirs = (f(high) - f(low)) / (2 * step)
          difference += (Double(ours[i]) - theirs) * (Double(ours[i]) - theirs)
          size += theirs * theirs
        }
      }
      return (difference / size).squareRoot()
    }

    func inputGradientError(of f: (_ row: Int, _ state: [Double]) -> Double) -> Double {
      var (difference, size) = (0.0, 0.0)
      for row in 0..<count {
        let ours = workspace.gradients[network.input.gradient(row)]
        for i in 0..<dimension {
          let step = 1e-5
          var (low, high) = (state(row), state(row))
          low[i] -= step
          high[i] += step
          let theirs = (f(row, high) - f(row, low)) / (2 * step)
          difference += (Double(ours[i]) - theirs) * (Double(ours[i]) - theirs)
          size += theirs * theirs
        }
      }
      return (difference / size).squareRoot()
    }
  }

  /// What a component of a result counts for in the scalar whose gradient is taken.
  private func weight(_ row: Int, _ i: Int) -> Double { 0.3 + 0.2 * Double(row % 3) - 0.5 * Double(i) }

  // Away from relu's kinks, which differences of 1e-5 rarely cross.
  @Test(arguments: ActivationFunction.allCases, [[16, 16, 16], [5, 9], [17, 33, 3], []])
  func outputAndGradients(_ activation: ActivationFunction, widths: [Int]) {
    let test = Case(activation, dimension: 2, widths: widths, count: 7, tangents: false)
    test.network.forward(test.forward)
    for row in 0..<test.count {
      let exact = test.reference.velocity(test.state(row), time: test.times[row])
      let output = test.workspace.activations[test.network.output[row]]
      for i in 0..<2 { #expect(abs(Double(output[i]) - exact[i]) < 1e-6) }
      var gradient = test.workspace.gradients.mutable(test.network.output.gradient(row))
      for i in 0..<2 { gradient[i] = Float(weight(row, i)) }
    }
    test.network.backward(toInput: true, test.backward)
    func scalar(_ reference: Reference, _ row: Int, _ state: [Double]) -> Double {
      let v = reference.velocity(state, time: test.times[row])
      return v.indices.reduce(0) { $0 + weight(row, $1) * v[$1] }
    }
    let parameterError = test.parameterGradientError { reference in
      (0..<test.count).reduce(0) { $0 + scalar(reference, $1, test.state($1)) }
    }
    #expect(parameterError < 1e-3, "parameters: \(parameterError)")
    let inputError = test.inputGradientError { scalar(test.reference, $0, $1) }
    #expect(inputError < 1e-3, "input: \(inputError)")
  }

  /// The divergence, and the gradients of a scalar of values and divergences.
  @Test(
    arguments: [ActivationFunction.elu, .silu, .tanh], [([5, 9], 3), ([17, 33, 3], 2)] as [([Int], Int)])
  func divergenceAndItsGradients(
    _ activation: ActivationFunction, shape: (widths: [Int], dimension: Int)
  ) {
    let (widths, dimension) = shape
    let test = Case(activation, dimension: dimension, widths: widths, count: 5, tangents: true)
    let divergences = Arena(count: test.count)
    fill(divergences.mutable(divergences.all), with: .nan)
    test.network.forwardWithDivergence(test.forward, divergences: divergences.mutable(divergences.all))
    let divergenceWeights = Arena(count: test.count)
    for row in 0..<test.count {
      let exact = test.reference.divergence(test.state(row), time: test.times[row])
      #expect(abs(Double(divergences[divergences.all][row]) - exact) < 1e-6)
      let differences = (0..<dimension).reduce(0.0) { sum, i in
        var (low, high) = (test.state(row), test.state(row))
        low[i] -= 1e-5
        high[i] += 1e-5
        let velocities = [low, high].map { test.reference.velocity($0, time: test.times[row])[i] }
        return sum + (velocities[1] - velocities[0]) / 2e-5
      }
      #expect(abs(exact - differences) < 1e-8)
      let velocity = test.reference.velocity(test.state(row), time: test.times[row])
      let output = test.workspace.activations[test.network.output[row]]
      var gradient = test.workspace.gradients.mutable(test.network.output.gradient(row))
      for i in 0..<dimension {
        #expect(abs(Double(output[i]) - velocity[i]) < 1e-6)
        gradient[i] = Float(weight(row, i))
      }
      fill(
        divergenceWeights.mutable(divergenceWeights.all.part(row, length: 1)),
        with: Float(weight(row, 4)))
    }
    test.network.backwardWithDivergence(divergenceWeights[divergenceWeights.all], test.backward)
    func scalar(_ reference: Reference, _ row: Int, _ state: [Double]) -> Double {
      let v = reference.velocity(state, time: test.times[row])
      return v.indices.reduce(0) { $0 + weight(row, $1) * v[$1] }
        + weight(row, 4) * reference.divergence(state, time: test.times[row])
    }
    let parameterError = test.parameterGradientError { reference in
      (0..<test.count).reduce(0) { $0 + scalar(reference, $1, test.state($1)) }
    }
    #expect(parameterError < 1e-4, "parameters: \(parameterError)")
    let inputError = test.inputGradientError { scalar(test.reference, $0, $1) }
    #expect(inputError < 1e-4, "input: \(inputError)")
  }

  /// PyTorch's: uniform within 1/√(inputs), weights and biases.
  @Test func startsAsPyTorchDoes() {
    let network = MLP(MLP.Configuration())
    #expect(network.parameterCount == 3 * 64 + 64 + 2 * (64 * 64 + 64) + 64 * 2 + 2)
    let parameters = Weights(reading: network.initialParameters(seed: 0))
    for (index, inputs) in [3, 64, 64, 64].enumerated() {
      let bound = 1 / Float(inputs).squareRoot()
      for parameter in network.parameters[2 * index...2 * index + 1] {
        let values = parameter.exported(from: parameters)
        #expect(values.allSatisfy { abs($0) <= bound })
        #expect(values.contains { abs($0) > 0.5 * bound } && values.contains { $0 < 0 })
      }
    }
  }
}
