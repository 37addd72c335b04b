import Kernels
import Testing

@Suite struct ArenaTests {
  @Test func slicesAreAlignedAndDisjoint() {
    var plan = ArenaPlan()
    let lengths = [1, 16, 0, 17, 31, 32, 5, 1000, 3]
    let slices = lengths.map { plan.reserve($0) }
    #expect(slices.map(\.count) == lengths)
    for (slice, next) in zip(slices, slices.dropFirst()) {
      #expect(slice.offset + slice.count <= next.offset)
    }
    #expect(slices.last!.offset + slices.last!.count <= plan.count)

    let arena = Arena(count: plan.count)
    for (i, slice) in slices.enumerated() {
      arena[slice].withUnsafeBufferPointer { #expect(Int(bitPattern: $0.baseAddress) % 64 == 0) }
      fill(arena.mutable(slice), with: Float(i + 1))
    }
    for (i, slice) in slices.enumerated() {
      let span = arena[slice]
      #expect(span.indices.allSatisfy { span[$0] == Float(i + 1) })
    }
  }

  @Test func arenaStartsAtZero() {
    let arena = Arena(count: 1000)
    #expect(sumOfSquares(arena[arena.all]) == 0)
  }

  @Test func partsOfASlice() {
    let slice = Slice(offset: 10, count: 12)
    #expect(slice[2..<5] == Slice(offset: 12, count: 3))
    #expect((0..<3).map { slice.part($0, length: 4).offset } == [10, 14, 18])
    #expect(slice.part(2, length: 4).count == 4)
  }

  @Test func partsBeyondTheSliceTrap() async {
    await #expect(processExitsWith: .failure) { _ = Slice(offset: 10, count: 12).part(3, length: 4) }
    await #expect(processExitsWith: .failure) { _ = Slice(offset: 10, count: 12)[-1..<2] }
    await #expect(processExitsWith: .failure) { _ = Arena(count: 8)[Slice(offset: 4, count: 5)].count }
  }
}
