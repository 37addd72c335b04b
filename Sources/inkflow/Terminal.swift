import Files
import Foundation

/// Results on stdout, notes on stderr.
enum Terminal {
  static let isInteractive = isatty(STDERR_FILENO) == 1

  /// Prints a result.
  ///
  /// - Throws: `.inputOutput` where it can't be written, as on a full disk: a lost result is a failure.
  static func print(_ text: String) throws(FileError) {
    do {
      try FileHandle.standardOutput.write(contentsOf: Data((text + "\n").utf8))
    } catch {
      throw FileError(
        .inputOutput, "standard output", "can't be written: \(error.localizedDescription)",
        remedy: "check the disk or the program that reads it, and run again")
    }
  }

  static func print(_ report: Report, json: Bool) throws {
    try print(json ? report.json : report.text)
  }

  static func note(_ text: String) { write(text + "\n") }

  /// What a data set is used otherwise than its owner may expect.
  static func noteOnData(_ text: String) { note("note: \(text)") }

  /// A terminal that is gone must not end a run.
  static func write(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }

  /// "2 h 05 min", "3 min 20 s", "8 s".
  static func duration(_ seconds: Double) -> String {
    let total = Int(max(0, seconds).rounded())
    let (hours, minutes, rest) = (total / 3600, total / 60 % 60, total % 60)
    if hours > 0 { return "\(hours) h \(minutes < 10 ? "0" : "")\(minutes) min" }
    return minutes > 0 ? "\(minutes) min \(rest < 10 ? "0" : "")\(rest) s" : "\(rest) s"
  }

  static func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }
}

/// Seconds since it was made.
struct Stopwatch {
  private let start = ContinuousClock.now
  var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }
}
