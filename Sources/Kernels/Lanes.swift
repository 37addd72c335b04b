import CVector

/// The widest vector of Float32 that the target CPU has (16 lanes with AVX-512, else 8): the unit of every
/// kernel here. Chosen by the C compiler's view of the target, so that it always agrees with `-march`.
package typealias Lanes = InkflowLanes

/// The lanes of a vector as integers.
typealias Bits = Lanes.MaskStorage

let laneCount = Lanes.scalarCount

extension Lanes {
  /// self + a·b, fused.
  @inline(__always)
  func addingProduct(_ a: Lanes, _ b: Lanes) -> Lanes { inkflow_adding_product(self, a, b) }

  /// self + a₁·b₁ + a₂·b₂, where each lane's place holds a pair of bf16 numbers.
  @inline(__always)
  func addingPairProducts(_ a: Lanes, _ b: Lanes) -> Lanes { inkflow_adding_pair_products(self, a, b) }
}

/// The instruction set this build was made for, as recorded in checkpoints ("x86_64 avx512").
package var buildFlavour: String { String(cString: inkflow_build_flavour()) }

/// Whether this CPU has all the instructions that the build may use.
package var cpuIsSufficient: Bool { inkflow_cpu_is_sufficient() }
/// Whether this build multiplies bf16 numbers by an instruction of the CPU's.
package var hasBFloat16: Bool { INKFLOW_HAS_BFLOAT16 == 1 }
/// What to do if it has not.
package var insufficientCPU: String {
  "this build needs a CPU with \(buildFlavour)\(hasBFloat16 ? " and bf16" : ""); build it on this machine: swift build -c release"
}

typealias Source = UnsafePointer<Float>
typealias Destination = UnsafeMutablePointer<Float>

extension UnsafePointer<Float> {
  @inline(__always)
  func lanes(at offset: Int) -> Lanes {
    UnsafeRawPointer(self + offset).loadUnaligned(as: Lanes.self)
  }

  /// The first `count` lanes from memory, the others zero: the edge of a row whose width is no multiple of
  /// the vector's.
  @inline(__always)
  func lanes(at offset: Int, count: Int) -> Lanes {
    if count == laneCount { return lanes(at: offset) }
    var vector = Lanes(repeating: 0)
    for lane in 0..<count { vector[lane] = self[offset + lane] }
    return vector
  }
}

extension UnsafeMutablePointer<Float> {
  @inline(__always)
  func lanes(at offset: Int) -> Lanes { Source(self).lanes(at: offset) }

  @inline(__always)
  func lanes(at offset: Int, count: Int) -> Lanes { Source(self).lanes(at: offset, count: count) }

  @inline(__always)
  func store(_ vector: Lanes, at offset: Int) {
    UnsafeMutableRawPointer(self + offset).storeBytes(of: vector, as: Lanes.self)
  }

  @inline(__always)
  func store(_ vector: Lanes, at offset: Int, count: Int) {
    if count == laneCount { return store(vector, at: offset) }
    for lane in 0..<count { self[offset + lane] = vector[lane] }
  }

  /// Stores the lanes as bf16 numbers, two in a float's place.
  @inline(__always)
  func storeNarrowed(_ vector: Lanes, at offset: Int) {
    UnsafeMutableRawPointer(self + offset).storeBytes(of: inkflow_narrowed(vector), as: InkflowHalves.self)
  }
}

/// The sum of all lanes, in halves.
@inline(__always)
func total(_ v: SIMD16<Float>) -> Float { total(v.lowHalf + v.highHalf) }
@inline(__always)
func total(_ v: SIMD8<Float>) -> Float {
  let v = v.lowHalf + v.highHalf
  return (v.x + v.z) + (v.y + v.w)
}

/// Calls `body(offset, width)` over 0..<count in steps of a vector; `width` is less than a vector's lanes at the end.
@inline(__always)
func forEachVector(_ count: Int, _ body: (_ offset: Int, _ width: Int) -> Void) {
  var offset = 0
  while offset + laneCount <= count {
    body(offset, laneCount)
    offset += laneCount
  }
  if offset < count { body(offset, count - offset) }
}

extension Span<Float> {
  /// The kernels' way from a span to its memory. The pointer is used within the kernel's call only.
  @inline(__always)
  var pointer: Source {
    withUnsafeBufferPointer { $0.baseAddress ?? Source(bitPattern: 64)! }
  }
}

extension MutableSpan<Float> {
  @inline(__always)
  var pointer: Destination {
    mutating get {
      withUnsafeMutableBufferPointer { $0.baseAddress ?? Destination(bitPattern: 64)! }
    }
  }
}
