import Foundation
import Kernels

/// The kernels' definitions in Double, as plain as they can be. Images are [height, width, channels].
enum Reference {
  /// Calls `body(x, w, y)` with the indices of each product x·w that a 3×3 convolution with border 1 adds to
  /// element y of its output.
  private static func forEachProduct(
    _ input: ImageShape, _ output: ImageShape, stride: Int, _ body: (_ x: Int, _ w: Int, _ y: Int) -> Void
  ) {
    for i in 0..<output.height {
      for j in 0..<output.width {
        for (k, l) in (0..<9).map({ ($0 / 3, $0 % 3) }) {
          let (row, column) = (stride * i + k - 1, stride * j + l - 1)
          guard 0..<input.height ~= row, 0..<input.width ~= column else { continue }
          for c in 0..<input.channels {
            let x = (row * input.width + column) * input.channels + c
            for o in 0..<output.channels {
              body(
                x, ((3 * k + l) * input.channels + c) * output.channels + o,
                (i * output.width + j) * output.channels + o)
            }
          }
        }
      }
    }
  }

  static func convolution(
    _ convolution: Convolution3x3, _ x: [Double], weights: [Double], bias: [Double]
  ) -> [Double] {
    let output = convolution.output
    var y = (0..<output.count).map { bias[$0 % output.channels] }
    forEachProduct(convolution.input, output, stride: convolution.stride) { y[$2] += x[$0] * weights[$1] }
    return y
  }

  /// The adjoint of `convolution`: every product's derivative by each factor. (The suite holds it, too,
  /// against finite differences.)
  static func convolutionGradients(
    _ convolution: Convolution3x3, _ x: [Double], weights: [Double], dy: [Double]
  ) -> (dx: [Double], dw: [Double]) {
    var dx = x.map { _ in 0.0 }
    var dw = weights.map { _ in 0.0 }
    forEachProduct(convolution.input, convolution.output, stride: convolution.stride) {
      dx[$0] += dy[$2] * weights[$1]
      dw[$1] += dy[$2] * x[$0]
    }
    return (dx, dw)
  }

  /// - Parameters: x: [rows, in]; weights: [in, out].
  static func linear(_ x: [Double], rows: Int, weights: [Double], bias: [Double]) -> [Double] {
    let (c, o) = (x.count / rows, bias.count)
    return (0..<rows * o).map { i in
      (0..<c).reduce(bias[i % o]) { $0 + x[i / o * c + $1] * weights[$1 * o + i % o] }
    }
  }

  static func transpose(_ x: [Double], rows: Int, columns: Int) -> [Double] {
    (0..<x.count).map { x[$0 % rows * columns + $0 / rows] }
  }

  static func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

  static func silu(_ x: [Double]) -> [Double] { x.map { $0 * sigmoid($0) } }

  static func groupNorm(
    _ norm: GroupNorm, _ x: [Double], weight: [Double], bias: [Double], activates: Bool
  ) -> [Double] {
    let channels = norm.shape.channels
    let groupChannels = channels / norm.groupCount
    var y = x
    for group in 0..<norm.groupCount {
      let members = x.indices.filter { $0 % channels / groupChannels == group }
      let mean = members.reduce(0) { $0 + x[$1] } / Double(members.count)
      let variance = members.reduce(0) { $0 + (x[$1] - mean) * (x[$1] - mean) } / Double(members.count)
      for i in members {
        let normalized = (x[i] - mean) / (variance + Double(norm.eps)).squareRoot()
        y[i] = normalized * weight[i % channels] + bias[i % channels]
      }
    }
    return activates ? silu(y) : y
  }

  static func attention(_ attention: Attention, _ q: [Double], _ k: [Double], _ v: [Double]) -> [Double] {
    let (tokens, channels, width) = (attention.tokens, attention.channels, attention.headWidth)
    var output = q.map { _ in 0.0 }
    for head in 0..<attention.headCount {
      let own = head * width..<(head + 1) * width
      for row in 0..<tokens {
        let scores = (0..<tokens).map { token in
          own.reduce(0) { $0 + q[row * channels + $1] * k[token * channels + $1] }
            / Double(width).squareRoot()
        }
        let largest = scores.max()!
        let weights = scores.map { exp($0 - largest) }
        let total = weights.reduce(0, +)
        for (token, weight) in weights.enumerated() {
          for c in own { output[row * channels + c] += weight / total * v[token * channels + c] }
        }
      }
    }
    return output
  }

  /// With a zero border of one pixel.
  static func pad(_ x: [Double], shape: ImageShape) -> [Double] {
    let (channels, width) = (shape.channels, shape.padded.width)
    return (0..<shape.padded.count).map { i in
      let (row, column) = (i / channels / width - 1, i / channels % width - 1)
      guard 0..<shape.height ~= row, 0..<shape.width ~= column else { return 0 }
      return x[(row * shape.width + column) * channels + i % channels]
    }
  }

  /// Each pixel twice in both directions.
  static func upsample(_ x: [Double], shape: ImageShape) -> [Double] {
    let (channels, width) = (shape.channels, 2 * shape.width)
    return (0..<4 * shape.count).map { i in
      let (row, column) = (i / channels / width / 2, i / channels % width / 2)
      return x[(row * shape.width + column) * channels + i % channels]
    }
  }

  static func concatenate(_ a: [Double], _ b: [Double], pixels: Int) -> [Double] {
    let (m, n) = (a.count / pixels, b.count / pixels)
    return (0..<pixels).flatMap { pixel -> [Double] in
      let (first, second) = (a.dropFirst(pixel * m).prefix(m), b.dropFirst(pixel * n).prefix(n))
      return Array(first) + Array(second)
    }
  }

  static func sinusoidalEmbedding(
    _ timesteps: [Double], half: Int, frequencyShift: Double, cosineFirst: Bool
  ) -> [Double] {
    timesteps.flatMap { t -> [Double] in
      let angles = (0..<half).map { k in
        t * exp(-log(10000.0) * Double(k) / (Double(half) - frequencyShift))
      }
      let (cosines, sines) = (angles.map { cos($0) }, angles.map { sin($0) })
      return cosineFirst ? cosines + sines : sines + cosines
    }
  }
}
