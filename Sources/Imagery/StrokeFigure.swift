import Foundation

/// A line to be drawn by hand, in the square [−1, 1]² with y downward.
struct Stroke {
  var points: [SIMD2<Float>]
  /// Whether the line bends smoothly through its points, or has a corner in each.
  var isSmooth: Bool
}

/// The ten figures of the built-in data set in their ideal form; the raw value is the label.
enum StrokeFigure: UInt8, CaseIterable {
  case ring, bar, zigzag, cross, spiral, triangle, wave, hook, arcs, arrow

  var strokes: [Stroke] {
    switch self {
    case .ring:
      // Begins at the top and goes a little beyond it, as a pen does.
      [.smooth((0...9).map { polar(0.85, turns: Float($0) / 8 - 0.25) })]
    case .bar:
      [.cornered((0, -1), (0, 1))]
    case .zigzag:
      [.cornered((-0.95, 0.6), (-0.5, -0.6), (0, 0.6), (0.5, -0.6), (0.95, 0.6))]
    case .cross:
      [.cornered((-0.75, -0.85), (0.75, 0.85)), .cornered((0.75, -0.85), (-0.75, 0.85))]
    case .spiral:
      [.smooth((0...16).map { polar(0.06 + 0.055 * Float($0), turns: Float($0) / 8) })]
    case .triangle:
      [.cornered((0, -0.85), (0.9, 0.75), (-0.9, 0.75), (0, -0.85))]
    case .wave:
      [.smooth((-4...4).map { wavePoint(Float($0) / 4) })]
    case .hook:
      [.smooth([(0.35, -1), (0.35, -0.4), (0.33, 0.3), (0.1, 0.8), (-0.35, 0.85), (-0.65, 0.4)])]
    case .arcs:
      // Back to back: ) (
      [
        .smooth([(-0.95, -0.85), (-0.52, -0.45), (-0.38, 0), (-0.52, 0.45), (-0.95, 0.85)]),
        .smooth([(0.95, -0.85), (0.52, -0.45), (0.38, 0), (0.52, 0.45), (0.95, 0.85)]),
      ]
    case .arrow:
      [.cornered((-0.95, 0), (0.9, 0)), .cornered((0.25, -0.7), (0.95, 0), (0.25, 0.7))]
    }
  }

  private func polar(_ radius: Float, turns: Float) -> SIMD2<Float> {
    let angle = 2 * Float.pi * turns
    return radius * SIMD2(cos(angle), sin(angle))
  }

  private func wavePoint(_ x: Float) -> SIMD2<Float> { SIMD2(x, 0.45 * sin(Float.pi * x)) }
}

extension Stroke {
  fileprivate static func smooth(_ points: [SIMD2<Float>]) -> Stroke {
    Stroke(points: points, isSmooth: true)
  }

  fileprivate static func smooth(_ points: [(Float, Float)]) -> Stroke {
    smooth(points.map { SIMD2($0.0, $0.1) })
  }

  fileprivate static func cornered(_ points: (Float, Float)...) -> Stroke {
    Stroke(points: points.map { SIMD2($0.0, $0.1) }, isSmooth: false)
  }

  /// The stroke as a chain of short segments: five for each pair of neighbouring points, on a straight line
  /// or on the uniform Catmull–Rom spline (Catmull & Rom 1974) through all of them.
  var polyline: [SIMD2<Float>] {
    let segments = 5
    var line: [SIMD2<Float>] = []
    for index in 0..<points.count - 1 {
      let (p1, p2) = (points[index], points[index + 1])
      // Beyond the ends the line goes straight on; a corner is a spline that knows nothing of its neighbours.
      let p0 = isSmooth && index > 0 ? points[index - 1] : 2 * p1 - p2
      let p3 = isSmooth && index + 2 < points.count ? points[index + 2] : 2 * p2 - p1
      for step in 0..<segments {
        let t = Float(step) / Float(segments)
        let cubic = 3 * (p1 - p2) + p3 - p0
        let square = 2 * p0 - 5 * p1 + 4 * p2 - p3
        line.append(p1 + 0.5 * t * ((p2 - p0) + t * (square + t * cubic)))
      }
    }
    return line + points.suffix(1)
  }
}
