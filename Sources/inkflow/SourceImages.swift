import ArgumentParser
import Files
import Foundation
import Imagery
import Kernels
import Network
import Sampling

extension ImageDataset.Split: ExpressibleByArgument {}

/// Real pictures to be taken through a model.
struct SourceImages {
  /// [count, height, width, channels], 0...255.
  let pixels: [UInt8]
  /// [count], where they have any.
  let labels: [Int]?
  /// Where they are from.
  let text: String

  /// The images `numbers` of a data set that was named by `name`.
  ///
  /// - Throws: `ConfigurationError` for a number beyond the split, or images of another size than the
  ///   model's.
  init(
    _ data: ImageDataset, named name: String, numbers: [Int], for flow: TrainedFlow
  ) throws(ConfigurationError) {
    try Self.check(data, numbers, named: name, for: flow)
    let size = data.imageSize
    pixels = numbers.flatMap { data.pixels[$0 * size..<($0 + 1) * size] }
    labels = data.labels.map { labels in numbers.map { Int(labels[$0]) } }
    text = "\(name), \(data.split.rawValue) split"
  }

  /// One PNG file.
  init(png path: String, for flow: TrainedFlow) throws {
    let image: PNGImage
    do {
      image = try PNGImage.decode(try readFile(path))
    } catch let error as PNGError {
      throw FileError(
        .malformed, path, "is an \(error)",
        remedy: error.remedy ?? "name a PNG picture, or a data set: a directory with IDX files, or one of "
          + (ImageDataset.downloadable + [SyntheticStrokes.name]).joined(separator: ", "))
    }
    try Self.check(path, image.height, image.width, image.channels, flow)
    pixels = image.pixels
    labels = nil
    text = path
  }

  /// Model and data must fit each other, and the numbers the data.
  static func check(
    _ data: ImageDataset, _ numbers: some Collection<Int>, named name: String,
    for flow: TrainedFlow
  ) throws(ConfigurationError) {
    try check(name, data.height, data.width, data.channels, flow)
    if let number = numbers.first(where: { !(0..<data.count).contains($0) }) {
      throw ConfigurationError(
        "image \(number): the \(data.split.rawValue) split of '\(name)' has the images 0 to \(data.count - 1); name some of these"
      )
    }
  }

  private static func check(
    _ name: String, _ height: Int, _ width: Int, _ channels: Int, _ flow: TrainedFlow
  ) throws(ConfigurationError) {
    let expected = flow.shape
    guard (height, width, channels) == (expected.height, expected.width, expected.channels) else {
      throw ConfigurationError(
        "'\(name)' has images of \(height)×\(width)×\(channels), but the model was trained on "
          + "\(expected.height)×\(expected.width)×\(expected.channels); name images of that size")
    }
  }
}

extension ContactSheet {
  /// A sheet of pictures of one shape.
  ///
  /// - Parameter pixels: [count, height, width, channels].
  static func image(pixels: [UInt8], of shape: ImageShape, columns: Int) -> PNGImage {
    image(
      pixels: pixels, height: shape.height, width: shape.width, channels: shape.channels, columns: columns)
  }
}
