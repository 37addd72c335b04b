import Flow
import Kernels
import Network

extension TrainedFlow {
  /// The flow's velocity field, with the threads and the memory to evaluate it: what every solver, likelihood and picture
  /// takes.
  ///
  /// - Parameters:
  ///   - capacity: the most samples that an evaluation may have.
  ///   - labels: the class of each sample, if the flow is conditional.
  ///   - probeCount: for each sample, of the divergence's estimate; 0 for a field that is only evaluated.
  public func field(
    capacity: Int, labels: [Int]? = nil, probeCount: Int = 0, on pool: WorkerPool = WorkerPool()
  ) -> FlowField {
    FlowField(self, capacity: capacity, labels: labels, probeCount: probeCount, on: pool)
  }
}

/// A trained flow as a velocity field: takes the states of any number of samples through the network in micro-batches
/// on all threads, forward and, for its derivatives, backward. What it gives for a sample doesn't depend on the
/// sample's neighbours, nor on the number of threads.
public final class FlowField: DifferentiableField {
  /// The class of each sample, in a conditional flow.
  public var labels: [Int]? {
    didSet { requireLabels() }
  }
  /// Is called before each evaluation. What it throws ends the solve.
  var willEvaluate: () throws -> Void = {}
  private let core: Core
  private let pool: WorkerPool

  public var dimension: Int { core.network.dimension }

  fileprivate init(
    _ flow: TrainedFlow, capacity: Int, labels: [Int]?, probeCount: Int, on pool: WorkerPool
  ) {
    self.labels = labels
    self.pool = pool
    core = Core(flow, capacity: capacity, probeCount: probeCount, pool)
    requireLabels()
  }

  private func requireLabels() {
    guard let classCount = core.network.classCount else {
      return precondition(labels == nil, "labels are for a flow that was trained with classes")
    }
    precondition(labels != nil, "the flow was trained with classes: each sample needs a label")
    precondition(
      labels?.allSatisfy { (0..<classCount).contains($0) } ?? true, "labels are from 0 to \(classCount - 1)")
  }

  /// - Throws: `CancellationError` where the task that calls is cancelled.
  public func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>,
    into velocities: inout MutableSpan<Double>
  ) throws {
    let count = times.count
    try begin()
    let rows = core.load(states, times, samples, labels)
    // Fewer images than threads: one after the other, all threads on each.
    if rows < pool.threadCount {
      for row in 0..<rows { core.forward(row..<row + 1, worker: 0, core.team) }
    } else {
      let size = core.rowsAtATime(rows, pool)
      pool.run((rows + size - 1) / size, sharing: (core, rows, size)) { shared, microBatch, worker in
        let (core, rows, size) = shared
        core.forward(microBatch * size..<min((microBatch + 1) * size, rows), worker: worker, nil)
      }
    }
    core.guide(core.velocities, count * dimension, into: &velocities)
  }

  /// One forward pass, and a backward pass for each probe: the output's gradient z becomes the input's, (∂u/∂x)ᵀz.
  public func evaluate(
    _ states: Span<Double>, times: Span<Double>, samples: Span<Int>, probes: Span<Double>,
    into velocities: inout MutableSpan<Double>, quadraticForms: inout MutableSpan<Double>
  ) throws {
    precondition(core.probeCount > 0, "the field was made without probes")
    let (count, width) = (times.count, core.probeCount * dimension)
    try begin()
    let rows = core.load(states, times, samples, labels)
    if rows == 0 { return }
    let rowProbes = core.probes
    for row in 0..<rows {
      let sample = samples[row % count]
      narrow(
        probes.extracting(sample * width..<(sample + 1) * width),
        into: rowProbes.mutable(rowProbes.all.part(row, length: width)), scale: 1)
    }
    let size = core.rowsAtATime(rows, pool)
    pool.run((rows + size - 1) / size, sharing: (core, rows, size)) { shared, microBatch, worker in
      let (core, rows, size) = shared
      let part = microBatch * size..<min((microBatch + 1) * size, rows)
      core.differentiate(part, core.forward(part, worker: worker, nil), worker: worker)
    }
    core.guide(core.velocities, count * dimension, into: &velocities)
    core.guide(core.quadraticForms, count * core.probeCount, into: &quadraticForms)
  }

  private func begin() throws {
    try willEvaluate()
    if Task.isCancelled { throw CancellationError() }
  }
}

/// What the threads share. The arenas of rows are written before the threads begin, or by the thread that has the row.
///
/// A guided flow has two rows for each sample: those with the samples' classes, then those with no class.
private final class Core: Sendable {
  let network: any FlowNetwork
  let parameters: Weights
  /// As the passes read them (`NetworkPlan.prepare`).
  let forwardWeights: Weights
  let backwardWeights: Weights
  /// One for each thread.
  let workspaces: [Workspace]
  /// All threads on one image, for where images are fewer than threads.
  let team: ForwardPass.Team
  private let guidance: Double
  private let unconditionalClass: Int?
  /// [rows, dimension] States and velocities in Float32.
  let states: Arena
  let velocities: Arena
  /// [rows]
  let times: Arena
  let classes: Arena
  let probeCount: Int
  /// [rows, probeCount, dimension] The rows' probes z.
  let probes: Arena
  /// [rows, probeCount] zᵀ(∂u/∂x)z.
  let quadraticForms: Arena

