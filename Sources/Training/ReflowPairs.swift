import Files
import Foundation
import Kernels
import Network

/// The two ends of a trained flow's paths, on which reflow trains the next one (Liu et al. 2022): z₀ ~ N(0, I), and
/// z₁ where the flow takes it. They stay together: no pair is drawn anew.
///
/// On the disk they are parts of 500 z₁'s; z₀ is drawn again, as its random numbers are named. A part is written
/// whole or not at all, so that whoever is stopped goes on from the last one.
public struct ReflowPairs: ExampleSource {
  /// What decides every bit of the pairs.
  public struct Origin: Equatable, Sendable {
    /// CRC-32 of the flow's weights.
    public var model: UInt32
    /// z₀ of pair i is the noise of sample number `first` + i under this seed.
    public var seed: UInt64
    public var first: Int
    /// Method and tolerances.
    public var solver: String
    /// Of a conditional flow: sample number n is of class n modulo their count among these, as `sample` draws them.
    public var classes: [Int]?
    /// How far the flow was guided to these classes.
    public var guidance: Double

    public init(
      model: UInt32, seed: UInt64, first: Int, solver: String, classes: [Int]? = nil, guidance: Double = 1
    ) {
      self.model = model
      self.seed = seed
      self.first = first
      self.solver = solver
      self.classes = classes
      self.guidance = guidance
    }

    /// The classes of samples by their numbers; nil for a flow without classes.
    package func labels(_ numbers: Range<Int>) -> [Int]? {
      classes.map { classes in numbers.map { classes[$0 % classes.count] } }
    }
  }

  public let origin: Origin
  package let dimension: Int
  /// z₁ of all pairs, [·, dimension], of which this source has `rows`.
  private let ends: [Float]
  let rows: Range<Int>

  /// - Parameter ends: z₁, [·, dimension]; the first is of sample number `origin.first`.
  package init(origin: Origin, ends: [Float], dimension: Int) {
    precondition(ends.count.isMultiple(of: dimension) && !ends.isEmpty, "not a whole number of pairs")
    self.init(origin: origin, ends: ends, dimension: dimension, rows: 0..<ends.count / dimension)
  }

  private init(origin: Origin, ends: [Float], dimension: Int, rows: Range<Int>) {
    self.origin = origin
    self.ends = ends
    self.dimension = dimension
    self.rows = rows
  }

  package var count: Int? { rows.count }

  /// The last twentieth, at least one, is kept from training.
  package var split: (training: ReflowPairs, heldOut: ReflowPairs) {
    let boundary = rows.upperBound - max(1, rows.count / 20)
    precondition(boundary > rows.lowerBound, "one pair can't be split")
    func part(_ rows: Range<Int>) -> ReflowPairs {
      ReflowPairs(origin: origin, ends: ends, dimension: dimension, rows: rows)
    }
    return (part(rows.lowerBound..<boundary), part(boundary..<rows.upperBound))
  }

  /// Writes z₀ and z₁ of a pair. The random numbers of the batch have no part in it.
  package func draw(
    _ row: Int, _ random: ExampleRandom, noise: consuming MutableSpan<Float>,
    data: consuming MutableSpan<Float>
  ) {
    let pair = rows.lowerBound + row
    precondition(rows.contains(pair), "there is no such pair")
    Philox.noise(ofSample: origin.first + pair, seed: origin.seed).fillNormals(noise)
    copy(ends.span.extracting(pair * dimension..<(pair + 1) * dimension), into: data)
  }

  package func label(_ row: Int, _ random: ExampleRandom) -> Int? {
    let number = origin.first + rows.lowerBound + row
    return origin.labels(number..<number + 1)?[0]
  }

  /// CRC-32 of z₁.
  package var checksum: UInt32 {
    crc32(ends.span.extracting(rows.lowerBound * dimension..<rows.upperBound * dimension).bytes)
  }
}

extension RunRecord.DatasetRecord {
  public static let reflowPairsName = "reflow pairs"

  /// Pairs as the data of a run.
  ///
  /// - Parameter classNames: of the first flow, where it is conditional.
  package init(
    training: ReflowPairs, heldOut: ReflowPairs, shape: ImageShape, classNames: [String]? = nil
  ) {
    let present = training.origin.classes
    classes = classNames?.enumerated().map { present?.contains($0) == true ? $1 : "" }
    name = Self.reflowPairsName
    trainCount = training.rows.count
    testCount = heldOut.rows.count
    (height, width, channels) = (shape.height, shape.width, shape.channels)
    trainChecksum = training.checksum
    testChecksum = heldOut.checksum
  }
}
