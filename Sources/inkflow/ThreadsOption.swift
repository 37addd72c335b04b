import ArgumentParser
import Kernels

/// How many threads a command works on.
struct ThreadsOption: ParsableArguments {
  @Option(help: "Threads; neither weights nor images depend on it. (default: the number of cores)")
  var threads: Int?

  func validate() throws { try require("threads", threads, in: 1...256) }

  var pool: WorkerPool { WorkerPool(threadCount: threads ?? WorkerPool.coreCount) }
}
