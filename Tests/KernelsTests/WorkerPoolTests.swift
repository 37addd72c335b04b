import Foundation
import Kernels
import Synchronization
import Testing

@Suite struct WorkerPoolTests {
  /// How often each task ran, and on which workers.
  private final class Log: Sendable {
    let runs: Mutex<[Int]>
    let workers = Mutex<Set<Int>>([])

    init(taskCount: Int) { runs = Mutex(Array(repeating: 0, count: taskCount)) }

    func note(task: Int, worker: Int) {
      runs.withLock { $0[task] += 1 }
      workers.withLock { _ = $0.insert(worker) }
    }
  }

  @Test(arguments: [1, 2, 3, 5]) func everyTaskRunsOnce(threadCount: Int) {
    let pool = WorkerPool(threadCount: threadCount)
    for taskCount in [0, 1, 2, 3, 4, 5, 7, 64, 1000] {
      let log = Log(taskCount: taskCount)
      pool.run(taskCount) { task, worker in log.note(task: task, worker: worker) }
      #expect(log.runs.withLock { $0 } == Array(repeating: 1, count: taskCount))
      #expect(log.workers.withLock { $0 }.isSubset(of: 0..<threadCount))
    }
  }

  /// Each task waits until as many run as there are workers; `run` waits for the slowest of them.
  @Test(.timeLimit(.minutes(1))) func workersRunTogetherToTheEnd() {
    let running = Atomic(0)
    let log = Log(taskCount: 3)
    WorkerPool(threadCount: 3).run(3) { task, worker in
      running.add(1, ordering: .sequentiallyConsistent)
      while running.load(ordering: .sequentiallyConsistent) < 3 { sched_yield() }
      if worker > 0 { usleep(20_000) }
      log.note(task: task, worker: worker)
    }
    #expect(log.workers.withLock { $0 } == [0, 1, 2])
  }

  @Test(arguments: [2, 3, 5]) func poolIsReusable(threadCount: Int) {
    let pool = WorkerPool(threadCount: threadCount)
    let total = Mutex(0)
    for _ in 0..<5000 { pool.run(4) { task, _ in total.withLock { $0 += task + 1 } } }
    #expect(total.withLock { $0 } == 5000 * 10)
  }

  /// 200 pools of five threads come and go: their 800 threads must end. (Other tests have threads, too.)
  @Test func threadsEndWithThePool() async throws {
    for _ in 0..<200 { WorkerPool(threadCount: 5).run(2) { _, _ in } }
    func threads() throws -> Int {
      try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count
    }
    for _ in 0..<100 where try threads() > 100 { try await Task.sleep(for: .milliseconds(50)) }
    #expect(try threads() <= 100)
  }
}