  init(_ flow: TrainedFlow, capacity: Int, probeCount: Int, _ pool: WorkerPool) {
    let isDifferentiated = probeCount > 0
    // Generic, so that the existential stays what it was.
    func planned(_ network: some FlowNetwork) -> any FlowNetwork {
      network.planned(forTraining: isDifferentiated, precision: flow.precision)
    }
    network = planned(flow.network)
    let plan = network.plan
    parameters = flow.weights
    let forward = Arena(count: plan.forwardWeights.count)
    let backward = Arena(count: isDifferentiated ? plan.backwardWeights.count : 0)
    plan.prepare(parameters, forward: forward, backward: isDifferentiated ? backward : nil, pool: pool)
    (forwardWeights, backwardWeights) = (Weights(reading: forward), Weights(reading: backward))
    workspaces = (0..<pool.threadCount).map { _ in Workspace(plan, forTraining: isDifferentiated) }
    team = ForwardPass.Team(pool, workspaces)
    guidance = flow.guidance
    unconditionalClass = guidance == 1 ? nil : network.unconditionalClass
    let rows = unconditionalClass == nil ? capacity : 2 * capacity
    let count = rows * network.dimension
    (states, velocities) = (Arena(count: count), Arena(count: count))
    (times, classes) = (Arena(count: rows), Arena(count: rows))
    self.probeCount = probeCount
    (probes, quadraticForms) = (Arena(count: probeCount * count), Arena(count: probeCount * rows))
  }

  /// Rows of a micro-batch, so that no thread is without.
  func rowsAtATime(_ count: Int, _ pool: WorkerPool) -> Int {
    min(network.microBatchSize, (count + pool.threadCount - 1) / pool.threadCount)
  }

  /// The solver's rows to the network's Float32.
  ///
  /// - Returns: the network's rows.
  func load(_ states: Span<Double>, _ times: Span<Double>, _ samples: Span<Int>, _ labels: [Int]?) -> Int {
    let (inputs, rowTimes, classes, count) = (self.states, self.times, self.classes, times.count)
    let rows = unconditionalClass == nil ? count : 2 * count
    precondition(
      states.count == count * network.dimension && rows * network.dimension <= inputs.count)
    for first in stride(from: 0, to: rows, by: max(count, 1)) {
      let part = first..<first + count
      narrow(states, into: inputs.mutable(inputs.all.parts(part, length: network.dimension)), scale: 1)
      narrow(times, into: rowTimes.mutable(rowTimes.all[part]), scale: Double(network.timeScale))
    }
    if let labels {
      var rowClasses = classes.mutable(classes.all)
      for row in 0..<rows {
        rowClasses[row] = Float(row < count ? labels[samples[row]] : unconditionalClass ?? 0)
      }
    }
    return rows
  }

  /// The network's Float32 to the solver's Double: v, or v_∅ + guidance·(v_c − v_∅) of both halves of the rows.
  func guide(_ arena: Arena, _ count: Int, into values: inout MutableSpan<Double>) {
    let rows = arena[arena.all[0..<(unconditionalClass == nil ? count : 2 * count)]]
    for i in 0..<count {
      let value = Double(rows[i])
      if unconditionalClass == nil {
        values[i] = value
      } else {
        let without = Double(rows[count + i])
        values[i] = without + guidance * (value - without)
      }
    }
  }

  /// Takes some rows through the network.
  @discardableResult
  func forward(_ rows: Range<Int>, worker: Int, _ team: ForwardPass.Team?) -> ForwardPass {
    let workspace = workspaces[worker]
    let (activations, states, velocities) = (workspace.activations, states, velocities)
    let (times, classes) = (times, classes)
    let elements = states.all.parts(rows, length: network.dimension)
    copy(states[elements], into: activations.mutable(network.input[0..<rows.count]))
    copy(times[times.all[rows]], into: activations.mutable(network.timesteps[0..<rows.count]))
    if let place = network.labels {
      copy(classes[classes.all[rows]], into: activations.mutable(place[0..<rows.count]))
    }
    let pass = ForwardPass(
      count: rows.count, parameters: parameters, prepared: forwardWeights, workspace: workspace, team: team)
    network.forward(pass)
    copy(activations[network.output[0..<rows.count]], into: velocities.mutable(elements))
    return pass
  }

  /// Takes the probes of some rows back through the network, after their forward pass.
  func differentiate(_ rows: Range<Int>, _ pass: ForwardPass, worker: Int) {
    let (gradients, probes, forms) = (workspaces[worker].gradients, probes, quadraticForms)
    for probe in 0..<probeCount {
      for (i, row) in rows.enumerated() {
        let z = probes.all.part(row * probeCount + probe, length: network.dimension)
        copy(probes[z], into: gradients.mutable(network.output.gradient(i)))
      }
      network.backward(
        toInput: true, BackwardPass(forward: pass, prepared: backwardWeights, parameterGradients: nil))
      for (i, row) in rows.enumerated() {
        let index = row * probeCount + probe
        let z = probes[probes.all.part(index, length: network.dimension)]
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
