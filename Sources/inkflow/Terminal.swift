import Files
import Foundation
import Synchronization

/// Results on stdout, notes on stderr.
enum Terminal {
  static let isInteractive = isatty(STDERR_FILENO) == 1

  /// Prints a result.
  ///
  /// - Throws: `.inputOutput` where it can't be written, as on a full disk: a lost result is a failure.
  static func print(_ text: String) throws(FileError) {
    endLine()
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

  static func note(_ text: String) {
    endLine()
    write(text + "\n")
  }

  /// Whether the cursor stands behind a line that `rewriteLine` wrote.
  private static let isMidLine = Atomic(false)

  /// Writes over the last line that was so written, on a terminal. A longer text is cut to the terminal's present width: a
  /// line that wraps couldn't be rewritten.
  static func rewriteLine(_ text: String) {
    write("\r\u{1B}[K" + text.prefix(columns - 1))
    isMidLine.store(true, ordering: .relaxed)
  }

  private static func endLine() {
    if isMidLine.exchange(false, ordering: .relaxed) { write("\n") }
  }

  private static var columns: Int {
    var size = winsize()
    return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0 ? Int(size.ws_col) : 80
  }

  /// What a data set is used otherwise than its owner may expect.
  static func noteOnData(_ text: String) { note("note: \(text)") }

  /// A terminal that is gone must not end a run.
  private static func write(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
  }

  /// Gives the standard streams that a parent closed their numbers back: a file that is opened next would get one, and
  /// notes would be written into it. What is printed then still fails.
  static func reserveStandardStreams() {
    for descriptor in 0...2 where fcntl(Int32(descriptor), F_GETFD) == -1 {
      _ = open("/dev/null", descriptor == STDERR_FILENO ? O_WRONLY : O_RDONLY)
    }
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
