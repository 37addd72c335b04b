import Flow
import Imagery
import Statistics

extension RunRecord {
  /// Losses on the training images, per pixel: the scale on which a run's loss is to be read.
  public struct LossScale: Codable, Equatable, Sendable {
    public var zeroField: Double
    public var meanField: Double
    /// Of the best affine field; nil where the images are too large for their covariance.
    public var affineField: Double?

    /// From the training images; the affine field's from at most 10,000 of at most 1024 numbers, which takes a
    /// second or two.
    ///
    /// - Parameter dequantize: whether they are dithered, as ``TrainingSettings/dequantize``.
    public init(_ dataset: ImageDataset, dequantize: Bool = false) {
      let examples = ImageExamples(dataset, dequantize: dequantize)
      let dimension = dataset.imageSize
      var moments = Moments(dimension: dimension)
      var covariance = dimension <= 1024 ? Covariance(dimension: dimension) : nil
      var image = [Float](repeating: 0, count: dimension)
      for index in 0..<dataset.count {
        examples.read(index, ExampleRandom(seed: 0, draws: .heldOut, index: index), into: image.mutableSpan)
        moments.add(image.span)
        if index < 10_000 { covariance?.add(image.span) }
      }
      zeroField = moments.zeroFieldLoss
      meanField = moments.meanFieldLoss
      affineField = covariance?.affineFieldLoss()
    }

    /// From pairs, of which noise tells something about data: of u = z₁ − z₀ itself. What the best affine field
    /// reaches is not known in closed form.
    package init(_ pairs: ReflowPairs) {
      let dimension = pairs.dimension
      var moments = Moments(dimension: dimension)
      var noise = Array(repeating: Float(0), count: dimension)
      var data = noise
      for row in 0..<pairs.rows.count {
        pairs.draw(
          row, ExampleRandom(seed: 0, draws: .heldOut, index: row), noise: noise.mutableSpan,
          data: data.mutableSpan)
        let velocity = zip(data, noise).map { $0 - $1 }
        moments.add(velocity.span)
      }
      // The moments' losses are of data with noise of their own, which adds 1.
      zeroField = moments.zeroFieldLoss - 1
      meanField = moments.meanFieldLoss - 1
      affineField = nil
    }
  }
}
