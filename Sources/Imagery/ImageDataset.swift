import Files
import Kernels

/// Images of one size, with or without labels: one split of a data set, whole in memory.
public struct ImageDataset: Sendable {
  public enum Split: String, CaseIterable, Sendable {
    case train, test

    /// What MNIST's file names begin with.
    package var filePrefix: String { self == .train ? "train" : "t10k" }
  }

  public let name: String
  public let split: Split
  /// [count, height, width, channels], row-major.
  public let pixels: [UInt8]
  public let count: Int
  public let height: Int
  public let width: Int
  /// 1 (grey) or 3 (RGB).
  public let channels: Int
  /// [count].
  public let labels: [UInt8]?
  /// The class of label k is named by the k-th; at least as many as the labels need.
  public let classNames: [String]?
  /// CRC-32 of `pixels`: with `labelsChecksum` it identifies the data in the record of a run.
  public let pixelsChecksum: UInt32
  public let labelsChecksum: UInt32?

  /// - Precondition: at least one image, the size of `pixels` and `labels` as declared.
  public init(
    name: String, split: Split, pixels: [UInt8], height: Int, width: Int, channels: Int, labels: [UInt8]?,
    classNames: [String]? = nil
  ) {
    precondition(height > 0 && width > 0, "images of \(height)×\(width) have no pixels")
    precondition(channels == 1 || channels == 3, "\(channels) channels: 1 is grey, 3 is RGB")
    let size = height * width * channels
    precondition(!pixels.isEmpty && pixels.count.isMultiple(of: size), "not a whole number of images")
    self.name = name
    self.split = split
    self.pixels = pixels
    self.count = pixels.count / size
    self.height = height
    self.width = width
    self.channels = channels
    self.labels = labels
    self.classNames = classNames
    self.pixelsChecksum = crc32(pixels.span.bytes)
    self.labelsChecksum = labels.map { crc32($0.span.bytes) }
    precondition(labels == nil || labels?.count == count, "one label per image")
  }

  /// Images with the noise of a likelihood, `Pixels.dequantize`: [count, height, width, channels]. An image's noise
  /// depends on seed, draw and its number alone.
  public func dequantized(_ numbers: Range<Int>, seed: UInt64, draw: Int) -> [Float] {
    numbers.flatMap { number in
      var image = [Float](repeating: 0, count: imageSize)
      var values = image.mutableSpan
      Pixels.dequantize(
        pixels.span.extracting(number * imageSize..<(number + 1) * imageSize),
        Philox(
          seed: seed, purpose: .likelihoodDequantization, step: UInt32(draw), index: UInt32(number)),
        into: &values)
      return image
    }
  }

  /// Of one image.
  public var shape: ImageShape { ImageShape(height: height, width: width, channels: channels) }

  /// Bytes in one image.
  public var imageSize: Int { height * width * channels }
}
