import Files
import Foundation
import Imagery
import Kernels
import Network
import Sampling
import Testing
import Training

/// Numbers of `run.json` and of checkpoints: any may be there, and none may end the process.
@Suite struct NumbersFromFilesTests {
  private static let numbers = [
    "-9223372036854775808", "-1", "0", "9223372036854775807", "18446744073709551616", "-1e300", "1e300",
  ]
  private static let train = images(.train, count: 60)
  private static let test = images(.test, count: 20)

  /// Small ones, as many runs are begun on them.
  private static func images(_ split: ImageDataset.Split, count: Int) -> ImageDataset {
    ImageDataset(
      name: "ramp", split: split, pixels: (0..<count * 64).map { UInt8(truncatingIfNeeded: $0 * $0 / 7) },
      height: 8, width: 8, channels: 1, labels: nil)
  }

  /// All paths to a number in a JSON object, and the text of it with another there.
  private func variants(_ json: String) throws -> [(path: String, number: String, text: String)] {
    let object = try JSONSerialization.jsonObject(with: Data(json.utf8))
    var found: [(String, String, String)] = []
    /// Visits the numbers; `rebuild` puts a value into the whole in place of the one visited.
    func visit(_ value: Any, _ path: String, _ rebuild: (Any) -> Any) throws {
      switch value {
      case let dictionary as [String: Any]:
        for (key, child) in dictionary.sorted(by: { $0.key < $1.key }) {
          try visit(child, path + "." + key) { rebuild(dictionary.merging([key: $0]) { $1 }) }
        }
      case let array as [Any]:
        for (index, child) in array.enumerated() {
          try visit(child, path + "[\(index)]") { changed in
            var copy = array
            copy[index] = changed
            return rebuild(copy)
          }
        }
      case let number as NSNumber where String(cString: number.objCType) != "c":
        for number in Self.numbers {
          let data = try JSONSerialization.data(withJSONObject: rebuild("@"))
          let text = String(decoding: data, as: UTF8.self)
          found.append((path, number, text.replacingOccurrences(of: "\"@\"", with: number)))
        }
      default: break
      }
    }
    try visit(object, "") { $0 }
    return found
  }

  /// A run of one step.
  private func begin(_ path: String) throws -> RunDirectory {
    try Trainer(
      output: path, train: Self.train, test: Self.test,
      options: TrainingOptions(preset: .tiny, length: .steps(1), batchSize: 13, threads: 1)
    ).train { _ in }
    return RunDirectory(path)
  }

  /// What must not trap, whatever it throws: a `FileError` or a `ConfigurationError`.
  private func survives(_ what: String, _ body: () throws -> Void) {
    do {
      try body()
    } catch {
      let isOurs =
        error is ConfigurationError || (error as? FileError)?.kind == .malformed
        || (error as? FileError)?.kind == .missing
      #expect(isOurs, "\(what): \(error)")
    }
  }

  @Test func aRecordOfAnyNumbers() throws {
    try withTemporaryDirectory { directory in
      let run = try begin(directory + "/run")
      let sound = String(decoding: try readFile(run.recordPath), as: UTF8.self)
      let variants = try variants(sound)
      #expect(variants.count > 30 * Self.numbers.count)
      for (path, number, text) in variants {
        try Data(text.utf8).write(to: URL(fileURLWithPath: run.recordPath))
        let what = "\(path) \(number)"
        if path.hasPrefix(".settings.steps") || path.hasPrefix(".settings.batch_size")
          || path.hasPrefix(".execution")
        {
          expect(.malformed) { try RunRecord(path: run.recordPath) }
        }
        survives(what) {
          _ = try Trainer(resuming: run.path, train: Self.train, test: Self.test).train { _ in }
        }
        // As the base of another run.
        survives(what) {
          var options = TrainingOptions(length: .steps(1), batchSize: 13, threads: 1)
          options.base = try RunRecord(path: run.recordPath)
          let output = directory + "/other"
          defer { try? FileManager.default.removeItem(atPath: output) }
          _ = try Trainer(output: output, train: Self.train, test: Self.test, options: options)
        }
      }
    }
  }

  /// A header whose checksum holds, as of a program that wrote what can't be.
  @Test func aCheckpointOfAnyNumbers() throws {
    try withTemporaryDirectory { directory in
      let run = try begin(directory + "/run")
      let path = run.checkpointPath(step: 1)
      let file = try SafetensorsFile(contentsOf: path)
      let tensors = try file.entries.map {
        SafetensorsTensor($0.name, shape: $0.shape, values: try file.floats($0.name))
      }
      for (key, number, text) in try variants(try #require(file.metadata["header"])) {
        var metadata = file.metadata
        metadata["header"] = text
        metadata["header_crc32"] = hexadecimal(crc32(Array(text.utf8).span.bytes))
        try SafetensorsFile.write(tensors, metadata: metadata, to: path)
        let what = "\(key) \(number)"
        if key == ".step" && number != "0" { expect(.malformed) { try Checkpoint(path: path) } }
        survives(what) { _ = try Checkpoint(path: path).flow() }
        survives(what) {
          _ = try Trainer(resuming: run.path, train: Self.train, test: Self.test).train { _ in }
        }
        try? FileManager.default.removeItem(atPath: path + ".damaged")
        try? FileManager.default.removeItem(atPath: run.checkpointPath(step: 0))
      }
    }
  }
}
