import Flow
import Imagery
import Kernels

/// What a flow carried from one time to another: images, or the noise that belongs to them.
public struct Samples: Sendable {
  /// Of one sample.
  public let shape: ImageShape
  /// [count, height, width, channels]: images about −1 to 1, or noise.
  public internal(set) var values: [Float] = []
  /// [count] Evaluations of the network, of which guidance takes two where the solver asks for one, and steps accepted and
  /// rejected, for each sample.
  public internal(set) var evaluations: [Int] = []
  public internal(set) var accepted: [Int] = []
  public internal(set) var rejected: [Int] = []

  /// As `TrainedFlow/isDequantized`.
  let isDequantized: Bool
  private let networkEvaluations: Int

  init(of flow: TrainedFlow) {
    shape = flow.shape
    networkEvaluations = flow.networkEvaluations
    isDequantized = flow.isDequantized ?? false
  }

  public var count: Int { evaluations.count }

  /// The numbers of one sample, [height, width, channels].
  public subscript(index: Int) -> ArraySlice<Float> {
    values[index * shape.count..<(index + 1) * shape.count]
  }

  /// [count, height, width, channels] 0...255, as the files of samples have it.
  public var pixels: [UInt8] { Pixels.bytes(values.span, isDequantized: isDequantized) }

  /// The pixels as an IDX file has them: [count, height, width], with channels where there are several.
  public var idx: IDXArray {
    let size = [count, shape.height, shape.width]
    return IDXArray(dimensions: shape.channels == 1 ? size : size + [shape.channels], bytes: pixels)
  }

  /// All samples as one picture.
  ///
  /// - Parameters:
  ///   - order: which sample comes into each cell, nil for an empty cell; by default as they are.
  ///   - columns: images in a row; by default about as many as there are rows.
  ///   - scale: side of the square that a pixel becomes; by default so that an image has about 64 pixels a side.
  /// - Precondition: the samples are grey or RGB images.
  public func sheet(order: [Int?]? = nil, columns: Int? = nil, scale: Int? = nil) -> PNGImage {
    ContactSheet.image(
      pixels: pixels, of: shape, order: order,
      columns: columns ?? Int(Double(count).squareRoot().rounded(.up)), scale: scale)
  }

  mutating func append(_ states: [Double], _ statistics: SolverStatistics) {
    values += states.map { Float($0) }
    evaluations += statistics.evaluations.map { $0 * networkEvaluations }
    accepted += statistics.accepted
    rejected += statistics.rejected
  }
}
