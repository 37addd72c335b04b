import Kernels

/// The two scales of a pixel: bytes 0...255 in files, numbers −1...1 in the model.
public enum Pixels {
  /// x = b/127.5 − 1.
  @inline(__always)
  public static func normalized(_ byte: UInt8) -> Float { Float(byte) / 127.5 - 1 }

  /// The inverse of `normalized`: rounds to the nearest byte; values outside [−1, 1] are clamped.
  ///
  /// - Parameter isDequantized: takes the inverse of `dequantize` instead: the grey level k of x = (k + u)/128 − 1,
  ///   0 ≤ u < 1.
  /// - Precondition: `value` is finite. What a NaN should become, or whether it should stop the program, only
  ///   the caller can know.
  @inline(__always)
  public static func byte(_ value: Float, isDequantized: Bool = false) -> UInt8 {
    precondition(value.isFinite, "a pixel is \(value); check the samples before turning them into bytes")
    return isDequantized
      ? UInt8(min(max((value + 1) * 128, 0), 255))
      : UInt8(min(max((value + 1) * 127.5, 0), 255).rounded())
  }

  /// Writes `bytes`, normalised, over `values`.
  ///
  /// - Precondition: the counts are equal.
  public static func normalize(_ bytes: Span<UInt8>, into values: inout MutableSpan<Float>) {
    precondition(bytes.count == values.count, "\(bytes.count) bytes into \(values.count) values")
    for index in bytes.indices { values[index] = normalized(bytes[index]) }
  }

  /// Writes `bytes` with uniform noise of one grey level over `values`: x = (k + u)/128 − 1. Bytes alone are discrete
  /// points, on which a density would be infinite. Pixel i takes the i-th block's number.
  ///
  /// - Precondition: the counts are equal.
  public static func dequantize(_ bytes: Span<UInt8>, _ noise: Philox, into values: inout MutableSpan<Float>)
  {
    precondition(bytes.count == values.count, "\(bytes.count) bytes into \(values.count) values")
    for i in bytes.indices { values[i] = (Float(bytes[i]) + Float(noise.uniform(UInt32(i)))) / 128 - 1 }
  }

  /// The bytes of `values`, each by `byte`.
  public static func bytes(_ values: Span<Float>, isDequantized: Bool = false) -> [UInt8] {
    [UInt8](capacity: values.count) { output in
      for index in values.indices { output.append(byte(values[index], isDequantized: isDequantized)) }
    }
  }
}
