import CVector
import Foundation
import Synchronization

/// A fixed number of threads that share out numbered tasks. The calling thread is worker 0. A pool does one caller's
/// work at a time: tasks that run side by side need a pool each.
///
/// Which worker runs a task is left to chance, so a task's result must depend on its number alone.
public final class WorkerPool: Sendable {
  public let threadCount: Int
  public static var coreCount: Int { ProcessInfo.processInfo.activeProcessorCount }
  private let tasks = Tasks()

  /// - Parameter threadCount: the calling thread included; by default as many as this machine has cores.
  public init(threadCount: Int = WorkerPool.coreCount) {
    precondition(threadCount > 0, "a pool needs at least one thread")
    self.threadCount = threadCount
    for worker in 1..<threadCount {
      let thread = Thread { [tasks] in tasks.serve(worker: worker) }
      thread.start()
    }
  }

  deinit { tasks.stop() }

  /// Runs `body(shared, task, worker)` for every task in 0..<count, `worker` in 0..<threadCount being the thread it
  /// runs on, and returns when all are done.
  ///
  /// - Parameter shared: what all tasks read. A body that captures nothing needs no memory of the heap, so a loop of
  ///   warm runs allocates nothing.
  package func run<Shared: Sendable>(
    _ count: Int, sharing shared: Shared,
    _ body: @escaping @Sendable (_ shared: Shared, _ task: Int, _ worker: Int) -> Void
  ) {
    if threadCount == 1 || count <= 1 {
      for task in 0..<count { body(shared, task, 0) }
    } else {
      unsafe withUnsafePointer(to: Work(shared: shared, body: body)) { work in
        unsafe tasks.run(count, Job(work))
      }
    }
  }

  /// The results of a body, in the order of the tasks.
  package func map<Result: Sendable>(
    _ count: Int, _ body: @escaping @Sendable (_ task: Int) -> Result
  ) -> [Result] {
    let results = Results<Result>(count: count)
    run(count) { task, _ in
      let result = body(task)
      results.all.withLock { $0[task] = result }
    }
    return results.all.withLock { $0.compactMap { $0 } }
  }

  private final class Results<Result: Sendable>: Sendable {
    let all: Mutex<[Result?]>
    init(count: Int) { all = Mutex(Array(repeating: nil, count: count)) }
  }

  /// The same for a body that captures what it reads.
  package func run(_ count: Int, _ body: @escaping @Sendable (_ task: Int, _ worker: Int) -> Void) {
    run(count, sharing: body) { body, task, worker in body(task, worker) }
  }
}

/// What a batch of tasks runs.
private struct Work<Shared: Sendable>: Runnable {
  let shared: Shared
  let body: @Sendable (Shared, Int, Int) -> Void

  static func run(_ work: UnsafeRawPointer, task: Int, worker: Int) {
    let work = unsafe work.assumingMemoryBound(to: Self.self)
    unsafe work.pointee.body(work.pointee.shared, task, worker)
  }
}

private protocol Runnable {
  static func run(_ work: UnsafeRawPointer, task: Int, worker: Int)
}

/// The work lies on the waiting thread's stack, behind a type-erased pointer: a closure would cost a heap block per layer
/// and step. (`AllocationTests` counts them.)
private struct Job {
  private let type: any Runnable.Type
  private let work: UnsafeRawPointer

  init<Shared>(_ work: UnsafePointer<Work<Shared>>) {
    type = Work<Shared>.self
    unsafe self.work = UnsafeRawPointer(work)
  }

  func run(task: Int, worker: Int) { unsafe type.run(work, task: task, worker: worker) }
}

/// The tasks not yet taken. Everything but the two atomics is guarded by the condition's lock.
///
/// A thread with nothing to do watches the atomics for some microseconds before it sleeps: where one image's layers
/// are split over the threads, the next tasks come that soon, and waking a thread would take longer than they do.
private final class Tasks: @unchecked Sendable {
  private let condition = NSCondition()
  private var job: Job?
  private var count = 0
  private var next = 0
  private let unfinished = Atomic(0)
  /// Grows with each batch of tasks, and at the end.
  private let generation = Atomic(0)
  private var stopping = false

  func run(_ count: Int, _ job: Job) {
    condition.lock()
    precondition(self.job == nil, "a pool runs one batch of tasks at a time")
    self.job = job
    self.count = count
    next = 0
    unfinished.store(count, ordering: .relaxed)
    announce()
    takeTasks(worker: 0)
    watch { unfinished.load(ordering: .relaxed) == 0 }
    while unfinished.load(ordering: .relaxed) > 0 { condition.wait() }
    self.job = nil
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
    while next < count, let job {
      let task = next
      next += 1
      condition.unlock()
      job.run(task: task, worker: worker)
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
