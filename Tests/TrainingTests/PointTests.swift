import Flow
import Foundation
import Kernels
import Network
import Sampling
import Testing
import Training

@Suite struct PointTests {
  // MARK: Distributions

  @Test(arguments: PointDistribution.allCases) func pointsDependOnSeedAndNumberAlone(
    _ distribution: PointDistribution
  ) {
    let points = distribution.heldOutPoints(500, seed: 4)
    #expect(Array(distribution.heldOutPoints(20, seed: 4)) == Array(points.prefix(40)))
    #expect(distribution.heldOutPoints(500, seed: 5) != points)
    #expect(points.allSatisfy { abs($0) < distribution.extent })
    #expect(Set(points.map(\.bitPattern)).count > 990)
  }

  /// E[log p] of mixtures whose parts don't overlap is −log K − log(2πe σ²); of the checkerboard, −log 8 at every point.
  @Test(arguments: [
    (PointDistribution.twoClusters, 2.0, 0.05), (.eightGaussians, 8, 0.1), (.checkerboard, 8, 0),
  ])
  func pointsHaveTheDensityThatTheyClaim(
    _ distribution: PointDistribution, parts: Double, deviation: Double
  ) {
    let count = 20_000
    let points = distribution.heldOutPoints(count, seed: 1)
    let logs = (0..<count).compactMap { distribution.logDensity(points[2 * $0..<2 * $0 + 2].span) }
    #expect(logs.count == count)
    let mean = logs.reduce(0, +) / Double(count)
    if deviation == 0 {
      #expect(logs.allSatisfy { abs($0 + log(8)) < 1e-12 })
    } else {
      let exact: Double = -log(parts) - log(2 * Double.pi * deviation * deviation) - 1
      // −log p of a Gaussian in two dimensions has deviation 1: a standard error of 0.007.
      #expect(abs(mean - exact) < 0.03)
    }
    // Every part has its share, of each quadrant or half.
    let right = (0..<count).count { points[2 * $0] > 0 }
    let upper = (0..<count).count { points[2 * $0 + 1] > 0 }
    #expect(abs(Double(right) / Double(count) - 0.5) < 0.02)
    #expect(abs(Double(upper) / Double(count) - 0.5) < 0.02)
  }

  // MARK: Closed forms

  /// The field v = A·x + b as a network without hidden layers.
  private func affineFlow(_ matrix: [Float], _ bias: [Float], threads: Int = 1) -> PointFlow {
    let network = MLP(MLP.Configuration(hiddenWidths: []))
    let parameters = Arena(count: network.plan.parameters.count)
    // PyTorch's [out, in]; time has no weight.
    network.parameters[0].load([matrix[0], matrix[1], 0, matrix[2], matrix[3], 0], into: parameters)
    network.parameters[1].load(bias, into: parameters)
    return PointFlow(network: network, parameters: parameters, pool: WorkerPool(threadCount: threads))
  }

  /// v = a⊙x: x₁ = e^a·x₀, so log p₁(x) = log N(e^−a·x) − Σa.
  @Test func likelihoodOfALinearFlow() throws {
    let flow = affineFlow([0.5, 0, 0, -1.25], [0, 0])
    let points = [0.3, -0.2, 1.5, 0.1, -2, 0.75]
    let found = try flow.logLikelihoods(points, .adaptive(rtol: 1e-8, atol: 1e-8))
    for row in 0..<3 {
      let (x, y) = (points[2 * row] * exp(-0.5), points[2 * row + 1] * exp(1.25))
      let exact = -log(2 * .pi) - (x * x + y * y) / 2 - (0.5 - 1.25)
      #expect(abs(found[row] - exact) < 1e-5)
    }
  }

  /// A rotation keeps N(0, I).
  @Test func likelihoodOfARotation() throws {
    let flow = affineFlow([0, -2, 2, 0], [0, 0])
    let found = try flow.logLikelihoods([1, 0.5], .adaptive(rtol: 1e-8, atol: 1e-8))
    let exact: Double = -log(2 * Double.pi) - 0.625
    #expect(abs(found[0] - exact) < 1e-5)
  }

