import Flow

/// Images, the noise that the flow carries onto them, and what becomes of that noise.
public struct Inversion: Sendable {
  /// x₀, and what the solver did from t = 1 to 0.
  public let noise: Sampler.Samples
  /// x₁ again, and what the solver did from t = 0 to 1.
  public let reconstruction: Sampler.Samples
  /// [count] Root mean square of reconstruction − image of each. It measures the solver alone: the flow of
  /// any model can be followed back.
  public let residuals: [Double]

  /// The root mean square over all images.
  public var residual: Double { rootMeanSquare(residuals) }

  /// The root mean square of the noise: about 1 for images like those that the model draws, whose noise is a
  /// draw from N(0, I).
  public var noiseScale: Double { rootMeanSquare(noise.values.map { Double($0) }) }
}

extension Sampler {
  /// Takes images back to their noise, and forth again.
  ///
  /// - Parameters:
  ///   - images: [count, height, width, channels].
  ///   - solver: for both ways.
  ///   - labels: the class of each, if the model is conditional.
  ///   - progress: is told how many are done, each counted once for either way.
  /// - Throws: `SolverError`.
  public func invert(
    _ images: [Float], solver: Solver, labels: [Int]? = nil, progress: (Int) -> Void = { _ in }
  ) throws -> Inversion {
    let noise = try transport(images, from: 1, to: 0, solver: solver, labels: labels, progress: progress)
    let count = noise.evaluations.count
    let back = try transport(
      noise.values, from: 0, to: 1, solver: solver, labels: labels, progress: { progress(count + $0) })
    let dimension = images.count / max(count, 1)
    let residuals = (0..<count).map { image in
      rootMeanSquare(
        (image * dimension..<(image + 1) * dimension).map { Double(back.values[$0]) - Double(images[$0]) })
    }
    return Inversion(noise: noise, reconstruction: back, residuals: residuals)
  }
}

private func rootMeanSquare(_ values: [Double]) -> Double {
  (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot()
}
