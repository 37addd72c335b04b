import Statistics

/// A mean log-likelihood, in bits per dimension of images or in nats of points, with what it can be trusted for: its
/// standard error, and how far a second solve at half the tolerance is away.
///
/// A coarse solve of a likelihood is wrong by any amount, in either direction, without looking so. The error of an
/// adaptive solve is about proportional to its tolerance, so the difference between the two solves is about the
/// error that the finer one still has.
public struct LikelihoodEstimate: Sendable {
  /// The finer solves' mean over all images and draws.
  public let mean: Double
  /// [images] The finer solves' means over the draws of each.
  public let byImage: [Double]
  /// Over the images, of each one's mean over its draws: √(Σ (m_i − m)² / (n − 1) / n). As every draw and every
  /// image has noise and probes of its own, it covers these too. Nil of one image.
  public let standardError: Double?
  /// The part that draws (of noise and probes) have in it, from the deviations of the draws from their image's mean.
  /// Nil where there is one draw.
  public let standardErrorOfDraws: Double?
  /// The mean at the tolerance given, not halved.
  public let coarseMean: Double
  /// The mean of |coarse − fine|, both with the same noise and probes: errors of different images don't cancel.
  public let difference: Double

  /// The largest difference that leaves the mean worth printing: that of the error bar, or 0.01 where this is less;
  /// but never more than 0.1, which is what tells models apart.
  public var allowedDifference: Double { min(max(standardError ?? 0, 0.01), 0.1) }

  public var isReliable: Bool { difference <= allowedDifference }

  /// - Parameters:
  ///   - coarse: [draws, images or points] at a tolerance.
  ///   - fine: the same at half the tolerance.
  ///   - drawCount: the draws of dequantisation noise and probes.
  public init(coarse: [Double], fine: [Double], drawCount: Int) {
    precondition(coarse.count == fine.count && drawCount > 0 && !fine.isEmpty)
    precondition(fine.count.isMultiple(of: drawCount))
    let imageCount = fine.count / drawCount
    let images = (0..<imageCount).map { image in
      MeanEstimate((0..<drawCount).map { fine[$0 * imageCount + image] })
    }
    byImage = images.map(\.mean)
    mean = MeanEstimate(fine).mean
    coarseMean = MeanEstimate(coarse).mean
    difference = MeanEstimate(zip(coarse, fine).map { abs($0 - $1) }).mean
    standardError = MeanEstimate(byImage).standardError
    let variances = images.compactMap(\.variance)
    standardErrorOfDraws =
      variances.isEmpty ? nil : variances.reduce(0, +).squareRoot() / Double(imageCount)
  }
}
