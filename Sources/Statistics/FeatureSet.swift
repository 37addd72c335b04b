/// Some images, or whatever else, as points of a space in which they are compared.
public struct FeatureSet: Sendable {
  public let dimension: Int
  public let count: Int
  /// [count, ⌈dimension / 8⌉] The points, filled up with zeros.
  private let vectors: [SIMD8<Double>]

  /// - Parameter values: [count, dimension].
  public init(_ values: [Double], dimension: Int) {
    precondition(dimension > 0 && values.count.isMultiple(of: dimension), "not a whole number of points")
    self.dimension = dimension
    count = values.count / dimension
    let length = (dimension + 7) / 8
    vectors = (0..<count * length).map { index in
      let (row, part) = index.quotientAndRemainder(dividingBy: length)
      var vector = SIMD8<Double>()
      for lane in 0..<min(8, dimension - 8 * part) {
        vector[lane] = values[row * dimension + 8 * part + lane]
      }
      return vector
    }
  }

  private init(vectors: [SIMD8<Double>], dimension: Int) {
    self.vectors = vectors
    self.dimension = dimension
    count = vectors.count / ((dimension + 7) / 8)
  }

  private var length: Int { (dimension + 7) / 8 }

  /// [dimension] One point.
  public subscript(row: Int) -> [Double] {
    (0..<dimension).map { vectors[row * length + $0 / 8][$0 % 8] }
  }

  /// [count, dimension]
  public var values: [Float] { (0..<count).flatMap { self[$0].map { Float($0) } } }

  /// The points of these numbers, repeated where a number is.
  public func points(_ numbers: some Collection<Int>) -> FeatureSet {
    FeatureSet(
      vectors: numbers.flatMap { vectors[$0 * length..<($0 + 1) * length] }, dimension: dimension)
  }

  /// Mean and covariance of the points.
  public var covariance: Covariance {
    var covariance = Covariance(dimension: dimension)
    for row in 0..<count { covariance.add(self[row]) }
    return covariance
  }

  /// |x − y|² of a point x and a point y of another set.
  func squaredDistance(_ row: Int, _ other: FeatureSet, _ otherRow: Int) -> Double {
    let (x, y) = (vectors.span, other.vectors.span)
    var sums = SIMD8<Double>()
    for i in 0..<length {
      let difference = x[row * length + i] - y[otherRow * length + i]
      sums += difference * difference
    }
    return sums.sum()
  }

  /// x·y.
  func product(_ row: Int, _ other: FeatureSet, _ otherRow: Int) -> Double {
    let (x, y) = (vectors.span, other.vectors.span)
    var sums = SIMD8<Double>()
    for i in 0..<length { sums += x[row * length + i] * y[otherRow * length + i] }
    return sums.sum()
  }
}

/// Runs a body for each number below a count, on as many threads as the caller has, and returns the results in order. What
/// it throws ends the work.
public typealias ForEachNumber =
  (_ count: Int, _ body: @escaping @Sendable (Int) -> Double) throws -> [Double]