  /// Straight paths have S = 0; v = a·x has S = E‖z₀‖²·∫₀¹ (e^a − 1 − a·e^(at))² dt.
  @Test func straightnessOfKnownFlows() throws {
    let noise = affineFlow([0, 0, 0, 0], [0, 0]).noise(0..<200, seed: 2)
    #expect(try affineFlow([0, 0, 0, 0], [1, -2]).straightness(of: noise) < 1e-10)
    let a = 0.8
    let square = noise.reduce(0) { $0 + $1 * $1 } / 200
    let c = exp(a) - 1
    let exact = square * (c * c - 2 * c * c + a * (exp(2 * a) - 1) / 2)
    let found = try affineFlow([0.8, 0, 0, 0.8], [0, 0]).straightness(of: noise)
    #expect(abs(found / exact - 1) < 1e-3)
  }

  // MARK: Training

  private func trained(
    _ distribution: PointDistribution, steps: Int, threads: Int, likelihood: Bool = false,
    fixedDraw: Bool = false
  ) throws -> (flow: PointFlow, losses: [Double]) {
    let network = MLP(MLP.Configuration())
    let pool = WorkerPool(threadCount: threads)
    let initial = Arena(count: network.plan.parameters.count)
    network.initialize(initial, seed: 0)
    let engine: any Objective =
      likelihood
      ? LikelihoodEngine(network.configuration, pool: pool, maximumBatchSize: 150)
      : LossEngine(network: network, pool: pool, maximumBatchSize: 150)
    let training = PointTraining(
      engine, source: PointExamples(distribution),
      settings: PointTraining.settings(steps: steps, batchSize: 150, learningRate: 2e-3, seed: 1),
      initial: initial, pool: pool, repeatsFirstDraw: fixedDraw)
    let losses = try (0..<steps).map { _ in try training.step() }
    return (PointFlow(network: network, parameters: training.state.parameters, pool: pool), losses)
  }

  @Test(arguments: [false, true]) func theBitsDoNotDependOnThreads(likelihood: Bool) throws {
    let reference = try trained(.moons, steps: 12, threads: 1, likelihood: likelihood)
    let points = PointDistribution.moons.heldOutPoints(100, seed: 3)
    let solver = Solver.adaptive(rtol: 1e-3, atol: 1e-3)
    let expected = try reference.flow.logLikelihoods(points, solver)
    for threads in 2...3 {
      let other = try trained(.moons, steps: 12, threads: threads, likelihood: likelihood)
      #expect(other.losses.map(\.bitPattern) == reference.losses.map(\.bitPattern))
      let found = try other.flow.logLikelihoods(points, solver)
      #expect(found.map(\.bitPattern) == expected.map(\.bitPattern))
    }
  }

  /// One draw for all steps is learned by heart: its loss falls below what fresh ones allow.
  @Test func aFixedDrawIsTheSameInEveryStep() throws {
    let fixed = try trained(.twoClusters, steps: 3, threads: 2, fixedDraw: true)
    let fresh = try trained(.twoClusters, steps: 3, threads: 2)
    #expect(fixed.losses[0] == fresh.losses[0])
    #expect(fixed.losses[1] != fresh.losses[1])
    #expect(fixed.losses[1] < fixed.losses[0] && fixed.losses[2] < fixed.losses[1])
  }

  /// The loss comes near the exact field's, the least possible, and the density, which nothing forces to, integrates to 1.
  @Test func learnsEightGaussians() throws {
    let flow = try trained(.eightGaussians, steps: 2500, threads: 2).flow
    let batch = Batch(
      source: PointExamples(.eightGaussians), rows: Array(repeating: 0, count: 8192)[...], seed: 0,
      draws: .heldOut, times: .independent)
    var field = flow.field(capacity: 8192)
    var exact = try #require(PointDistribution.eightGaussians.mixture)
    let (ours, least) = (try batch.loss(of: &field), try batch.loss(of: &exact))
    #expect(ours > least && ours < 1.1 * least, "loss \(ours), the exact field's \(least)")

    let (columns, extent) = (50, 3.0)
    let width = 2 * extent / Double(columns)
    let coordinates = (0..<columns).map { width * (Double($0) + 0.5) - extent }
    let grid = coordinates.flatMap { y in coordinates.flatMap { x in [x, y] } }
    let logs = try flow.logLikelihoods(grid, .adaptive(rtol: 1e-4, atol: 1e-4))
    let integral = logs.reduce(0) { $0 + exp($1) } * width * width
    #expect(abs(integral - 1) < 0.03, "integral \(integral)")
  }

