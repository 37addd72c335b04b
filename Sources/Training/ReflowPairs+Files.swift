import Files
import Foundation
import Kernels
import Network

extension ReflowPairs {
  /// Pairs in a part: what a kill may lose.
  package static let partSize = 500
  private static let format = "inkflow-reflow-pairs-1"
  private static let tensor = "z1"

  /// What became of a part.
  public enum PartEvent {
    /// It was there, sound and of this origin.
    case kept
    case made
    /// It was there, but damaged, and was made again.
    case remade(FileError)
  }

  /// The pairs in a directory, of which those that are missing or damaged are made.
  ///
  /// - Parameters:
  ///   - make: z₁ of some samples by their numbers, [count, height, width, channels].
  ///   - onPart: is told of each part, and of the pairs that there are by then. What it throws ends the work.
  /// - Throws: `FileError` where a part is of another origin or no part at all, where the directory is in use, and
  ///   where it can't be written; what `make` and `onPart` throw.
  package static func complete(
    in directory: String, origin: Origin, count: Int, shape: ImageShape,
    make: (Range<Int>) throws -> [Float], onPart: (PartEvent, _ pairs: Int) throws -> Void = { _, _ in }
  ) throws -> ReflowPairs {
    try createDirectory(directory)
    let lock = try RunDirectory.Lock(RunDirectory(directory))
    defer { withExtendedLifetime(lock) {} }
    DurableFile.removeLeftovers(in: directory)
    let dimension = shape.count
    var ends: [Float] = []
    ends.reserveCapacity(count * dimension)
    for start in stride(from: 0, to: count, by: partSize) {
      let pairs = start..<min(start + partSize, count)
      var partOrigin = origin
      partOrigin.first += start
      let path = directory.appendingPath(partName(start / partSize))
      let tensorShape = [pairs.count, shape.height, shape.width, shape.channels]
      var event = PartEvent.made
      if FileManager.default.fileExists(atPath: path) {
        switch try read(path, partOrigin, shape: tensorShape) {
        case .success(let values):
          ends += values
          event = .kept
        case .failure(let damage):
          event = .remade(damage)
        }
      }
      if case .kept = event {
      } else {
        let values = try make(partOrigin.first..<partOrigin.first + pairs.count)
        precondition(values.count == pairs.count * dimension, "\(pairs.count) pairs were to be made")
        try SafetensorsFile.write(
          [SafetensorsTensor(tensor, shape: tensorShape, values: values)], metadata: metadata(partOrigin),
          to: path)
        ends += values
      }
      try onPart(event, pairs.upperBound)
    }
    return ReflowPairs(origin: origin, ends: ends, dimension: dimension)
  }

  private static func partName(_ index: Int) -> String {
    let digits = String(index)
    return "part-" + String(repeating: "0", count: max(0, 5 - digits.count)) + digits + ".safetensors"
  }

  private static func metadata(_ origin: Origin) -> [String: String] {
    var metadata = [
      "format": format, "model_crc32": hexadecimal(origin.model), "seed": "\(origin.seed)",
      "first": "\(origin.first)", "solver": origin.solver,
    ]
    if let classes = origin.classes {
      metadata["classes"] = classes.map(String.init).joined(separator: " ")
      metadata["guidance"] = "\(origin.guidance)"
    }
    return metadata
  }

  /// z₁ of a part, or how it is damaged.
  ///
  /// - Throws: `FileError` where it can't be read, or is of another origin.
  private static func read(
    _ path: String, _ origin: Origin, shape: [Int]
  ) throws(FileError) -> Result<[Float], FileError> {
    let file: SafetensorsFile
    do throws(FileError) {
      file = try SafetensorsFile(contentsOf: path)
    } catch {
      if error.kind == .malformed { return .failure(error) }
      throw error
    }
    let expected = metadata(origin)
    if let key = expected.keys.sorted().first(where: { file.metadata[$0] != expected[$0] }) {
      throw FileError(
        .malformed, path,
        "has not the pairs that are wanted: its \(key) is '\(file.metadata[key] ?? "missing")', not "
          + "'\(expected[key] ?? "")'", remedy: "remove the directory, or pass --output with another one")
    }
    guard file.checksum != nil else {
      return .failure(FileError(.malformed, path, "has no checksum", remedy: "remove it"))
    }
    do throws(FileError) {
      return .success(try file.floats(tensor, shape: shape))
    } catch {
      return .failure(error)
    }
  }
}
