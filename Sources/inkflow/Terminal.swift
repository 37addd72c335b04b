import Foundation
import Synchronization

/// Notes and progress on stderr; results go to stdout by `print`.
enum Terminal {
  static let isInteractive = isatty(STDERR_FILENO) == 1

  static func note(_ text: String) {
    write(text + "\n")
  }

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

/// What `--json` prints: one object on one line, its keys in snake case and sorted.
func jsonText(_ value: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.keyEncodingStrategy = .convertToSnakeCase
  encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
  return String(decoding: try encoder.encode(value), as: UTF8.self)
}

/// Progress: one line that is rewritten on a terminal, else a line every few seconds.
struct ProgressLine {
  private var lastShown: ContinuousClock.Instant?
  private let interval: Duration = Terminal.isInteractive ? .milliseconds(200) : .seconds(10)

  mutating func show(_ text: @autoclosure () -> String, fraction: Double) {
    let now = ContinuousClock.now
    if let lastShown, now - lastShown < interval, fraction < 1 { return }
    lastShown = now
    if Terminal.isInteractive {
      let filled = Int((min(max(fraction, 0), 1) * 20).rounded())
      let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 20 - filled)
      Terminal.write("\r\u{1B}[K\(bar) \(text())")
    } else {
      Terminal.note(text())
    }
  }

  /// Leaves the line that was rewritten, so that other output can follow.
  func finish() {
    if Terminal.isInteractive && lastShown != nil { Terminal.write("\n") }
  }
}

/// SIGINT, SIGTERM and SIGHUP, which a terminal that is closed sends: the first asks for an end after the current step, a
/// second SIGINT or SIGTERM ends the process at once. (A closed terminal may send two.)
enum Interruption {
  fileprivate static let received = Atomic<Int32>(0)

  static func catchSignals() {
    _ = exitStatus  // so that the handler never runs a lazy initialiser
    handle(receive)
    var ours = sigset_t()
    sigemptyset(&ours)
    for number in signals { sigaddset(&ours, number) }
    // A parent may have started this process with its signals blocked.
    pthread_sigmask(SIG_UNBLOCK, &ours, nil)
    // A reader of the notes that has gone must not end a run.
    signal(SIGPIPE, SIG_IGN)
  }

  /// From here on the first signal ends the process: for work that has no state worth saving.
  static func releaseSignals() { handle(SIG_DFL) }

  private static let signals = [SIGINT, SIGTERM, SIGHUP]

  private static func handle(_ handler: (@convention(c) (Int32) -> Void)?) {
    for number in signals {
      let before = signal(number, handler)
      // nohup asks for SIGHUP to be ignored.
      let isIgnored = unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
      if number == SIGHUP && isIgnored { signal(number, SIG_IGN) }
    }
  }

  /// The exit status of the signal that came, if one did.
  static var exitStatus: Int32? {
    let number = received.load(ordering: .relaxed)
    return number == 0 ? nil : 128 + number
  }
}

/// Does nothing that a signal handler must not.
private func receive(_ number: Int32) {
  if Interruption.received.exchange(number, ordering: .relaxed) != 0 && number != SIGHUP {
    _exit(128 + number)
  }
}
