import Kernels

/// What a forward pass reads and where it works.
package struct ForwardPass: Sendable {
  /// Images of the micro-batch: all of them, or those that a level takes at a time.
  package var images: Range<Int>
  package let parameters: Weights
  /// Prepared weights (`NetworkPlan.prepare`).
  package let prepared: Weights
  package let workspace: Workspace
  /// Threads that share out each layer's work, where there are more of them than micro-batches.
  private let team: Team?

  /// All threads of a pool, with each one's scratch memory.
  package struct Team: Sendable {
    let pool: WorkerPool
    let scratch: [Arena]

    package init(_ pool: WorkerPool, _ workspaces: [Workspace]) {
      self.pool = pool
      scratch = workspaces.map(\.products)
    }
  }

  /// - Parameter count: images in the micro-batch, at most the plan's capacity.
  package init(
    count: Int, parameters: Weights, prepared: Weights, workspace: Workspace, team: Team? = nil
  ) {
    images = 0..<count
    self.parameters = parameters
    self.prepared = prepared
    self.workspace = workspace
    self.team = team
  }

  /// Runs each share of a layer's work, on all threads if there is a team. `shared` is what they all read, as in
  /// `WorkerPool.run`.
  ///
  /// - Parameter isLarge: whether the work is worth the threads' meeting.
  func forEachShare<Shared: Sendable>(
    ifLarge isLarge: Bool = true, sharing shared: Shared,
    _ body:
      @escaping @Sendable (_ shared: Shared, _ share: (index: Int, count: Int), _ scratch: Arena) -> Void
  ) {
    guard let team, isLarge else { return body(shared, (0, 1), workspace.products) }
    team.pool.run(team.pool.threadCount, sharing: Shares(shared: shared, team: team, body: body)) {
      shares, index, worker in
      shares.body(shares.shared, (index, shares.team.pool.threadCount), shares.team.scratch[worker])
    }
  }

  /// A struct: a closure stored in a generic tuple costs a heap allocation.
  private struct Shares<Shared: Sendable>: Sendable {
    let shared: Shared
    let team: Team
    let body: @Sendable (Shared, (index: Int, count: Int), Arena) -> Void
  }

  package var count: Int { images.count }
  var activations: Arena { workspace.activations }
}

/// What a backward pass reads beside the forward pass's, and the parameter gradients that it adds to.
package struct BackwardPass {
  package var forward: ForwardPass
  /// The backward pass's prepared weights.
  package let prepared: Weights
  /// Nil where nothing but the input's gradient is wanted; then only that is computed.
  package let parameterGradients: Arena?

  package init(forward: ForwardPass, prepared: Weights, parameterGradients: Arena?) {
    self.forward = forward
    self.prepared = prepared
    self.parameterGradients = parameterGradients
  }

  var images: Range<Int> { forward.images }
  var count: Int { forward.count }
  var parameters: Weights { forward.parameters }
  var workspace: Workspace { forward.workspace }
  var activations: Arena { forward.workspace.activations }
  var gradients: Arena { forward.workspace.gradients }

  /// Adds the gradient of a bias: the sums of the gradients `dy` at the rows that it was added to.
  func addBiasGradient(_ dy: Slice, to bias: Slice) {
    guard let parameterGradients else { return }
    addColumnSums(gradients[dy], into: parameterGradients.mutable(bias))
  }
}
