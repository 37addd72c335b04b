import ArgumentParser
import Files
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
          + ImageDataset.names.joined(separator: ", "))
    }
    try Self.check(
      path, ImageShape(height: image.height, width: image.width, channels: image.channels), flow)
    pixels = image.pixels
    labels = nil
    text = path
  }

  /// Model and data must fit each other, and the numbers the data.
  static func check(
    _ data: ImageDataset, _ numbers: some Collection<Int>, named name: String,
    for flow: TrainedFlow
  ) throws(ConfigurationError) {
    try check(name, data.shape, flow)
    if let number = numbers.first(where: { !(0..<data.count).contains($0) }) {
      throw ConfigurationError(
        "image \(number): the \(data.split.rawValue) split of '\(name)' has the images 0 to \(data.count - 1); name some of these"
      )
    }
  }

  private static func check(
    _ name: String, _ shape: ImageShape, _ flow: TrainedFlow
  ) throws(ConfigurationError) {
    func text(_ shape: ImageShape) -> String { "\(shape.height)×\(shape.width)×\(shape.channels)" }
    guard shape == flow.shape else {
      throw ConfigurationError(
        "'\(name)' has images of \(text(shape)), but the model was trained on \(text(flow.shape)); "
          + "name images of that size")
    }
  }
}
