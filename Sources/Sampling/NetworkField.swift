import Flow
import Kernels
import Network

/// A trained network as a velocity field: takes the states of any number of samples through it in micro-batches
/// on all threads, forward and, for its derivatives, backward. What it gives for a sample doesn't depend on the
/// sample's neighbours, nor on the number of threads.
package final class NetworkField: DifferentiableField, Sendable {
  private let network: any FlowNetwork
  private let parameters: Arena
  private let prepared: Arena
  private let pool: WorkerPool
  private let workspaces: [Workspace]
  /// The class of each sample, in a conditional network.
  private let labels: [Int]?
  /// States and velocities in Float32, [capacity, dimension], times and classes, [capacity].
  private let states: Arena
  private let velocities: Arena
  private let times: Arena
  private let classes: Arena
  /// All threads on one image, for where images are fewer than threads.
  private let team: ForwardPass.Team
  private let derivatives: Derivatives?

  /// What a field that is differentiated needs besides.
  private struct Derivatives {
    /// The backward pass's prepared weights.
    let prepared: Arena
    let probeCount: Int
    /// [capacity, probeCount, dimension] The rows' probes.
    let probes: Arena
    /// [capacity, probeCount] zᵀ(∂u/∂x)z.
    let quadraticForms: Arena
  }

  package var dimension: Int { network.dimension }

  /// - Parameters:
  ///   - network: planned for sampling, or for training where the field is differentiated.
  ///   - capacity: the most samples that an evaluation may have.
  ///   - prepared: the model's prepared weights.
  ///   - workspaces: one for each of the pool's threads.
  ///   - derivatives: for a field that is differentiated, the backward pass's prepared weights and the probes of a
  ///     sample.
  package init(
    network: any FlowNetwork, parameters: Arena, prepared: Arena, pool: WorkerPool, workspaces: [Workspace],
    capacity: Int,
    labels: [Int]?, derivatives: (prepared: Arena, probeCount: Int)? = nil
  ) {
    self.network = network
    self.parameters = parameters
    self.prepared = prepared
    self.pool = pool
    self.workspaces = workspaces
    self.labels = labels
    let count = capacity * network.dimension
    states = Arena(count: count)
    velocities = Arena(count: count)
    times = Arena(count: capacity)
    classes = Arena(count: capacity)
    team = ForwardPass.Team(pool, workspaces)
    self.derivatives = derivatives.map { prepared, probeCount in
      Derivatives(
        prepared: prepared, probeCount: probeCount, probes: Arena(count: probeCount * count),
        quadraticForms: Arena(count: probeCount * capacity))
    }
  }

  package func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>
  ) {
    let count = times.count
    load(states, times, samples)
    // Fewer images than threads: one after the other, all threads on each.
    if count < pool.threadCount {
      for row in 0..<count { run(row..<row + 1, on: workspaces[0], team) }
    } else {
      let size = min(network.microBatchSize, (count + pool.threadCount - 1) / pool.threadCount)
      pool.run((count + size - 1) / size, sharing: (self, count, size)) { shared, microBatch, worker in
        let (field, count, size) = shared
        field.run(
          microBatch * size..<min((microBatch + 1) * size, count), on: field.workspaces[worker], nil)
      }
    }
    widen(self.velocities, count * dimension, into: &velocities)
  }

  /// One forward pass, and a backward pass for each probe: the output's gradient z becomes the input's, (∂u/∂x)ᵀz.
  package func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>, probes: Span<Double>,
    into velocities: inout MutableSpan<Double>, quadraticForms: inout MutableSpan<Double>
  ) {
    guard let derivatives else { preconditionFailure("the field was made without its derivatives") }
    let (count, width) = (times.count, derivatives.probeCount * dimension)
    load(states, times, samples)
    for row in 0..<count {
      narrow(
        probes.extracting(samples[row] * width..<(samples[row] + 1) * width),
        into: derivatives.probes.mutable(derivatives.probes.all.part(row, length: width)), scale: 1)
    }
    let size = min(network.microBatchSize, (count + pool.threadCount - 1) / pool.threadCount)
    pool.run((count + size - 1) / size, sharing: (self, derivatives, count, size)) {
      shared, microBatch, worker in
      let (field, derivatives, count, size) = shared
      let rows = microBatch * size..<min((microBatch + 1) * size, count)
      let pass = field.run(rows, on: field.workspaces[worker], nil)
      field.differentiate(rows, derivatives, pass, on: field.workspaces[worker])
    }
    widen(self.velocities, count * dimension, into: &velocities)
    widen(derivatives.quadraticForms, count * derivatives.probeCount, into: &quadraticForms)
  }

  /// The solver's rows to the network's Float32.
  private func load(_ states: Span<Double>, _ times: Span<Double>, _ samples: Span<Int>) {
    let count = times.count
    let (inputs, rowTimes, classes) = (self.states, self.times, self.classes)
    precondition(states.count == count * dimension && states.count <= inputs.count)
    narrow(states, into: inputs.mutable(inputs.all[0..<states.count]), scale: 1)
    narrow(times, into: rowTimes.mutable(rowTimes.all[0..<count]), scale: Double(network.timeScale))
    if let labels {
      var rows = classes.mutable(classes.all)
      for row in 0..<count { rows[row] = Float(labels[samples[row]]) }
    }
  }

  /// Takes some rows through the network.
  @discardableResult
  private func run(_ rows: Range<Int>, on workspace: Workspace, _ team: ForwardPass.Team?) -> ForwardPass {
    let (activations, states, velocities) = (workspace.activations, states, velocities)
    let (times, classes) = (times, classes)
    let elements = states.all.parts(rows, length: dimension)
    copy(states[elements], into: activations.mutable(network.input[0..<rows.count]))
    copy(times[times.all[rows]], into: activations.mutable(network.timesteps[0..<rows.count]))
    if let place = network.labels {
      copy(classes[classes.all[rows]], into: activations.mutable(place[0..<rows.count]))
    }
    let pass = ForwardPass(
      count: rows.count, parameters: parameters, prepared: prepared, workspace: workspace, team: team)
    network.forward(pass)
    copy(activations[network.output[0..<rows.count]], into: velocities.mutable(elements))
    return pass
  }

  /// Takes the probes of some rows back through the network, after their forward pass.
  private func differentiate(
    _ rows: Range<Int>, _ derivatives: Derivatives, _ pass: ForwardPass, on workspace: Workspace
  ) {
    let (gradients, probes, forms) = (workspace.gradients, derivatives.probes, derivatives.quadraticForms)
    for probe in 0..<derivatives.probeCount {
      for (i, row) in rows.enumerated() {
        let z = probes.all.part(row * derivatives.probeCount + probe, length: dimension)
        copy(probes[z], into: gradients.mutable(network.output.gradient(i)))
      }
      network.backward(
        toInput: true,
        BackwardPass(forward: pass, prepared: derivatives.prepared, parameterGradients: nil))
      for (i, row) in rows.enumerated() {
        let index = row * derivatives.probeCount + probe
        let z = probes[probes.all.part(index, length: dimension)]
        let product = gradients[network.input.gradient(i)]
        var sum = 0.0
        for j in z.indices { sum += Double(z[j]) * Double(product[j]) }
        fill(forms.mutable(forms.all.part(index, length: 1)), with: Float(sum))
      }
    }
  }
}

/// The solver's Double to the network's Float32, scaled.
private func narrow(_ values: Span<Double>, into narrowed: consuming MutableSpan<Float>, scale: Double) {
  for i in values.indices { narrowed[i] = Float(scale * values[i]) }
}

/// The network's Float32 to the solver's Double.
private func widen(_ arena: Arena, _ count: Int, into values: inout MutableSpan<Double>) {
  let narrow = arena[arena.all[0..<count]]
  for i in narrow.indices { values[i] = Double(narrow[i]) }
}
