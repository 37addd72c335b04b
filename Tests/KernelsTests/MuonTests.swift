import Kernels
import Testing

@Suite struct MuonTests {
  /// Three steps as the method is written down, each iteration on X itself, in Double. Reached: at most 1e-6 for matrices much
  /// higher than wide, as the network's are; 1.1e-5 for others, whose small singular values the iterations magnify most.
  @Test(arguments: [(144, 16), (150, 17), (33, 33), (288, 96), (1, 1), (5, 20)], [Float(0), 0.1])
  func besideTheMethodAsWritten(_ size: (rows: Int, columns: Int), weightDecay: Float) {
    let (rows, columns) = size
    let count = rows * columns
    let (parameters, moments) = (
      Buffer(normals(count, index: 1)), Buffer(Array(repeating: 0, count: count))
    )
    let scratch = Buffer(
      Array(repeating: .nan, count: MuonStep.scratchCount(rows: rows, columns: columns)))
    var (p, m) = (parameters.doubles, moments.doubles)
    // A rate at which the update is as large as the parameters, or its errors would not show.
    let (rate, clip) = (1.0, 0.5)
    for t in 1...3 {
      let gradients = Buffer(normals(count, index: 4, step: UInt32(t)))
      MuonStep(learningRate: Float(rate), weightDecay: weightDecay, gradientScale: Float(clip)).update(
        parameters.mutable, gradients: gradients.span, moments: moments.mutable, rows: rows,
        columns: columns, scratch: scratch.mutable)
      var look = m
      for (i, gradient) in gradients.doubles.enumerated() {
        m[i] = 0.95 * m[i] + 0.05 * clip * gradient
        look[i] = 0.05 * clip * gradient + 0.95 * m[i]
      }
      let x = Self.orthogonalized(look, rows, columns)
      let size = rate * 0.2 * Double(max(rows, columns)).squareRoot()
      for i in 0..<count { p[i] = p[i] * (1 - rate * Double(weightDecay)) - size * x[i] }
    }
    expect(moments, m, within: 2.5e-6, "moments")
    expect(parameters, p, within: rows > 2 * columns ? 2.5e-6 : 2.5e-5, "parameters")
  }

  /// A gradient whose directions differ a thousandfold in length moves the weights about as far in each.
  @Test func allDirectionsLearn() {
    let (rows, columns) = (64, 16)
    // Orthogonal columns, of lengths 1 down to 1e-3.
    let gradients = Buffer(
      (0..<rows * columns).map { i in
        let (row, column) = i.quotientAndRemainder(dividingBy: columns)
        return row == 3 * column ? Float(1) / Float(1 + 66 * column) : 0
      })
    let (parameters, moments) = (
      Buffer(Array(repeating: 0, count: rows * columns)), Buffer(Array(repeating: 0, count: rows * columns))
    )
    let scratch = Buffer(
      Array(repeating: 0, count: MuonStep.scratchCount(rows: rows, columns: columns)))
    MuonStep(learningRate: 1, weightDecay: 0, gradientScale: 1).update(
      parameters.mutable, gradients: gradients.span, moments: moments.mutable, rows: rows, columns: columns,
      scratch: scratch.mutable)
    let size = 0.2 * Double(rows).squareRoot()
    for column in 0..<columns {
      let moved = -parameters.doubles[3 * column * columns + column] / size
      // The iterations take 0.001 to 0.47, and what is from 0.002 to 1 to 0.68 to 1.21.
      #expect(moved > 0.25 && moved < 1.25, "column \(column): \(moved)")
    }
  }

  /// A gradient of zeros gives no direction, and no NaN.
  @Test func zeros() {
    let parameters = Buffer(normals(144 * 16, index: 1))
    let before = parameters.doubles
    let zeros = Buffer(Array(repeating: 0, count: 144 * 16))
    let moments = Buffer(Array(repeating: 0, count: 144 * 16))
    let scratch = Buffer(Array(repeating: .nan, count: MuonStep.scratchCount(rows: 144, columns: 16)))
    MuonStep(learningRate: 0.1, weightDecay: 0, gradientScale: 1).update(
      parameters.mutable, gradients: zeros.span, moments: moments.mutable, rows: 144, columns: 16,
      scratch: scratch.mutable)
    #expect(parameters.doubles == before)
  }

  private static func orthogonalized(_ u: [Double], _ rows: Int, _ columns: Int) -> [Double] {
    func product(_ a: [Double], _ b: [Double], _ n: Int, _ k: Int, _ m: Int) -> [Double] {
      var c = Array(repeating: 0.0, count: n * m)
      for i in 0..<n { for j in 0..<k { for l in 0..<m { c[i * m + l] += a[i * k + j] * b[j * m + l] } } }
      return c
    }
    let length = u.reduce(0) { $0 + $1 * $1 }.squareRoot()
    var x = u.map { $0 / length }
    for _ in 0..<5 {
      var transposed = x
      for i in 0..<rows { for j in 0..<columns { transposed[j * rows + i] = x[i * columns + j] } }
      let gram = product(transposed, x, columns, rows, columns)
      let square = product(gram, gram, columns, columns, columns)
      let polynomial = zip(gram, square).map { -4.7750 * $0 + 2.0315 * $1 }
      x = zip(x, product(x, polynomial, rows, columns, columns)).map { 3.4445 * $0 + $1 }
    }
    return x
  }
}
