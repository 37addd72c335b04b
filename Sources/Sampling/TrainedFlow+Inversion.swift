import Flow
import Foundation
import Kernels

/// Images, the noise that the flow carries onto them, and what becomes of that noise.
public struct Inversion: Sendable {
  /// x₀, and what the solver did from t = 1 to 0.
  public fileprivate(set) var noise: Samples
  /// x₁ again, and what the solver did from t = 0 to 1.
  public fileprivate(set) var reconstruction: Samples
  /// [count] Root mean square of reconstruction − image of each. It measures the solver alone: the flow of
  /// any model can be followed back.
  public fileprivate(set) var residuals: [Double]
  /// [count] How often the tolerance was divided by ten, so that the image came back.
  public fileprivate(set) var tightenings: [Int]

  /// The root mean square over all images.
  public var residual: Double { rootMeanSquare(residuals) }

  /// The root mean square of the noise: about 1 for images like those that the model draws, whose noise is a
  /// draw from N(0, I).
  public var noiseScale: Double { rootMeanSquare(noise.values.map { Double($0) }) }
}

extension TrainedFlow {
  /// The most often that `invert` divides the tolerance by ten: beyond, the network's single precision shows.
  public static let maximumTightening = 3
  /// Below it (1e-8, but for rounding) no tolerance is tightened.
  private static let leastTightened = 0.99e-8

  /// Takes images back to their noise, and forth again, by `Solver.adaptive` with `.sample` control.
  ///
  /// A tolerance bounds the error of each step. Those of all steps there and back add up, to a hundred
  /// tolerances and more through a trained network, whose velocity wavers with time faster than the steps of a
  /// loose tolerance see. So an image whose residual exceeds ten times the larger tolerance is taken again with
  /// a tenth of both, `maximumTightening` times at most.
  ///
  /// - Parameters:
  ///   - images: [count, height, width, channels].
  ///   - labels: the class of each, if the flow is conditional.
  ///   - progress: is told which share is done of the solves with the same tolerance. What it throws ends the work.
  /// - Throws: `SolverError`; `CancellationError` when the task is cancelled.
  public func invert(
    _ images: [Float], rtol: Double, atol: Double, labels: [Int]? = nil, on pool: WorkerPool = WorkerPool(),
    progress: @escaping (Double) throws -> Void = { _ in }
  ) throws -> Inversion {
    let size = shape.count
    precondition(images.count.isMultiple(of: size) && !images.isEmpty, "not a whole number of images")
    let count = images.count / size
    func elements(_ index: Int) -> Range<Int> { index * size..<(index + 1) * size }
    let none = Samples(copying: images, count: count, of: self)
    var inversion = Inversion(
      noise: none, reconstruction: none, residuals: Array(repeating: 0, count: count),
      tightenings: Array(repeating: 0, count: count))
    var pending = Array(0..<count)
    for tightening in 0...Self.maximumTightening where !pending.isEmpty {
      let factor = pow(0.1, Double(tightening))
      // Below it the rounding of the network shows, not the solver.
      if tightening > 0 && max(rtol, atol) * factor < Self.leastTightened { break }
      let solver = Solver.adaptive(rtol: rtol * factor, atol: atol * factor)
      let theirLabels = labels.map { labels in pending.map { labels[$0] } }
      let (noise, back): (Samples, Samples)
      do {
        noise = try transport(
          pending.flatMap { images[elements($0)] }, from: 1, to: 0, solver: solver, labels: theirLabels,
          on: pool, progress: { try progress($0 / 2) })
        back = try transport(
          noise.values, solver: solver, labels: theirLabels, on: pool,
          progress: { try progress(0.5 + $0 / 2) })
      } catch let error as SolverError {
        // What a looser tolerance has found stands, with its residual.
        if tightening == 0 { throw error }
        break
      }
      for (row, image) in pending.enumerated() {
        let residual = rootMeanSquare(
          zip(back[row], images[elements(image)]).map { Double($0) - Double($1) })
        guard tightening == 0 || residual < inversion.residuals[image] else { continue }
        inversion.noise.replace(image, by: row, of: noise)
        inversion.reconstruction.replace(image, by: row, of: back)
        inversion.residuals[image] = residual
        inversion.tightenings[image] = tightening
      }
      pending.removeAll { inversion.residuals[$0] <= 10 * max(rtol, atol) }
    }
    return inversion
  }
}

extension Samples {
  fileprivate init(copying values: [Float], count: Int, of flow: TrainedFlow) {
    self.init(of: flow)
    self.values = values
    evaluations = Array(repeating: 0, count: count)
    (accepted, rejected) = (evaluations, evaluations)
  }

  fileprivate mutating func replace(_ index: Int, by row: Int, of other: Self) {
    values.replaceSubrange(index * shape.count..<(index + 1) * shape.count, with: other[row])
    evaluations[index] = other.evaluations[row]
    accepted[index] = other.accepted[row]
    rejected[index] = other.rejected[row]
  }
}

private func rootMeanSquare(_ values: [Double]) -> Double {
  (values.reduce(0) { $0 + $1 * $1 } / Double(values.count)).squareRoot()
}
