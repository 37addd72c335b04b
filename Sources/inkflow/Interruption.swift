import Foundation
import Synchronization

/// SIGINT, SIGTERM and SIGHUP, which a terminal that is closed sends: the first asks for an end after the current step, a
/// second SIGINT or SIGTERM ends the process at once. (A closed terminal may send two.)
enum Interruption {
  fileprivate static let received = Atomic<Int32>(0)

  /// May be called again.
  static func catchSignals() {
    _ = exitStatus  // so that the handler never runs a lazy initialiser
    for number in signals {
      let before = signal(number, receive)
      // A parent that had a signal ignored, as nohup does, wants it ignored.
      let isIgnored = unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
      if isIgnored { signal(number, SIG_IGN) }
    }
    var ours = sigset_t()
    sigemptyset(&ours)
    for number in signals { sigaddset(&ours, number) }
    // A parent may have started this process with its signals blocked.
    pthread_sigmask(SIG_UNBLOCK, &ours, nil)
    // A reader of the notes that has gone must not end a run.
    signal(SIGPIPE, SIG_IGN)
  }

  static let nothingWritten = "nothing was written; run the command again"

  /// Ends the work where a signal asked for an end.
  ///
  /// - Parameter kept: what is kept, and how to go on.
  static func check(_ kept: String = nothingWritten) throws(RunError) {
    guard let status = exitStatus else { return }
    Terminal.note("interrupted; \(kept)")
    throw RunError(message: nil, status: status)
  }

  private static let signals = [SIGINT, SIGTERM, SIGHUP]

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
