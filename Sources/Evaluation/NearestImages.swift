import Imagery
import Kernels

/// The nearest of a data set's training images to each of some images, in the pixels: how one sees whether a model
/// repeats what it was trained on.
public struct NearestImages: Sendable {
  /// [count] Which training image.
  public let numbers: [Int]
  /// [count] Root mean square of the differences between their pixels, in grey levels.
  public let distances: [Double]
  /// [count] The distance as a share of that to the next training image that is farther: small for a copy, whatever the
  /// image. (Some kinds of images, such as the digit 1, are all near each other; and data sets hold images twice.)
  public let shares: [Double]

  /// Training images that are compared at a time: their product with a task's images fits the second-level cache.
  private static let blockSize = 1024
  private static let rowsPerTask = 64

  /// - Parameters:
  ///   - pixels: [count, height, width, channels], as in `train`.
  ///   - progress: is told which share is done. What it throws ends the work.
  public init(
    to pixels: [UInt8], in train: ImageDataset, on pool: WorkerPool,
    progress: (Double) throws -> Void = { _ in }
  ) rethrows {
    let size = train.imageSize
    let count = pixels.count / size
    precondition(pixels.count == count * size && count > 0, "not a whole number of images")
    var best = [Candidate](repeating: Candidate(), count: count)
    let blocks = (train.count + Self.blockSize - 1) / Self.blockSize
    for block in 0..<blocks {
      let others = block * Self.blockSize..<min((block + 1) * Self.blockSize, train.count)
      // [size, others] Each image a column, as the product wants it.
      let columns = Arena(count: size * others.count)
      let lengths = pool.map(others.count) { column -> Int in
        var values = columns.mutable(columns.all)
        let first = (others.lowerBound + column) * size
        for i in 0..<size { values[i * others.count + column] = Float(train.pixels[first + i]) }
        return squaredLength(train.pixels.span.extracting(first..<first + size))
      }
      let found = pool.map((count + Self.rowsPerTask - 1) / Self.rowsPerTask) { task -> [Candidate] in
        let rows = task * Self.rowsPerTask..<min((task + 1) * Self.rowsPerTask, count)
        let (x, products) = (Arena(count: rows.count * size), Arena(count: rows.count * others.count))
        var values = x.mutable(x.all)
        for i in 0..<rows.count * size { values[i] = Float(pixels[rows.lowerBound * size + i]) }
        linear(
          x[x.all], rows: rows.count, weights: columns[columns.all], into: products.mutable(products.all))
        return (0..<rows.count).map { row in
          let product = products[products.all.part(row, length: others.count)]
          // |y|² − 2·x·y, in which |x|² is missing; its rounding is mended below.
          var (nearest, least, next, second) = (0, Float.infinity, 0, Float.infinity)
          for other in lengths.indices {
            let distance = Float(lengths[other]) - 2 * product[other]
            if distance < least {
              (next, second, nearest, least) = (nearest, least, other, distance)
            } else if distance > least && distance < second {
              (next, second) = (other, distance)
            }
          }
          func exact(_ other: Int) -> Int {
            let (row, number) = (rows.lowerBound + row, others.lowerBound + other)
            return squaredDistance(
              pixels.span.extracting(row * size..<(row + 1) * size),
              train.pixels.span.extracting(number * size..<(number + 1) * size))
          }
          return Candidate(
            number: others.lowerBound + nearest, squaredDistance: exact(nearest),
            second: second < .infinity ? exact(next) : .max)
        }
      }
      for (row, candidate) in found.joined().enumerated() { best[row].take(candidate) }
      try progress(Double(block + 1) / Double(blocks))
    }
    numbers = best.map(\.number)
    distances = best.map { (Double($0.squaredDistance) / Double(size)).squareRoot() }
    shares = best.map { (Double($0.squaredDistance) / Double($0.second)).squareRoot() }
  }

  private struct Candidate: Sendable {
    var number = 0
    var squaredDistance = Int.max
    /// Of the next that is farther.
    var second = Int.max

    mutating func take(_ other: Candidate) {
      let distances = [squaredDistance, second, other.squaredDistance, other.second]
      if other.squaredDistance < squaredDistance {
        (number, squaredDistance) = (other.number, other.squaredDistance)
      }
      second = distances.filter { $0 > squaredDistance }.min() ?? .max
    }
  }
}

private func squaredLength(_ pixels: Span<UInt8>) -> Int {
  var sum = 0
  for i in pixels.indices { sum += Int(pixels[i]) * Int(pixels[i]) }
  return sum
}

private func squaredDistance(_ a: Span<UInt8>, _ b: Span<UInt8>) -> Int {
  var sum = 0
  for i in a.indices {
    let difference = Int(a[i]) - Int(b[i])
    sum += difference * difference
  }
  return sum
}
