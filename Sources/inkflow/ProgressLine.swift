import Foundation

/// Progress: one line that is rewritten on a terminal, else a line every ten seconds.
struct ProgressLine {
  private var lastShown = ContinuousClock.now
  private var hasShown = false
  private let interval: Duration = Terminal.isInteractive ? .milliseconds(200) : .seconds(10)

  mutating func show(_ text: @autoclosure () -> String, fraction: Double) {
    let now = ContinuousClock.now
    guard now - lastShown >= interval || hasShown && fraction >= 1 else { return }
    (lastShown, hasShown) = (now, true)
    if Terminal.isInteractive {
      let filled = Int((min(max(fraction, 0), 1) * 20).rounded())
      let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: 20 - filled)
      Terminal.write("\r\u{1B}[K\(bar) \(text())")
    } else {
      Terminal.note(text())
    }
  }

  /// How far samples are.
  mutating func show(_ share: Double, of count: Int, _ what: String) {
    show("\(Int(share * Double(count)))/\(count) \(what)", fraction: share)
  }

  /// Leaves the line that was rewritten, so that other output can follow.
  func finish() {
    if Terminal.isInteractive && hasShown { Terminal.write("\n") }
  }
}
