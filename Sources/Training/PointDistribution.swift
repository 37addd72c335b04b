import Flow
import Kernels

/// A distribution of points in the plane, to watch flow matching on. Points lie within about ±2 and are drawn by
/// Philox: point number i depends on the generator alone.
package enum PointDistribution: String, CaseIterable, Sendable {
  /// Two Gaussians at ±(1, 1) with σ = 0.05: the data of the 2-D tutorial (`docs/equations.md`).
  case twoClusters = "two-clusters"
  /// Eight Gaussians on a circle of radius 1.8 with σ = 0.1.
  case eightGaussians = "eight-gaussians"
  /// Two half circles, each with an end in the other's middle, σ = 0.08.
  case moons
  /// Uniform on the eight like-coloured squares of side 1 of a 4×4 board.
  case checkerboard
  /// Two arms of a turn and a quarter, σ = 0.05.
  case spiral

  /// The mixture of Gaussians that it is, if it is one: its exact field and density.
  package var mixture: GaussianMixtureTarget? {
    switch self {
    case .twoClusters:
      GaussianMixtureTarget(
        [1.0, -1].map { .init(weight: 0.5, mean: [$0, $0], standardDeviation: 0.05) })
    case .eightGaussians:
      GaussianMixtureTarget(
        (0..<8).map { k in
          let mean = 1.8 * direction(turns: Double(k) / 8)
          return .init(weight: 0.125, mean: [mean.x, mean.y], standardDeviation: 0.1)
        })
    case .moons, .checkerboard, .spiral: nil
    }
  }

  /// log p(x), where it is known in closed form.
  ///
  /// - Parameter point: [2].
  package func logDensity(_ point: Span<Double>) -> Double? {
    guard self == .checkerboard else { return mixture?.logDensity(point) }
    // A square has all of its edges, as a point that lies just below one may be rounded onto it.
    func places(_ x: Double) -> [Double] {
      [x.rounded(.down), x.rounded(.up) - 1].filter { (-2...1).contains($0) }
    }
    let isInside = places(point[0]).contains { column in
      places(point[1]).contains { row in (column + row).remainder(dividingBy: 2) == 0 }
    }
    // log(1/8)
    return isInside ? -2.0794415416798357 : -.infinity
  }

  /// Plots show ±extent.
  package var extent: Double { self == .twoClusters ? 1.6 : 2.5 }

  /// One point.
  package func point(_ random: Philox) -> SIMD2<Double> {
    // The normals come from the first block; the uniform numbers from others.
    var normals: [2 of Float] = [0, 0]
    random.fillNormals(normals.mutableSpan)
    let noise = SIMD2(Double(normals[0]), Double(normals[1]))
    let (first, second) = (random.uniform(16), random.uniform(17))
    switch self {
    case .twoClusters:
      return SIMD2(repeating: first < 0.5 ? 1 : -1) + 0.05 * noise
    case .eightGaussians:
      return 1.8 * direction(turns: (8 * first).rounded(.down) / 8) + 0.1 * noise
    case .moons:
      let arc = direction(turns: second / 2)
      let moon = first < 0.5 ? arc : SIMD2(1, 0.5) - arc
      return 1.3 * (moon - SIMD2(0.5, 0.25)) + 0.08 * noise
    case .checkerboard:
      let x = 4 * first - 2
      let column = Int(x.rounded(.down))
      // Of the column's two squares, whose rows differ by 2, either.
      let row = second < 0.5 ? 0 : 2
      let within = 2 * second - (second < 0.5 ? 0 : 1)
      return SIMD2(x, Double(row + (column.isMultiple(of: 2) ? 0 : 1) - 2) + within)
    case .spiral:
      let along = second.squareRoot()
      return (first < 0.5 ? 2 : -2) * along * direction(turns: 1.25 * along) + 0.05 * noise
    }
  }

  /// `count` points that training never sees, [count, 2].
  package func heldOutPoints(_ count: Int, seed: UInt64) -> [Float] {
    (0..<count).flatMap { index in
      let point = point(ExampleRandom(seed: seed, draws: .heldOut, index: index).data)
      return [Float(point.x), Float(point.y)]
    }
  }
}

/// (cos, sin) of 2π·turns by our own functions, as every machine must draw the same points.
private func direction(turns: Double) -> SIMD2<Double> {
  let (cosine, sine) = cosineSineOfTurns(Lanes(repeating: Float(turns - turns.rounded(.down))))
  return SIMD2(Double(cosine[0]), Double(sine[0]))
}

extension ExampleRandom {
  /// What names a point of a batch.
  var data: Philox {
    switch draws {
    case .training(let step):
      Philox(seed: seed, purpose: .synthetic, step: UInt32(step) + 1, index: UInt32(index))
    case .heldOut: Philox(seed: seed, purpose: .synthetic, step: 0, index: UInt32(index))
    }
  }
}

/// Points of a distribution, each example a fresh one with fresh noise.
package struct PointExamples: ExampleSource {
  package let distribution: PointDistribution

  package init(_ distribution: PointDistribution) { self.distribution = distribution }

  package var count: Int? { nil }
  package var dimension: Int { 2 }

  package func draw(
    _ row: Int, _ random: ExampleRandom, noise: consuming MutableSpan<Float>,
    data: consuming MutableSpan<Float>
  ) {
    let point = distribution.point(random.data)
    data[0] = Float(point.x)
    data[1] = Float(point.y)
    random.noise.fillNormals(noise)
  }
}

extension Batch {
  /// The flow-matching loss of any field on these examples: the trained one's beside the exact one's.
  package func loss<Field: VelocityField & ~Copyable>(of field: inout Field) throws -> Double {
    let dimension = source.dimension
    let (noise, data) = (Arena(count: dimension), Arena(count: dimension))
    var (states, times, velocities): ([Double], [Double], [Double]) = ([], [], [])
    for index in 0..<count {
      let t = Double(draw(index, noise: noise.mutable(noise.all), data: data.mutable(data.all)))
      for i in 0..<dimension {
        let (x0, x1) = (Double(noise[noise.all][i]), Double(data[data.all][i]))
        states.append((1 - t) * x0 + t * x1)
        velocities.append(x1 - x0)
      }
      times.append(t)
    }
    var predictions = states
    var span = predictions.mutableSpan
    try field.evaluate(states.span, times: times.span, samples: Array(0..<count).span, into: &span)
    let squares = zip(predictions, velocities).reduce(0.0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    return squares / Double(velocities.count)
  }
}
