import Files
import Foundation

/// One line of `metrics.jsonl`: a step of training.
public struct StepMetrics: Codable, Sendable {
  /// Steps done, this one included.
  public var step: Int
  /// Epochs completed before this step.
  public var epoch: Int
  public var samplesSeen: Int
  /// Mean over the batch and its pixels.
  public var loss: Double
  /// Before clipping.
  public var gradientNorm: Double
  public var learningRate: Double
  /// Of this step.
  public var imagesPerSecond: Double
  /// Since the run began, the parts before an interruption included.
  public var seconds: Double
  /// At the end of an epoch or of the run: the loss of the weights to sample from on test images.
  public var heldOutLoss: Double?
  /// The same for each tenth of the times, from noise to data: a mean over the test images whose t lies in it. Nil for
  /// fewer than ten images.
  public var heldOutLossByTime: [Double]?

  /// The means of ten equal stretches of losses that are in the order of their times.
  static func byTime(_ losses: [Double]) -> [Double]? {
    guard losses.count >= 10 else { return nil }
    return (0..<10).map { bin in
      let part = losses[bin * losses.count / 10..<(bin + 1) * losses.count / 10]
      return part.reduce(0, +) / Double(part.count)
    }
  }

  /// The lines of a run's `metrics.jsonl`. What stands after the last newline, which a killed process left half written,
  /// is passed over.
  ///
  /// - Throws: `FileError` where the file can't be read, or another line is no step's.
  public static func all(of run: RunDirectory) throws(FileError) -> [StepMetrics] {
    try lines(of: run.metricsPath).map(\.metrics)
  }

  /// Whole lines up to a step's, and the bytes that each takes. What comes after them isn't looked at.
  fileprivate static func lines(
    of path: String, upTo step: Int = .max
  ) throws(FileError) -> [(metrics: StepMetrics, bytes: Int)] {
    let decoder = RunRecord.decoder()
    var all: [(StepMetrics, Int)] = []
    for line in try readFile(path).split(separator: 10, omittingEmptySubsequences: false).dropLast() {
      if (all.last?.0.step ?? 0) >= step { break }
      guard let metrics = try? decoder.decode(StepMetrics.self, from: Data(line)) else {
        throw FileError(
          .malformed, path, "is damaged: line \(all.count + 1) is no step of a training",
          remedy: "restore the file, or cut it before that line")
      }
      all.append((metrics, line.count + 1))
    }
    return all
  }

  /// The last of them with a held-out loss, if there is one: none where there is no such file.
  public static func lastHeldOut(of run: RunDirectory) throws(FileError) -> StepMetrics? {
    guard FileManager.default.fileExists(atPath: run.metricsPath) else { return nil }
    return try all(of: run).last { $0.heldOutLoss != nil }
  }
}

/// `metrics.jsonl`, appended to line by line.
final class MetricsLog {
  private let path: String
  private let handle: FileHandle
  private let encoder = RunRecord.encoder(pretty: false)
  /// Seconds of the run up to the line that was last when the log was opened.
  let secondsBefore: Double

  /// Opens the log and drops what comes after `step`, as the run goes on from there.
  ///
  /// - Throws: `FileError` if it can't be, or a line of it is no step's.
  init(path: String, afterStep step: Int) throws(FileError) {
    self.path = path
    var kept = 0
    var seconds = 0.0
    if FileManager.default.fileExists(atPath: path) {
      for (metrics, bytes) in try StepMetrics.lines(of: path, upTo: step) {
        kept += bytes
        seconds = metrics.seconds
      }
    } else {
      try writeDurably(path, [])
    }
    secondsBefore = seconds
    guard let handle = FileHandle(forWritingAtPath: path) else {
      throw FileError(
        .cannotCreate, path, "can't be opened for writing", remedy: "check the file's permissions")
    }
    self.handle = handle
    do {
      try handle.truncate(atOffset: UInt64(kept))
      try handle.seekToEnd()
    } catch {
      throw FileError(
        .inputOutput, path, "can't be cut: \(error.localizedDescription)", remedy: "check the disk")
    }
  }

  func append(_ metrics: StepMetrics) throws(FileError) {
    do {
      try handle.write(contentsOf: try encoder.encode(metrics) + [10])
    } catch {
      throw FileError(
        .inputOutput, path, "can't be written: \(error.localizedDescription)",
        remedy: "check the disk's free space, then go on with --resume")
    }
  }

  /// Makes the lines durable, so that no checkpoint outlives the metrics before it.
  func synchronize() throws(FileError) {
    do {
      try handle.synchronize()
    } catch {
      throw FileError(
        .inputOutput, path, "can't be synced to disk: \(error.localizedDescription)",
        remedy: "check the disk, then go on with --resume")
    }
  }

  deinit { try? handle.close() }
}
