import Files
import Flow
import Foundation
import Imagery
import Kernels
import Sampling
import Training

/// Samples on the disk, in parts, so that what was drawn before an interruption, or for another evaluation, is not drawn
/// again. A part is `part-00000.idx` with the images, and `part-00000.json` with what is known of them, written last.
public struct SampleStore {
  /// Samples in a part: what a kill may lose.
  private static let partSize = 250
  /// To be counted up with whatever changes samples of the same flow, or the parts.
  private static let format = 2
  private let directory: String

  /// - Parameter directory: of all samples, of whatever model.
  public init(_ directory: String) { self.directory = directory }

  /// Samples as they are written: bytes.
  public struct Drawn: Sendable {
    /// [count, height, width, channels]
    public var pixels: [UInt8] = []
    /// [count]
    public var evaluations: [Int] = []
  }

  private struct Part: Codable {
    let evaluations: [Int]
    /// CRC-32 of the pixels.
    let checksum: UInt32
  }

  /// The first `count` samples of a flow; those that are missing are drawn.
  ///
  /// - Parameters:
  ///   - labels: nil for a flow without classes.
  ///   - progress: is told how many there are. What it throws ends the work.
  /// - Throws: `SolverError`; `FileError` where a part can't be written.
  public func samples(
    of flow: TrainedFlow, _ count: Int, seed: UInt64, solver: Solver, labels: SampleLabels?,
    on pool: WorkerPool,
    progress: @escaping (Int) throws -> Void = { _ in }
  ) throws -> Drawn {
    let place = directory.appendingPath(try Self.name(flow, seed, solver, labels))
    try createDirectory(place)
    DurableFile.removeLeftovers(in: place)
    var drawn = Drawn()
    for first in stride(from: 0, to: count, by: Self.partSize) {
      let numbers = first..<min(first + Self.partSize, count)
      let path = place.appendingPath("part-\(String(100_000 + first / Self.partSize).dropFirst())")
      var part = Self.read(path, flow, atLeast: numbers.count)
      if part == nil {
        let samples = try flow.sample(
          numbers, seed: seed, solver: solver, labels: labels?.of(numbers), on: pool,
          progress: { try progress(numbers.lowerBound + Int($0 * Double(numbers.count))) })
        part = Drawn(pixels: samples.pixels, evaluations: samples.evaluations)
        try IDXFile.write(samples.idx, to: path + ".idx")
        let about = Part(evaluations: samples.evaluations, checksum: crc32(samples.pixels.span.bytes))
        try writeDurably(path + ".json", [UInt8](try JSONEncoder().encode(about)))
      }
      drawn.pixels += part?.pixels.prefix(numbers.count * flow.shape.count) ?? []
      drawn.evaluations += part?.evaluations.prefix(numbers.count) ?? []
      try progress(numbers.upperBound)
    }
    return drawn
  }

  /// All that decides the samples' bytes.
  private static func name(
    _ flow: TrainedFlow, _ seed: UInt64, _ solver: Solver, _ labels: SampleLabels?
  ) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    // The same weights are another flow in another network.
    let network = crc32([UInt8](try encoder.encode(flow.configuration)).span.bytes)
    let classes = labels.map { "-\($0.name)" } ?? ""
    let guidance = flow.guidance == 1 ? "" : "-guided-by-\(flow.guidance)"
    let pixels = flow.isDequantized == true ? "-dequantized" : ""
    let precision = flow.precision == .float32 ? "" : "-\(flow.precision.rawValue)"
    let method = "\(solver)".replacing(", ", with: "-").replacing(" ", with: "-")
    let build = RunRecord.currentBuild.replacing(" ", with: "-")
    return
      "\(hexadecimal(flow.checksum))-\(hexadecimal(network))-\(method)\(classes)\(guidance)\(pixels)\(precision)"
      + "-seed-\(seed)-\(build)-format-\(format)"
  }

  /// A part that is whole; nil for one that is to be drawn.
  private static func read(_ path: String, _ flow: TrainedFlow, atLeast count: Int) -> Drawn? {
    guard let json = try? readFile(path + ".json"),
      let about = try? JSONDecoder().decode(Part.self, from: Data(json)), about.evaluations.count >= count,
      let images = try? IDXFile.read(path + ".idx"), crc32(images.bytes.span.bytes) == about.checksum,
      images.bytes.count == about.evaluations.count * flow.shape.count
    else { return nil }
    return Drawn(pixels: images.bytes, evaluations: about.evaluations)
  }
}
