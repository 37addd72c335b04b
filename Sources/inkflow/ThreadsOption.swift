import ArgumentParser
import Foundation

/// How many threads a command works on.
struct ThreadsOption: ParsableArguments {
  @Option(help: "Threads; neither weights nor images depend on it. (default: the number of cores)")
  var threads: Int?

  func validate() throws {
    try require(threads.map { (1...256).contains($0) } ?? true, "--threads must be from 1 to 256.")
  }

  var count: Int { threads ?? ProcessInfo.processInfo.activeProcessorCount }
}
