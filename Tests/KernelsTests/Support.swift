import Kernels
import Testing

/// What relative L2 errors against Double the suites accept of each algorithm: two to four times what is reached.
enum Tolerance {
  /// One fused multiply-add a term, in order: linear layers and attention (reached: 1.0e-6, 7e-7).
  static let product = 2.5e-6
  /// Sums over many rows, which may cancel where the result is a single element (reached: 2.7e-6).
  static let sumOverRows = 6e-6
  /// Reached: 5.2e-7.
  static let directConvolution = 1.5e-6
  /// F(4×4, 3×3) in Float32 loses a digit. Reached: 2.3e-6.
  static let winograd = 6e-6
  /// The same with factors rounded to bf16, on normal numbers: the rounding of 8 bits, tenfold. Reached: 2.9e-2.
  static let bfloat16Winograd = 4e-2
  /// One product of bf16 numbers a term, each of them rounded to 8 bits. Reached: 2.5e-3.
  static let bfloat16Product = 5e-3
  /// Reached: 8e-8.
  static let groupNorm = 2.5e-7
  /// Gradients against finite differences. Reached: 2.0e-6 (a norm's weight), 9e-7 (a convolution), 4e-7 (attention).
  static let finiteDifferences = 5e-6
}

/// Floats in an arena as a kernel meets them, between two guards of NaN: a read beyond the edge poisons the
/// result, a write is found when `values` is read. The start is aligned to four bytes only.
struct Buffer: Sendable {
  private static let guardCount = 37
  private let arena: Arena
  private let slice: Slice

  init(_ values: [Float]) {
    let arena = Arena(count: values.count + 2 * Self.guardCount)
    slice = Slice(offset: Self.guardCount, count: values.count)
    fill(arena.mutable(arena.all), with: .nan)
    copy(values.span, into: arena.mutable(slice))
    self.arena = arena
  }

  /// Memory to be written: every element that is not stays NaN.
  init(unwritten count: Int) { self.init(Array(repeating: .nan, count: count)) }

  /// The start of an output: unwritten, or normal numbers to be added to.
  init(count: Int, accumulates: Bool) {
    if accumulates { self.init(normals(count, index: 99)) } else { self.init(unwritten: count) }
  }

  var span: Span<Float> {
    @_lifetime(borrow self) get { arena[slice] }
  }

  var mutable: MutableSpan<Float> {
    @_lifetime(borrow self) get { arena.mutable(slice) }
  }

  var values: [Float] {
    let all = arena[arena.all]
    let edge = [0..<Self.guardCount, all.count - Self.guardCount..<all.count]
    #expect(edge.joined().allSatisfy { all[$0].isNaN }, "written outside the output")
    return (slice.offset..<slice.offset + slice.count).map { all[$0] }
  }

  var doubles: [Double] { values.map(Double.init) }
  var bits: [UInt32] { values.map(\.bitPattern) }
}

/// `count` standard normal numbers; each index names others.
func normals(_ count: Int, index: UInt32, step: UInt32 = 0) -> [Float] {
  var values = Array(repeating: Float.nan, count: count)
  Philox(seed: 42, purpose: .synthetic, step: step, index: index).fillNormals(values.mutableSpan)
  return values
}

/// ‖a − b‖ / ‖b‖; 0 for equal vectors of norm zero.
func relativeError(_ a: [Double], _ b: [Double]) -> Double {
  precondition(a.count == b.count)
  var (difference, size) = (0.0, 0.0)
  for (x, y) in zip(a, b) {
    difference += (x - y) * (x - y)
    size += y * y
  }
  return difference == 0 ? 0 : (difference / size).squareRoot()
}

/// `buffer` is `expected`, added to what an accumulating output held before.
func expect(
  _ buffer: Buffer, _ expected: [Double], accumulates: Bool = false, within tolerance: Double,
  _ what: String = "", sourceLocation: SourceLocation = #_sourceLocation
) {
  let start = accumulates ? Buffer(count: expected.count, accumulates: true).doubles : nil
  let error = relativeError(buffer.doubles, start.map { zip($0, expected).map(+) } ?? expected)
  #expect(error <= tolerance, "\(what)", sourceLocation: sourceLocation)
}

/// ∂f/∂x by central differences: in Double, of functions of size one, to about 1e-9.
func numericalGradient(at x: [Double], of f: ([Double]) -> Double) -> [Double] {
  let step = 1e-5
  var x = x
  return x.indices.map { i in
    let old = x[i]
    defer { x[i] = old }
    x[i] = old + step
    let above = f(x)
    x[i] = old - step
    return (above - f(x)) / (2 * step)
  }
}

func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

/// `gradient` is that of dy · f at x, by finite differences.
func expectGradient(
  _ gradient: Buffer, at x: Buffer, dy: Buffer, accumulates: Bool = false, _ what: String,
  sourceLocation: SourceLocation = #_sourceLocation, of f: ([Double]) -> [Double]
) {
  let dy = dy.doubles
  expect(
    gradient, numericalGradient(at: x.doubles) { dot(dy, f($0)) }, accumulates: accumulates,
    within: Tolerance.finiteDifferences, what, sourceLocation: sourceLocation)
}

extension Double {
  /// |self − exact| in units of the last place that a Float near `exact` has.
  func ulps(from exact: Double) -> Double { abs(self - exact) / Double(Float(exact).ulp) }
}
