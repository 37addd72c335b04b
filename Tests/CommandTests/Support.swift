import Foundation
import Testing

/// The program under test, as a user runs it: built beside the tests.
struct Command {
  struct Result {
    let status: Int32
    let output: String
    let errors: String
  }

  /// Where the package's products are built.
  private static let products = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()

  /// Starts `inkflow` in `directory`.
  static func start(
    _ arguments: [String], in directory: String, output: Any? = nil, errors: Any? = nil
  ) throws -> Process {
    let process = Process()
    process.executableURL = products.appending(path: "inkflow")
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: directory)
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output ?? FileHandle.nullDevice
    process.standardError = errors ?? FileHandle.nullDevice
    try process.run()
    return process
  }

  /// Waits for a process, at most two minutes: one that hangs is a failure, not a test that never ends.
  static func finish(_ process: Process) {
    let deadline = ContinuousClock.now + .seconds(120)
    while process.isRunning {
      if ContinuousClock.now > deadline {
        Issue.record("\(process.arguments ?? []) did not end")
        kill(process.processIdentifier, SIGKILL)
        break
      }
      usleep(2000)
    }
    process.waitUntilExit()
  }

  /// Runs `inkflow` to its end. What it prints passes through files, as a full pipe would stop it.
  static func run(_ arguments: [String], in directory: String) throws -> Result {
    let files = ["out", "err"].map { "\(directory)/.\(UUID()).\($0)" }
    defer { for file in files { try? FileManager.default.removeItem(atPath: file) } }
    let handles = try files.map { file in
      _ = FileManager.default.createFile(atPath: file, contents: nil)
      return try #require(FileHandle(forWritingAtPath: file))
    }
    let process = try start(arguments, in: directory, output: handles[0], errors: handles[1])
    finish(process)
    let texts = try files.map { try String(contentsOfFile: $0, encoding: .utf8) }
    let status = process.terminationReason == .exit ? process.terminationStatus : -process.terminationStatus
    return Result(status: status, output: texts[0], errors: texts[1])
  }
}

/// Passes a directory of its own, which is gone afterwards.
func withTemporaryDirectory(_ body: (String) throws -> Void) throws {
  let directory = FileManager.default.temporaryDirectory.appending(path: "inkflow-\(UUID())").path
  try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
  defer { try? FileManager.default.removeItem(atPath: directory) }
  try body(directory)
}
