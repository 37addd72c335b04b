import Foundation
import Imagery
import Kernels
import Statistics

/// How near a set of samples is to a data set's test images, in the features of a classifier.
public struct QualityScores: Sendable {
  /// The classifier Fréchet distance: of two normal distributions with the sets' means and covariances. It is no FID,
  /// whose features are another network's.
  public let frechet: Double
  /// The standard deviation of `frechet` over draws of as many of the samples, with repetition.
  public let frechetError: Double
  public let kernel: KernelDistance
  /// The share of samples among the test images, and of test images among the samples (k = 3).
  public let precision: Double
  public let recall: Double
  /// −Σ p·log p over the shares of the classes that the classifier sees in the samples; log of the number of classes at
  /// most, for a balanced set.
  public let classEntropy: Double
  /// The share of samples that the classifier takes for what they were to be.
  public let labelAgreement: Double?

  package init(
    frechet: Double, frechetError: Double, kernel: KernelDistance, precision: Double, recall: Double,
    classEntropy: Double, labelAgreement: Double?
  ) {
    (self.frechet, self.frechetError, self.kernel) = (frechet, frechetError, kernel)
    (self.precision, self.recall) = (precision, recall)
    (self.classEntropy, self.labelAgreement) = (classEntropy, labelAgreement)
  }
}

/// The test images, to which sets of samples are compared.
public struct QualityReference: Sendable {
  /// Draws by which the Fréchet distance's error is estimated.
  private static let resamplings = 20

  /// Images without which sets can't be compared.
  public static let smallestCount = 8

  public let features: FeatureSet
  private let covariance: Covariance
  private let region: Region
  private let classCount: Int
  private let pool: WorkerPool

  /// - Parameters:
  ///   - test: at least `smallestCount` images.
  ///   - check: is called often; what it throws ends the work.
  public init(
    _ test: ClassifierFeatures.Classified, classCount: Int, on pool: WorkerPool,
    check: () throws -> Void = {}
  ) rethrows {
    features = test.features
    covariance = features.covariance
    region = try Region(of: features) { try pool.map($0, check: check, $1) }
    (self.classCount, self.pool) = (classCount, pool)
  }

  /// - Parameters:
  ///   - labels: the classes that the samples were to be of.
  ///   - check: is called often; what it throws ends the work.
  public func scores(
    of samples: ClassifierFeatures.Classified, labels: [Int]? = nil, check: () throws -> Void = {}
  ) throws -> QualityScores {
    let (points, count, reference) = (samples.features, samples.features.count, covariance)
    func forEach(_ count: Int, _ body: @escaping @Sendable (Int) -> Double) throws -> [Double] {
      try pool.map(count, check: check, body)
    }
    let resampled = try forEach(Self.resamplings) { draw in
      let random = Philox(seed: 0, purpose: .resampling, step: UInt32(draw))
      let numbers = (0..<count).map { Int(random.uniform(UInt32($0)) * Double(count)) }
      return frechetDistance(points.points(numbers).covariance, reference)
    }
    let shares = (0..<classCount).map { label in
      Double(samples.classes.count { $0 == label }) / Double(count)
    }
    return QualityScores(
      frechet: frechetDistance(points.covariance, reference),
      frechetError: standardDeviation(resampled),
      kernel: try KernelDistance(points, features, forEach: forEach),
      precision: try region.share(of: points, forEach: forEach),
      recall: try Region(of: points, forEach: forEach).share(of: features, forEach: forEach),
      classEntropy: shares.reduce(0) { $1 > 0 ? $0 - $1 * log($1) : $0 },
      labelAgreement: labels.map { samples.agreement(with: $0) })
  }
}

extension WorkerPool {
  /// As `map`, in parts between which the caller may end the work.
  fileprivate func map(
    _ count: Int, check: () throws -> Void, _ body: @escaping @Sendable (Int) -> Double
  ) rethrows -> [Double] {
    let size = max(2 * threadCount, count / 100)
    return try stride(from: 0, to: count, by: size).flatMap { first in
      try check()
      return map(min(size, count - first)) { body(first + $0) }
    }
  }
}

/// Of a sample of numbers, at least two.
public func standardDeviation(_ values: [Double]) -> Double {
  let mean = values.reduce(0, +) / Double(values.count)
  let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
  return (squares / Double(values.count - 1)).squareRoot()
}
