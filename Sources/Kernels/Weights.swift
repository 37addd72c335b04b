/// The numbers of an arena for those who only read them, as all passes read a network's weights.
package struct Weights: Sendable {
  private let arena: Arena

  /// Empty, for passes without prepared weights.
  package static let none = Weights(reading: Arena(count: 0))

  /// A view: it sees what is written to the arena later.
  package init(reading arena: Arena) { self.arena = arena }

  /// A copy, which nobody can change any more.
  package init(copying arena: Arena) {
    self.arena = Arena(count: arena.count)
    copy(arena[arena.all], into: self.arena.mutable(self.arena.all))
  }

  package var all: Slice { arena.all }

  package subscript(slice: Slice) -> Span<Float> {
    @_lifetime(borrow self)
    get { unsafe _overrideLifetime(arena[slice], borrowing: self) }
  }
}
