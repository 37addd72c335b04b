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
  /// image. (Some kinds of images, such as the digit 1, are all near each other; and data sets hold images twice.) 0 for
  /// an exact copy, 1 where no training image is farther.
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
    // Bounds the rounding of a sum of products that are not negative, as a share of it, in whatever order it is summed:
    // twice what size + 1 roundings of half an ulp can do.
    let rounding = Double(size + 1) * Double(Float.ulpOfOne)
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
      let known = best
      let found = pool.map((count + Self.rowsPerTask - 1) / Self.rowsPerTask) { task -> [Candidate] in
        let rows = task * Self.rowsPerTask..<min((task + 1) * Self.rowsPerTask, count)
        let (x, products) = (Arena(count: rows.count * size), Arena(count: rows.count * others.count))
        var values = x.mutable(x.all)
        for i in 0..<rows.count * size { values[i] = Float(pixels[rows.lowerBound * size + i]) }
        linear(
          x[x.all], rows: rows.count, weights: columns[columns.all], into: products.mutable(products.all))
        return rows.map { row in
          let product = products[products.all.part(row - rows.lowerBound, length: others.count)]
          let image = pixels.span.extracting(row * size..<(row + 1) * size)
          let length = Double(squaredLength(image))
          var candidate = known[row]
          for other in lengths.indices {
            // |x|² + |y|² − 2·x·y, less what rounding may have added.
            let least = length + Double(lengths[other]) - 2 * Double(product[other]) * (1 + rounding)
            guard least < Double(candidate.second) else { continue }
            let number = others.lowerBound + other
            candidate.take(
              number,
              squaredDistance(image, train.pixels.span.extracting(number * size..<(number + 1) * size)))
          }
          return candidate
        }
      }
      best = Array(found.joined())
      try progress(Double(block + 1) / Double(blocks))
    }
    numbers = best.map(\.number)
    distances = best.map { (Double($0.squaredDistance) / Double(size)).squareRoot() }
    shares = best.map(\.share)
  }

  /// The nearest of the training images that were looked at so far.
  private struct Candidate: Sendable {
    /// Which training image.
    var number = 0
    /// The sum over pixels, exactly.
    var squaredDistance = Int.max
    /// Of the next that is farther; Int.max while there is none.
    var second = Int.max

    mutating func take(_ other: Int, _ distance: Int) {
      if distance < squaredDistance {
        (number, squaredDistance, second) = (other, distance, squaredDistance)
      } else if distance > squaredDistance {
        second = min(second, distance)
      }
    }

    var share: Double {
      if squaredDistance == 0 { return 0 }
      return second == .max ? 1 : (Double(squaredDistance) / Double(second)).squareRoot()
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
