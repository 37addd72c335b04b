import Files
import Imagery
import Kernels
import Sampling

/// What `sample` keeps of its samples on their way from noise to images, for the strip of --trajectory and
/// the animation of --animate.
struct SampleJourney {
  /// Columns of the strip.
  private static let stripTimes = (0...10).map { Double($0) / 10 }
  /// Frames of the animation.
  private static let frameTimes = (0..<40).map { Double($0) / 39 }
  /// The first samples, which the strip shows.
  private static let maximumStripCount = 8
  /// The most samples of which an animation is made: 40 frames of each are kept.
  static let maximumAnimatedCount = 1000

  /// The times at which `keep` is to be called: those of the strip, if there is one, then the frames'.
  let times: [Double]
  private let shape: ImageShape
  private let isDequantized: Bool
  private let stripCount: Int
  private let stripLength: Int
  /// [stripCount, stripTimes, dimension]
  private var strip: [Float]
  /// [frameTimes] of [count, dimension], or none.
  private var frames: [[UInt8]]

  init(count: Int, of flow: TrainedFlow, hasStrip: Bool, isAnimated: Bool) {
    (shape, isDequantized) = (flow.shape, flow.isDequantized ?? false)
    stripCount = min(count, Self.maximumStripCount)
    stripLength = hasStrip ? Self.stripTimes.count : 0
    times = (hasStrip ? Self.stripTimes : []) + (isAnimated ? Self.frameTimes : [])
    strip = Array(repeating: 0, count: stripCount * stripLength * shape.count)
    frames = Array(
      repeating: Array(repeating: 0, count: count * shape.count),
      count: isAnimated ? Self.frameTimes.count : 0)
  }

  /// Keeps the state of a sample at `times[index]`.
  mutating func keep(sample: Int, at index: Int, _ state: Span<Double>) {
    if index < stripLength {
      guard sample < stripCount else { return }
      let first = (sample * stripLength + index) * state.count
      for i in state.indices { strip[first + i] = Float(state[i]) }
    } else {
      let frame = index - stripLength
      let first = sample * state.count
      for i in state.indices {
        frames[frame][first + i] = Pixels.byte(Float(state[i]), isDequantized: isDequantized)
      }
    }
  }

  /// Two rows for each of the first samples: its states, and below each what it is expected to become, by
  /// one more evaluation of the network each.
  ///
  /// - Parameter labels: the classes of all samples.
  func writeStrip(
    to path: String, _ flow: TrainedFlow, labels: [Int]?, on pool: WorkerPool,
    text: [(key: String, value: String)]
  ) throws {
    let dimension = shape.count
    let means = try flow.posteriorMeans(
      of: strip, times: (0..<stripCount).flatMap { _ in Self.stripTimes },
      labels: labels.map { labels in
        labels.prefix(stripCount).flatMap { Array(repeating: $0, count: stripLength) }
      }, on: pool)
    var pixels: [UInt8] = []
    for sample in 0..<stripCount {
      let row = sample * stripLength * dimension..<(sample + 1) * stripLength * dimension
      for values in [strip, means] {
        pixels += Pixels.bytes(values.span.extracting(row), isDequantized: isDequantized)
      }
    }
    let sheet = LabelledSheet(
      title: "Samples on their way, and below each what it is expected to become",
      ContactSheet.image(pixels: pixels, of: shape, columns: stripLength),
      columns: Self.stripTimes.map { "t = \($0)" },
      rows: (0..<stripCount).flatMap { ["sample \($0)", "expected"] })
    try sheet.write(
      to: path,
      text: text + [
        ("columns", "t = 0, 0.1, ..., 1"),
        ("rows", "for each sample x_t, and below it the posterior mean x_t + (1 - t) * u; -1...1 is 0...255"),
      ])
  }

  /// The sheet of all samples from noise to images; the last frame stays for a while.
  func writeAnimation(
    to path: String, order: [Int?]?, columns: Int, text: [(key: String, value: String)]
  ) throws(FileError) {
    let sheets = frames.map {
      ContactSheet.image(pixels: $0, of: shape, order: order, columns: columns)
    }
    try AnimatedPNG(frames: sheets, secondsPerFrame: 0.05, lastFrameSeconds: 2).write(
      to: path, text: text + [("frames", "t = 0 to 1 in \(sheets.count) equal distances; -1...1 is 0...255")])
  }
}
