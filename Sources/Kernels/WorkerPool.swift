import CVector
import Foundation
import Synchronization

/// A fixed number of threads that share out numbered tasks. The calling thread is worker 0.
///
/// Which worker runs a task is left to chance, so a task's result must depend on its number alone.
package final class WorkerPool: Sendable {
  package let threadCount: Int
  private let tasks = Tasks()

  package init(threadCount: Int) {
    precondition(threadCount > 0, "a pool needs at least one thread")
    self.threadCount = threadCount
    for worker in 1..<threadCount {
      let thread = Thread { [tasks] in tasks.serve(worker: worker) }
      thread.start()
    }
  }

  deinit { tasks.stop() }

  /// Runs `body(task, worker)` for every task in 0..<count, `worker` in 0..<threadCount being the thread it
  /// runs on, and returns when all are done.
  package func run(_ count: Int, _ body: @escaping @Sendable (_ task: Int, _ worker: Int) -> Void) {
    if threadCount == 1 || count <= 1 {
      for task in 0..<count { body(task, 0) }
    } else {
      tasks.run(count, body)
    }
  }
}

/// The tasks not yet taken. Everything but the two atomics is guarded by the condition's lock.
///
/// A thread with nothing to do watches the atomics for some microseconds before it sleeps: where one image's layers
/// are split over the threads, the next tasks come that soon, and waking a thread would take longer than they do.
private final class Tasks: @unchecked Sendable {
  private let condition = NSCondition()
  private var body: (@Sendable (_ task: Int, _ worker: Int) -> Void)?
  private var count = 0
  private var next = 0
  private let unfinished = Atomic(0)
  /// Grows with each batch of tasks, and at the end.
  private let generation = Atomic(0)
  private var stopping = false

  func run(_ count: Int, _ body: @escaping @Sendable (_ task: Int, _ worker: Int) -> Void) {
    condition.lock()
    precondition(self.body == nil, "a pool runs one batch of tasks at a time")
    self.body = body
    self.count = count
    next = 0
    unfinished.store(count, ordering: .relaxed)
    announce()
    takeTasks(worker: 0)
    watch { unfinished.load(ordering: .relaxed) == 0 }
    while unfinished.load(ordering: .relaxed) > 0 { condition.wait() }
    self.body = nil
    condition.unlock()
  }

  func serve(worker: Int) {
    condition.lock()
    while !stopping {
      takeTasks(worker: worker)
      let seen = generation.load(ordering: .relaxed)
      watch { generation.load(ordering: .relaxed) != seen }
      while !stopping && generation.load(ordering: .relaxed) == seen { condition.wait() }
    }
    condition.unlock()
  }

  func stop() {
    condition.lock()
    stopping = true
    announce()
    condition.unlock()
  }

  private func announce() {
    generation.add(1, ordering: .relaxed)
    condition.broadcast()
  }

  /// Called and left with the lock held; a task runs without it.
  private func takeTasks(worker: Int) {
    while next < count, let body {
      let task = next
      next += 1
      condition.unlock()
      body(task, worker)
      condition.lock()
      if unfinished.subtract(1, ordering: .relaxed).newValue == 0 { condition.broadcast() }
    }
  }

  /// Waits a little, without the lock, which is held before and after. Whether the condition holds is then looked at
  /// under the lock: relaxed order suffices.
  @inline(__always)
  private func watch(_ condition: () -> Bool) {
    if condition() { return }
    self.condition.unlock()
    for _ in 0..<5000 where !condition() { inkflow_spin_hint() }
    self.condition.lock()
  }
}
