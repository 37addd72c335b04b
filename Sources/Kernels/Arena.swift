import CVector

/// A range of an arena: where a tensor lies. Planned once, when the network is built.
package struct Slice: Sendable, Equatable {
  package let offset: Int
  package let count: Int

  package init(offset: Int, count: Int) {
    precondition(offset >= 0 && count >= 0)
    self.offset = offset
    self.count = count
  }

  /// Elements `range` of this slice.
  package subscript(range: Range<Int>) -> Slice {
    precondition(range.lowerBound >= 0 && range.upperBound <= count, "range outside the slice")
    return Slice(offset: offset + range.lowerBound, count: range.count)
  }

  /// The `index`-th of consecutive equal parts of `length` elements.
  package func part(_ index: Int, length: Int) -> Slice {
    self[index * length..<(index + 1) * length]
  }

  /// Several of them.
  package func parts(_ range: Range<Int>, length: Int) -> Slice {
    self[range.lowerBound * length..<range.upperBound * length]
  }
}

/// Hands out the disjoint slices of an arena that is allocated once all are known.
package struct ArenaPlan: Sendable {
  package private(set) var count = 0

  package init() {}

  /// A new slice, at a multiple of 64 bytes: a cache line and the widest vector.
  package mutating func reserve(_ length: Int) -> Slice {
    let slice = Slice(offset: count, count: length)
    count += (length + 15) / 16 * 16
    return slice
  }
}

/// One flat block of Float32, zeroed at first: weights, gradients, moments and activations each are one.
///
/// It hands out spans of slices. Reading and writing two slices at a time is what every kernel does, so
/// both accessors only borrow the arena: that two slices don't overlap is the plan's promise, and that no
/// two threads write one is the caller's.
package final class Arena: @unchecked Sendable {
  package let count: Int
  private let base: UnsafeMutablePointer<Float>

  /// What one entry of the CPU's address cache can cover where the system agrees. Winograd's transforms write to 36
  /// places at once, each on a page of its own.
  private static let hugePage = 2 << 20

  /// Looked at before anything is computed: a build for a newer CPU would die of an illegal instruction somewhere. (A
  /// precondition's message isn't printed by an optimised build.)
  private static let checkedCPU: Void = {
    if !cpuIsSufficient { fatalError(insufficientCPU) }
  }()

  package init(count: Int) {
    _ = Self.checkedCPU
    precondition(count >= 0)
    self.count = count
    let bytes = max(count, 1) * 4
    let isLarge = bytes >= Self.hugePage / 2
    let memory = UnsafeMutableRawPointer.allocate(
      byteCount: bytes, alignment: isLarge ? Self.hugePage : 64)
    if isLarge { unsafe inkflow_advise_huge_pages(memory, bytes) }
    unsafe base = memory.bindMemory(to: Float.self, capacity: max(count, 1))
    unsafe base.initialize(repeating: 0, count: max(count, 1))
  }

  deinit { unsafe base.deallocate() }

  package var all: Slice { Slice(offset: 0, count: count) }

  package subscript(slice: Slice) -> Span<Float> {
    @_lifetime(borrow self)
    get {
      precondition(slice.offset + slice.count <= count, "slice outside the arena")
      let span = unsafe Span(_unsafeStart: base + slice.offset, count: slice.count)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// nil for nil, for optional arguments.
  package subscript(optional slice: Slice?) -> Span<Float>? {
    @_lifetime(borrow self)
    get {
      guard let slice else { return nil }
      return self[slice]
    }
  }

  @_lifetime(borrow self)
  package func mutable(_ slice: Slice) -> MutableSpan<Float> {
    precondition(slice.offset + slice.count <= count, "slice outside the arena")
    let span = unsafe MutableSpan(_unsafeStart: base + slice.offset, count: slice.count)
    return unsafe _overrideLifetime(span, borrowing: self)
  }
}
