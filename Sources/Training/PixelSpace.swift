import Imagery
import Statistics

/// A space in which sets of images are compared: the first principal components of a data set's training images.
///
/// The Fréchet distance in it says how well a set's mean and covariance match the test images'. It is no FID, whose
/// space is a classifier's, and sees nothing of what mean and covariance don't tell: use it to compare models of one
/// data set.
public struct PixelSpace: Sendable {
  /// Images of more numbers are too large for their covariance.
  public static let largestDimension = 4096
  /// Training images whose components are taken, at most.
  private static let imageCount = 10_000

  public let components: PrincipalComponents
  /// Of the test images.
  private let reference: Covariance

  /// - Parameters:
  ///   - train: images of at most `largestDimension` numbers; their components take some seconds at 28×28.
  ///   - test: images of the same size.
  ///   - count: components; fewer where the images have fewer numbers.
  public init(train: ImageDataset, test: ImageDataset, count: Int = 64) {
    precondition(train.imageSize == test.imageSize && train.imageSize <= Self.largestDimension)
    var covariance = Covariance(dimension: train.imageSize)
    for index in 0..<min(train.count, Self.imageCount) {
      let image = train.normalized(index)
      covariance.add(image.span)
    }
    let components = PrincipalComponents(covariance, count: min(count, train.imageSize))
    self.components = components
    reference = Self.moments((0..<test.count).lazy.map { test.normalized($0) }, components)
  }

  /// The Fréchet distance of some images from the test images.
  ///
  /// - Parameter images: [count, dimension], as the model draws them.
  public func distance(of images: [Float]) -> Double {
    let size = components.dimension
    precondition(images.count.isMultiple(of: size) && !images.isEmpty, "not a whole number of images")
    return frechetDistance(
      Self.moments(
        (0..<images.count / size).lazy.map { Array(images[$0 * size..<($0 + 1) * size]) }, components),
      reference)
  }

  private static func moments(
    _ images: some Sequence<[Float]>, _ components: PrincipalComponents
  ) -> Covariance {
    var moments = Covariance(dimension: components.count)
    for image in images {
      let coordinates = components.project(image.span)
      moments.add(coordinates.span)
    }
    return moments
  }
}

extension ImageDataset {
  /// Image number `index` as the model sees it, [imageSize].
  package func normalized(_ index: Int) -> [Float] {
    var image = Array(repeating: Float(0), count: imageSize)
    var span = image.mutableSpan
    Pixels.normalize(pixels.span.extracting(index * imageSize..<(index + 1) * imageSize), into: &span)
    return image
  }
}
