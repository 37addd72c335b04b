import Foundation
import Testing

/// The program under test, as a user runs it: built beside the tests.
struct Command {
  struct Result {
    let status: Int32
    let output: String
    let errors: String

    /// What stands after a name, in a report for people.
    func value(_ name: String) -> String? {
      output.split(separator: "\n").first { $0.hasPrefix(name + "  ") }
        .map { $0.dropFirst(name.count).trimmingCharacters(in: .whitespaces) }
    }

    /// The rows of a table in a report for people, each cell under its column's name.
    func table(_ name: String) -> [[String: String]] {
      let lines = output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
      guard let start = lines.firstIndex(of: name + ":") else { return [] }
      let cells = lines[(start + 1)...].prefix { $0.hasPrefix("  ") }.map { line in
        line.components(separatedBy: "  ").map { $0.trimmingCharacters(in: .whitespaces) }.filter {
          !$0.isEmpty
        }
      }
      guard let header = cells.first, cells.allSatisfy({ $0.count == header.count }) else { return [] }
      return cells.dropFirst().map { Dictionary(uniqueKeysWithValues: zip(header, $0)) }
    }
  }

  /// Where the package's products are built.
  private static let products = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()

  static let program = products.appending(path: "inkflow")

  /// Starts `inkflow` in `directory`.
  static func start(
    _ arguments: [String], in directory: String, output: Any? = nil, errors: Any? = nil
  ) throws -> Process {
    let process = Process()
    process.executableURL = program
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: directory)
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output ?? FileHandle.nullDevice
    process.standardError = errors ?? FileHandle.nullDevice
    try process.run()
    return process
  }

  static var path: String { products.appending(path: "inkflow").path }

  /// The exit status of a line for the shell.
  static func shell(_ line: String, in directory: String) throws -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", line]
    process.currentDirectoryURL = URL(fileURLWithPath: directory)
    try process.run()
    finish(process)
    return process.terminationStatus
  }

  /// Whether a process handles a signal by now.
  static func catches(_ signal: Int32, _ process: Process) -> Bool {
    let status =
      (try? String(contentsOfFile: "/proc/\(process.processIdentifier)/status", encoding: .utf8)) ?? ""
    let mask = status.split(separator: "\n").first { $0.hasPrefix("SigCgt:") }?.split(separator: "\t").last
    return mask.flatMap { UInt64($0, radix: 16) }.map { $0 >> UInt64(signal - 1) & 1 == 1 } ?? false
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

/// The object that a command printed for `--json`.
func object(_ text: String) throws -> [String: Any] {
  try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
}

/// Waits, at most two minutes, for what another process will bring about; fails if it ends before.
func wait(for process: Process, until holds: () -> Bool, at location: SourceLocation = #_sourceLocation) {
  let deadline = ContinuousClock.now + .seconds(120)
  while !holds() {
    guard process.isRunning && ContinuousClock.now < deadline else {
      if !holds() { Issue.record("\(process.arguments ?? []) never got there", sourceLocation: location) }
      return
    }
    usleep(1000)
  }
}

/// Lines that a file has so far.
func lineCount(_ path: String) -> Int {
  (try? Data(contentsOf: URL(fileURLWithPath: path)).count { $0 == 10 }) ?? 0
}

/// Passes a directory of its own, which is gone afterwards.
func withTemporaryDirectory(_ body: (String) throws -> Void) throws {
  let directory = FileManager.default.temporaryDirectory.appending(path: "inkflow-\(UUID())").path
  try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
  defer { try? FileManager.default.removeItem(atPath: directory) }
  try body(directory)
}
