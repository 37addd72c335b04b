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
    #expect(points.allSatisfy { abs(Double($0)) < distribution.extent })
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
    let points = distribution.heldOutPoints(count, seed: 1).map { Double($0) }
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

  /// As Float32 the x of point 307 is −1, at the edge of its square.
  @Test func aPointOnTheEdgeOfASquareHasADensity() {
    let points = PointDistribution.checkerboard.heldOutPoints(2000, seed: 4810).map { Double($0) }
    #expect(points[2 * 307] == -1)
    func logDensity(_ x: Double, _ y: Double) -> Double? {
      PointDistribution.checkerboard.logDensity([x, y].span)
    }
    for i in 0..<2000 {
      #expect(logDensity(points[2 * i], points[2 * i + 1]).map { abs($0 + log(8)) < 1e-12 } == true)
    }
    #expect(logDensity(2, 1.5).map(exp).map { abs($0 - 0.125) < 1e-12 } == true)
    for (x, y) in [(0.5, 1.5), (2.001, 1.5), (-2.5, 0), (1e300, 0.5), (-.infinity, .infinity)] {
      #expect(logDensity(x, y) == -.infinity, "\(x), \(y)")
    }
  }

  // MARK: Closed forms

  /// The field v = A·x + b as a network without hidden layers.
  private func affineFlow(_ matrix: [Float], _ bias: [Float]) -> TrainedFlow {
    let network = MLP(MLP.Configuration(hiddenWidths: []))
    let parameters = Arena(count: network.plan.parameters.count)
    // PyTorch's [out, in]; time has no weight.
    network.parameters[0].load([matrix[0], matrix[1], 0, matrix[2], matrix[3], 0], into: parameters)
    network.parameters[1].load(bias, into: parameters)
    return TrainedFlow(network, Weights(reading: parameters))
  }

  /// log p of each point, by the exact divergence.
  private func logDensities(
    _ flow: TrainedFlow, _ points: [Float], _ solver: Solver, threads: Int = 2
  ) throws -> [Double] {
    try flow.logDensities(
      of: points, numbers: 0..<points.count / 2, probes: .axes(dimension: 2), solver: solver,
      on: WorkerPool(threadCount: threads)
    ).values
  }

  /// ∫E‖(z₁ − z₀) − v‖² dt, summed over both dimensions.
  private func straightness(_ flow: TrainedFlow, _ numbers: Range<Int>, seed: UInt64) throws -> Double {
    let paths = try flow.straightness(
      numbers, seed: seed, rtol: 1e-5, atol: 1e-5, timesPerPath: 64, on: WorkerPool(threadCount: 2)
    ).straightness
    return 2 * paths.reduce(0, +) / Double(numbers.count)
  }

  /// v = a⊙x: x₁ = e^a·x₀, so log p₁(x) = log N(e^−a·x) − Σa.
  @Test func likelihoodOfALinearFlow() throws {
    let flow = affineFlow([0.5, 0, 0, -1.25], [0, 0])
    let points: [Float] = [0.3, -0.2, 1.5, 0.1, -2, 0.75]
    let found = try logDensities(flow, points, .adaptive(rtol: 1e-8, atol: 1e-8))
    for row in 0..<3 {
      let (x, y) = (Double(points[2 * row]) * exp(-0.5), Double(points[2 * row + 1]) * exp(1.25))
      let exact = -log(2 * .pi) - (x * x + y * y) / 2 - (0.5 - 1.25)
      #expect(abs(found[row] - exact) < 1e-5)
    }
  }

  /// A rotation keeps N(0, I).
  @Test func likelihoodOfARotation() throws {
    let flow = affineFlow([0, -2, 2, 0], [0, 0])
    let found = try logDensities(flow, [1, 0.5], .adaptive(rtol: 1e-8, atol: 1e-8))
    let exact: Double = -log(2 * Double.pi) - 0.625
    #expect(abs(found[0] - exact) < 1e-5)
  }

  /// Straight paths have S = 0; v = a·x has S = E‖z₀‖²·∫₀¹ (e^a − 1 − a·e^(at))² dt.
  @Test func straightnessOfKnownFlows() throws {
    let noise = affineFlow([0, 0, 0, 0], [0, 0]).noise(0..<200, seed: 2).map { Double($0) }
    #expect(try straightness(affineFlow([0, 0, 0, 0], [1, -2]), 0..<200, seed: 2) < 1e-10)
    let a = 0.8
    let square = noise.reduce(0) { $0 + $1 * $1 } / 200
    let c = exp(a) - 1
    let exact = square * (c * c - 2 * c * c + a * (exp(2 * a) - 1) / 2)
    let found = try straightness(affineFlow([0.8, 0, 0, 0.8], [0, 0]), 0..<200, seed: 2)
    #expect(abs(found / exact - 1) < 1e-3)
  }

  // MARK: Training

  /// Adam as in the 2-D tutorial: a constant rate, no decay of weights, no clipping, no average.
  private func settings(steps: Int) -> TrainingSettings {
    var settings = TrainingSettings(recipe: .rectifiedFlow, steps: steps, seed: 1)
    settings.batchSize = 150
    settings.learningRate = 2e-3
    settings.weightDecay = 0
    settings.gradientClip = .infinity
    return settings
  }

  private func trained(
    _ distribution: PointDistribution, steps: Int, threads: Int, likelihood: Bool = false,
    fixedDraw: Bool = false
  ) throws -> (flow: TrainedFlow, losses: [Double]) {
    let network = MLP(MLP.Configuration())
    let pool = WorkerPool(threadCount: threads)
    let engine: any Objective =
      likelihood
      ? LikelihoodEngine(network.configuration, pool: pool, maximumBatchSize: 150)
      : LossEngine(network: network, pool: pool, maximumBatchSize: 150)
    let settings = settings(steps: steps)
    let initial = Weights(reading: network.initialParameters(seed: 0))
    let training = TrainingLoop(
      engine, examples: PointExamples(distribution),
      state: TrainingState(from: initial, settings: settings), settings: settings, pool: pool,
      repeatsFirstDraw: fixedDraw)
    let losses = try (0..<steps).map { _ in try training.step().loss }
    return (training.flow(of: network), losses)
  }

  @Test(arguments: [false, true]) func theBitsDoNotDependOnThreads(likelihood: Bool) throws {
    let reference = try trained(.moons, steps: 12, threads: 1, likelihood: likelihood)
    let points = PointDistribution.moons.heldOutPoints(100, seed: 3)
    let solver = Solver.adaptive(rtol: 1e-3, atol: 1e-3)
    let expected = try logDensities(reference.flow, points, solver, threads: 1)
    for threads in 2...3 {
      let other = try trained(.moons, steps: 12, threads: threads, likelihood: likelihood)
      #expect(other.losses.map(\.bitPattern) == reference.losses.map(\.bitPattern))
      let found = try logDensities(other.flow, points, solver, threads: threads)
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
    let grid = coordinates.flatMap { y in coordinates.flatMap { x in [Float(x), Float(y)] } }
    let logs = try logDensities(flow, grid, .adaptive(rtol: 1e-4, atol: 1e-4))
    let integral = logs.reduce(0) { $0 + exp($1) } * width * width
    #expect(abs(integral - 1) < 0.03, "integral \(integral)")
  }

  // MARK: As reflow trains

  /// The first half or three quarters of a batch are at t = 0, the others one in each of as many equal parts.
  @Test(arguments: [1, 2, 7, 12], [(TrainingSettings.TimeDraws.noiseEnd, 2), (.mostlyNoiseEnd, 4)])
  func timesAtTheNoise(count: Int, draws: (TrainingSettings.TimeDraws, inverseShare: Int)) {
    let (times, inverse) = draws
    let batch = Batch(
      source: PointExamples(.moons), rows: Array(repeating: 0, count: count)[...], seed: 3,
      draws: .training(step: 5), times: times)
    let numbers = Arena(count: 4)
    let (noise, data) = (numbers.all.part(0, length: 2), numbers.all.part(1, length: 2))
    for index in 0..<count {
      let time = Double(batch.draw(index, noise: numbers.mutable(noise), data: numbers.mutable(data)))
      let start = Double(inverse * index - (inverse - 1) * count) / Double(count)
      #expect(time >= max(0, start) && time <= max(0, start + Double(inverse) / Double(count)))
      #expect(time < 1)
    }
  }

  /// Along its own gradient, the mean pseudo-Huber loss rises as the gradient is long.
  @Test func gradientOfThePseudoHuberLoss() {
    let network = MLP(MLP.Configuration())
    let parameters = network.initialParameters(seed: 2)
    let engine = LossEngine(
      network: network, pool: WorkerPool(threadCount: 2), maximumBatchSize: 37, loss: .pseudoHuber)
    let batch = Batch(
      source: PointExamples(.moons), rows: Array(repeating: 0, count: 37)[...], seed: 3, draws: .heldOut,
      times: .noiseEnd)
    func loss() -> Double {
      engine.parametersChanged(parameters)
      return engine.exampleLosses(batch, parameters: parameters)
        .reduce(0) { $0 + ($1 + 1e-6).squareRoot() - 1e-3 } / 37
    }
    engine.parametersChanged(parameters)
    let (meanSquare, length) = engine.lossAndGradient(batch, parameters: parameters)
    #expect(meanSquare == engine.loss(batch, parameters: parameters))
    let gradient = Weights(copying: engine.gradient)
    func lossMoved(by distance: Double) -> Double {
      func move(_ distance: Double) {
        var values = parameters.mutable(parameters.all)
        let g = gradient[gradient.all]
        for i in values.indices { values[i] += Float(distance * Double(g[i]) / length) }
      }
      move(distance)
      defer { move(-distance) }
      return loss()
    }
    let slope = (lossMoved(by: 0.01) - lossMoved(by: -0.01)) / 0.02
    #expect(length > 0.01 && abs(slope - length) < 0.01 * length, "\(slope), \(length)")
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
    let parameters = network.initialParameters(seed: 5)
    let count = 70
    let engine = LikelihoodEngine(network.configuration, pool: pool, maximumBatchSize: count)
    let loss = likelihoodLoss(network, parameters, engine, count: count)
    let logs = try logDensities(
      TrainedFlow(network, Weights(copying: parameters)),
      PointDistribution.moons.heldOutPoints(count, seed: 3), .fixed(.midpoint, steps: 8))
    #expect(abs(loss + logs.reduce(0, +) / Double(count)) < 1e-5)

    let gradients = network.parameters.map { $0.exported(from: Weights(reading: engine.gradient)) }
    for (index, parameter) in network.parameters.enumerated() {
      let values = parameter.exported(from: Weights(reading: parameters))
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
    let pool = WorkerPool(threadCount: 2)
    let flow = try trained(.twoClusters, steps: 600, threads: 2).flow
    let solver = Solver.adaptive(rtol: 1e-3, atol: 1e-3)
    let ends = try flow.sample(0..<4096, seed: 9, solver: solver, on: pool)
    let origin = ReflowPairs.Origin(model: flow.checksum, seed: 9, first: 0, solver: "\(solver)")
    let settings = settings(steps: 600)
    let training = TrainingLoop(
      LossEngine(network: network, pool: pool, maximumBatchSize: 150),
      examples: ReflowPairs(origin: origin, ends: ends.values, dimension: 2),
      state: TrainingState(from: flow.weights, settings: settings), settings: settings, pool: pool)
    for _ in 0..<600 { _ = try training.step() }
    let before = try straightness(flow, 5000..<5500, seed: 9)
    let after = try straightness(training.flow(of: network), 5000..<5500, seed: 9)
    #expect(after < 0.5 * before, "S \(before), then \(after)")
  }
}
