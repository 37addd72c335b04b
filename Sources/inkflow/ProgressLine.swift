import Foundation

/// Progress: one line that is rewritten on a terminal, else a line every ten seconds. Long work passes by here, so this is
/// where Ctrl-C ends it.
struct ProgressLine {
  /// What is kept when the work is interrupted, and how to go on; nil for work that looks for interruptions itself.
  private let whenInterrupted: String?
  private var lastShown = ContinuousClock.now
  /// Whether something was shown whose end was not.
  private var isOpen = false
  private let interval: Duration = Terminal.isInteractive ? .milliseconds(200) : .seconds(10)

  init(whenInterrupted: String? = Interruption.nothingWritten) {
    self.whenInterrupted = whenInterrupted
    if whenInterrupted != nil { Interruption.catchSignals() }
  }

  /// - Throws: `RunError` where a signal asked for an end.
  mutating func show(_ text: @autoclosure () -> String, fraction: Double) throws(RunError) {
    if let whenInterrupted { try Interruption.check(whenInterrupted) }
    let now = ContinuousClock.now
    guard now - lastShown >= interval || isOpen && fraction >= 1 else { return }
    (lastShown, isOpen) = (now, fraction < 1)
    guard Terminal.isInteractive else { return Terminal.note(text()) }
    let filled = Int((min(max(fraction, 0), 1) * 20).rounded())
    let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 20 - filled)
    Terminal.rewriteLine("\(bar) \(text())")
  }

  /// How far samples are.
  mutating func show(_ share: Double, of count: Int, _ what: String) throws(RunError) {
    try show("\(Int(share * Double(count)))/\(count) \(what), \(Int(100 * share)) %", fraction: share)
  }
}
