import Foundation
import Kernels

/// The built-in data set: ten figures drawn as if by hand, 28×28, white on black like MNIST, and like it
/// centred with a margin. It needs no download, so that everything can be tried and tested anywhere.
///
/// Image i depends on the seed, the split and i alone: a larger set begins with the smaller one. Sine and
/// cosine come from the system's library, so another system may round a pixel differently.
public enum SyntheticStrokes {
  public static let name = "synthetic"
  public static let side = 28
  public static let classNames = StrokeFigure.allCases.map { "\($0)" }

  /// How many images a split has unless told otherwise.
  public static func standardCount(of split: ImageDataset.Split) -> Int { split == .train ? 20_000 : 2_000 }

  /// Draws the first `count` images of a split; their labels go round 0...9, so the classes are balanced.
  public static func make(
    count: Int? = nil, seed: UInt64 = 0, split: ImageDataset.Split
  ) -> ImageDataset {
    let count = count ?? standardCount(of: split)
    precondition(count > 0, "a data set of \(count) images")
    let figures = StrokeFigure.allCases
    let ideals = figures.map(\.strokes)
    var pixels: [UInt8] = []
    pixels.reserveCapacity(count * side * side)
    for index in 0..<count {
      let random = Philox(
        seed: seed, purpose: .synthetic, step: split == .train ? 0 : 1, index: UInt32(index))
      pixels += draw(ideals[index % figures.count], StrokeRandom(philox: random))
    }
    let labels = (0..<count).map { figures[$0 % figures.count].rawValue }
    return ImageDataset(
      name: name, split: split, pixels: pixels, height: side, width: side, channels: 1, labels: labels,
      classNames: classNames)
  }

  /// [side, side], row-major.
  private static func draw(_ ideal: [Stroke], _ random: StrokeRandom) -> [UInt8] {
    var random = random
    let hand = Hand(&random)
    var canvas = StrokeCanvas(side: side)
    for var stroke in ideal {
      // A smooth line has more points: shaken as much as corners, it would look angular.
      let jitter: Float = stroke.isSmooth ? 0.07 : 0.12
      for index in stroke.points.indices {
        stroke.points[index] += SIMD2(random.spread(jitter), random.spread(jitter))
      }
      // The pen presses harder at one end.
      let pressure = random.spread(0.25)
      canvas.draw(
        stroke.polyline.map(hand.place), startRadius: hand.radius * (1 - pressure),
        endRadius: hand.radius * (1 + pressure))
    }
    return canvas.bytes
  }
}

/// How one image is drawn: where, how large, how slanted, with what pen and how shakily.
private struct Hand {
  /// Half the width of the line in pixels.
  let radius: Float
  private let xAxis, yAxis, centre: SIMD2<Float>
  private let waverPhase: SIMD2<Float>
  private let waver: Float

  init(_ random: inout StrokeRandom) {
    let size = 8.5 + random.spread(1.2)
    let (width, height) = (size * (1 + random.spread(0.15)), size * (1 + random.spread(0.15)))
    let angle = random.spread(0.3)
    let slant = random.spread(0.3)
    xAxis = width * SIMD2(cos(angle), sin(angle))
    yAxis = height * SIMD2(-sin(angle), cos(angle)) + slant * xAxis
    centre =
      SIMD2(repeating: Float(SyntheticStrokes.side - 1) / 2) + SIMD2(random.spread(1.5), random.spread(1.5))
    waver = random.uniform(0.02, 0.1)
    waverPhase = .pi * SIMD2(random.uniform(-1, 1), random.uniform(-1, 1))
    radius = random.uniform(0.8, 1.5)
  }

  /// From the figure's square to pixels: a smooth displacement, so that no straight line stays quite
  /// straight, and then an affine map.
  func place(_ point: SIMD2<Float>) -> SIMD2<Float> {
    let bent = point + waver * SIMD2(sin(3 * point.y + waverPhase.x), sin(3 * point.x + waverPhase.y))
    return centre + bent.x * xAxis + bent.y * yAxis
  }
}

/// The random numbers of one image, in the order in which they are drawn.
private struct StrokeRandom {
  let philox: Philox
  private var block: UInt32 = 0

  init(philox: Philox) { self.philox = philox }

  /// Uniform in [low, high).
  mutating func uniform(_ low: Float, _ high: Float) -> Float {
    defer { block += 1 }
    return low + (high - low) * Float(philox.uniform(block))
  }

  /// Triangular in (−limit, limit): mostly small and never too large, so that figures stay on the canvas.
  mutating func spread(_ limit: Float) -> Float { limit * (uniform(-0.5, 0.5) + uniform(-0.5, 0.5)) }
}
