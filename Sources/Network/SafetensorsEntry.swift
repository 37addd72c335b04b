/// The types of element that the format knows, by their names in a file.
public enum SafetensorsType: String, Sendable {
  case bool = "BOOL"
  case f4 = "F4"
  case f6e2m3 = "F6_E2M3"
  case f6e3m2 = "F6_E3M2"
  case u8 = "U8"
  case i8 = "I8"
  case f8e5m2 = "F8_E5M2"
  case f8e4m3 = "F8_E4M3"
  case f8e8m0 = "F8_E8M0"
  case f8e4m3fnuz = "F8_E4M3FNUZ"
  case f8e5m2fnuz = "F8_E5M2FNUZ"
  case i16 = "I16"
  case u16 = "U16"
  case f16 = "F16"
  case bf16 = "BF16"
  case i32 = "I32"
  case u32 = "U32"
  case f32 = "F32"
  case c64 = "C64"
  case f64 = "F64"
  case i64 = "I64"
  case u64 = "U64"

  /// Whether its values can be had as F32, with no bit lost.
  public var isReadAsFloats: Bool { self == .f32 || self == .f16 || self == .bf16 }

  /// The size of one element. Those below 8 bits are packed, and a tensor must end at a whole byte.
  public var bitWidth: Int {
    switch self {
    case .f4: 4
    case .f6e2m3, .f6e3m2: 6
    case .bool, .u8, .i8, .f8e5m2, .f8e4m3, .f8e8m0, .f8e4m3fnuz, .f8e5m2fnuz: 8
    case .i16, .u16, .f16, .bf16: 16
    case .i32, .u32, .f32: 32
    case .c64, .f64, .i64, .u64: 64
    }
  }
}

/// What a safetensors header says of one tensor.
public struct SafetensorsEntry: Equatable, Sendable {
  public let name: String
  public let type: SafetensorsType
  /// Row-major, the last dimension the fastest. Empty for a scalar; a dimension may be 0.
  public let shape: [Int]
  /// The tensor's bytes, counted from the start of the payload.
  public let range: Range<Int>

  /// The number of elements.
  public var count: Int { shape.reduce(1, *) }

  /// The number of bytes that `shape` elements of `type` take, or nil if that overflows or is not whole.
  static func byteCount(shape: [Int], type: SafetensorsType) -> Int? {
    var bits = type.bitWidth
    for dimension in shape {
      let (product, overflow) = bits.multipliedReportingOverflow(by: dimension)
      if overflow { return nil }
      bits = product
    }
    return bits.isMultiple(of: 8) ? bits / 8 : nil
  }
}
