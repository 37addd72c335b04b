import Files
import Foundation

/// The files of a run: `run.json`, `metrics.jsonl`, `loss.svg`, `samples/`, `checkpoints/`, `model/`.
public struct RunDirectory: Sendable {
  public let path: String

  public init(_ path: String) { self.path = path }

  private func file(_ name: String) -> String { path.appendingPath(name) }

  public var recordPath: String { file("run.json") }
  public var metricsPath: String { file("metrics.jsonl") }
  public var lossCurvePath: String { file("loss.svg") }
  public var samplesPath: String { file("samples") }
  public var checkpointsPath: String { file("checkpoints") }
  public var modelPath: String { file("model") }

  /// Whether a run was begun here.
  public var exists: Bool { FileManager.default.fileExists(atPath: recordPath) }

  /// - Throws: `.cannotCreate` if a run was begun here, or a new one would write over files that are no run's. (A kill
  ///   between a run's first checkpoint and its run.json leaves one that belongs to no run.)
  func requireNoRun() throws(FileError) {
    if !exists,
      let path = [metricsPath, lossCurvePath, modelPath].first(where: {
        FileManager.default.fileExists(atPath: $0)
      })
    {
      throw FileError(
        .cannotCreate, path, "is there already, though no run is: a new run would write over it",
        remedy: "move it away, or pass --output with another directory")
    }
    if exists || ![[], [0]].contains(checkpointSteps()) {
      throw FileError(
        .cannotCreate, path, "holds a run already",
        remedy: "go on with it by --resume, or pass --output with another directory")
    }
  }

  /// Makes the directories, where they are missing.
  public func create() throws(FileError) {
    for directory in [path, samplesPath, checkpointsPath] { try createDirectory(directory) }
  }

  public func readRecord() throws(FileError) -> RunRecord { try RunRecord(path: recordPath) }

  public func write(_ record: RunRecord) throws(FileError) {
    do {
      let json = try RunRecord.encoder(pretty: true).encode(record)
      try writeDurably(recordPath, [UInt8](json) + [10])
    } catch let error as FileError {
      throw error
    } catch {
      preconditionFailure("a record of plain values is JSON: \(error)")
    }
  }

  // MARK: Checkpoints

  public func checkpointPath(step: Int) -> String {
    checkpointsPath.appendingPath(Self.name(step: step) + ".safetensors")
  }

  public func sheetPath(step: Int) -> String {
    samplesPath.appendingPath(Self.name(step: step) + ".png")
  }

  private static func name(step: Int) -> String {
    let digits = String(step)
    return "step-" + String(repeating: "0", count: max(0, 8 - digits.count)) + digits
  }

  /// The steps of all files that bear a checkpoint's name, newest first.
  public func checkpointSteps() -> [Int] {
    let names = (try? FilePath(checkpointsPath).names()) ?? []
    return names.map(\.description).compactMap { name in
      guard name.hasPrefix("step-"), name.hasSuffix(".safetensors") else { return nil }
      let digits = name.dropFirst(5).dropLast(12)
      guard digits.count >= 8, digits.allSatisfy({ $0.isASCII && $0.isNumber }), let step = Int(digits),
        checkpointPath(step: step).hasSuffix("/" + name)
      else { return nil }
      return step
    }.sorted(by: >)
  }

  /// What `read` makes of the newest checkpoint that is sound, and why newer ones, which are damaged, were passed over.
  ///
  /// - Throws: `FileError` if there is none, or one can't be read.
  public func newestCheckpoint<Result>(
    _ read: (Checkpoint) throws(FileError) -> Result
  ) throws(FileError) -> (result: Result, passedOver: [FileError]) {
    var passedOver: [FileError] = []
    for step in checkpointSteps() {
      do throws(FileError) {
        return (try read(Checkpoint(path: checkpointPath(step: step))), passedOver)
      } catch {
        guard error.kind == .malformed else { throw error }
        passedOver.append(error)
      }
    }
    let reasons = passedOver.map { " (\($0.description))" }.joined()
    throw FileError(
      .missing, checkpointsPath, "holds no sound checkpoint" + reasons,
      remedy: "name a run that has one, or begin a new run with 'inkflow train'")
  }

  /// Deletes all but the newest `keep` checkpoints up to `last`. Touches only files of a checkpoint's name.
  func rotateCheckpoints(keep: Int, upTo last: Int) throws(FileError) {
    for step in checkpointSteps().filter({ $0 <= last }).dropFirst(keep) {
      let path = checkpointPath(step: step)
      guard unlink(path) == 0 else {
        throw FileError(
          .inputOutput, path, "can't be deleted: \(systemErrorText())",
          remedy: "check the directory's permissions")
      }
    }
  }

  /// Deletes what a killed process left half written, here and in the directories below.
  func removeTemporaryFiles() {
    for directory in [path, samplesPath, checkpointsPath, modelPath] {
      DurableFile.removeLeftovers(in: directory)
    }
  }

  // MARK: Lock

  /// Keeps other processes off the run for as long as it lives. The kernel drops it with the process.
  package final class Lock {
    private let descriptor: Int32
    /// Why there is no lock: some file systems have none.
    package let problem: String?

    /// - Parameter lock: the system's call, which tests replace.
    package init(_ run: RunDirectory, lock: (Int32, Int32) -> Int32 = flock) throws(FileError) {
      let path = run.file(".lock")
      descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
      guard descriptor >= 0 else {
        throw FileError(
          .cannotCreate, path, "can't be opened: \(systemErrorText())",
          remedy: "make sure that the run's directory is writable")
      }
      var status = lock(descriptor, LOCK_EX | LOCK_NB)
      // A program that this process is starting just now holds a copy of a lock that was given back, for a moment.
      for _ in 0..<20 where status != 0 && errno == EWOULDBLOCK {
        usleep(10_000)
        status = lock(descriptor, LOCK_EX | LOCK_NB)
      }
      if status == 0 {
        problem = nil
      } else if errno == EWOULDBLOCK {
        close(descriptor)
        throw FileError(
          .cannotCreate, run.path, "is in use by another process",
          remedy: "wait for it to end, or pass --output with another directory")
      } else {
        problem = systemErrorText()
      }
    }

    deinit { close(descriptor) }
  }
}
