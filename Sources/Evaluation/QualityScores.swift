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
}

/// The test images, to which sets of samples are compared.
public struct QualityReference: Sendable {
  /// Draws by which the Fréchet distance's error is estimated.
  private static let resamplings = 20

  private let classified: ClassifierFeatures.Classified
  private let covariance: Covariance
  private let region: Region
  private let classCount: Int
  private let pool: WorkerPool
  private let forEach: ForEachNumber

  /// Test images.
  public var count: Int { classified.features.count }

  public init(_ test: ImageDataset, in features: ClassifierFeatures, on pool: WorkerPool) {
    classified = features.classify(test.pixels, on: pool)
    covariance = classified.features.covariance
    forEach = { pool.map($0, $1) }
    region = Region(of: classified.features, forEach: forEach)
    classCount = features.classCount
    self.pool = pool
  }

  /// - Parameter labels: the classes that the samples were to be of.
  public func scores(of samples: ClassifierFeatures.Classified, labels: [Int]? = nil) -> QualityScores {
    let (features, count) = (samples.features, samples.features.count)
    let reference = covariance
    let resampled = pool.map(Self.resamplings) { draw in
      let random = Philox(seed: 0, purpose: .resampling, step: UInt32(draw))
      let numbers = (0..<count).map { Int(random.uniform(UInt32($0)) * Double(count)) }
      return frechetDistance(features.points(numbers).covariance, reference)
    }
    let mean = resampled.reduce(0, +) / Double(resampled.count)
    let squares = resampled.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
    let shares = (0..<classCount).map { label in
      Double(samples.classes.count { $0 == label }) / Double(count)
    }
    return QualityScores(
      frechet: frechetDistance(features.covariance, reference),
      frechetError: (squares / Double(resampled.count - 1)).squareRoot(),
      kernel: KernelDistance(features, classified.features, forEach: forEach),
      precision: region.share(of: features),
      recall: Region(of: features, forEach: forEach).share(of: classified.features),
      classEntropy: shares.reduce(0) { $1 > 0 ? $0 - $1 * log($1) : $0 },
      labelAgreement: labels.map { labels in
        Double(zip(labels, samples.classes).count { $0 == $1 }) / Double(count)
      })
  }
}