  // MARK: Likelihood by simulation

  private func likelihoodLoss(
    _ network: MLP, _ parameters: Arena, _ engine: LikelihoodEngine, count: Int
  ) -> Double {
    engine.parametersChanged(parameters)
    return engine.lossAndGradient(
      Batch(
        source: PointExamples(.moons), rows: Array(repeating: 0, count: count)[...], seed: 3,
        draws: .heldOut, times: .independent), parameters: parameters
    ).loss
  }

  /// The engine's own steps against the general solver's on the exact field, and its gradient against differences.
  @Test(arguments: [ActivationFunction.elu, .silu, .tanh]) func gradientOfTheDiscretisedLikelihood(
    _ activation: ActivationFunction
  ) throws {
    let network = MLP(MLP.Configuration(hiddenWidths: [17, 9], activation: activation))
    let pool = WorkerPool(threadCount: 2)
    let parameters = Arena(count: network.plan.parameters.count)
    network.initialize(parameters, seed: 5)
    let count = 70
    let engine = LikelihoodEngine(network.configuration, pool: pool, maximumBatchSize: count)
    let loss = likelihoodLoss(network, parameters, engine, count: count)
    let logs = try PointFlow(network: network, parameters: parameters, pool: pool)
      .logLikelihoods(PointDistribution.moons.heldOutPoints(count, seed: 3), .fixed(.midpoint, steps: 8))
    #expect(abs(loss + logs.reduce(0, +) / Double(count)) < 1e-5)

    let gradients = network.parameters.map { $0.exported(from: engine.gradient) }
    for (index, parameter) in network.parameters.enumerated() {
      let values = parameter.exported(from: parameters)
      var direction = Array(repeating: Float(0), count: parameter.count)
      Philox(seed: 2, purpose: .synthetic, index: UInt32(index)).fillNormals(direction.mutableSpan)
      // Large steps, as the loss is Float32's; of order 4, so that they may be.
      func at(_ step: Float) -> Double {
        parameter.load(zip(values, direction).map { $0 + step * $1 }, into: parameters)
        defer { parameter.load(values, into: parameters) }
        return likelihoodLoss(network, parameters, engine, count: count)
      }
      let h: Float = 0.01
      let slope = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * Double(h))
      let found = zip(gradients[index], direction).reduce(0.0) { $0 + Double($1.0) * Double($1.1) }
      let size = gradients[index].reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
      // ELU's σ″ jumps at 0, and so does the divergence's gradient.
      let tolerance = activation == .elu ? 2e-2 : 2e-3
      #expect(
        abs(found - slope) < tolerance * max(size, 0.05),
        "\(parameter.name): \(found), by differences \(slope)")
    }
  }

  @Test func likelihoodRisesBySimulation() throws {
    let result = try trained(.twoClusters, steps: 60, threads: 2, likelihood: true)
    #expect(result.losses[59] < result.losses[0] - 1)
  }

  // MARK: Reflow

  @Test func reflowStraightensThePaths() throws {
    let network = MLP(MLP.Configuration())
    let flow = try trained(.twoClusters, steps: 600, threads: 2).flow
    let noise = flow.noise(0..<4096, seed: 9)
    let data = try flow.transport(noise, .adaptive(rtol: 1e-3, atol: 1e-3))
    let engine = LossEngine(network: network, pool: flow.pool, maximumBatchSize: 150)
    let training = PointTraining(
      engine, source: PairExamples(noise: noise, data: data, dimension: 2),
      settings: PointTraining.settings(steps: 600, batchSize: 150, learningRate: 2e-3, seed: 1),
      initial: flow.parameters, pool: flow.pool)
    for _ in 0..<600 { _ = try training.step() }
    let straighter = PointFlow(network: network, parameters: training.state.parameters, pool: flow.pool)
    let fresh = flow.noise(5000..<5500, seed: 9)
    let (before, after) = (try flow.straightness(of: fresh), try straighter.straightness(of: fresh))
    #expect(after < 0.5 * before, "S \(before), then \(after)")
  }
}
