/// How a picture is to be turned before it is shown: the tag Orientation (0x0112) of EXIF 2.32, whose raw values
/// these are. Each names where the stored picture's first row and first column belong.
public enum Orientation: Int, CaseIterable, Sendable {
  case upright = 1
  case mirrored
  case upsideDown
  case mirroredUpsideDown
  case transposed
  /// To be turned by 90° clockwise.
  case turnedLeft
  case transposedUpsideDown
  /// To be turned by 90° anticlockwise.
  case turnedRight

  /// The stored pixel that is shown at (`row`, `column`) of a square.
  func source(row: Int, column: Int, side: Int) -> (row: Int, column: Int) {
    let (bottom, right) = (side - 1 - row, side - 1 - column)
    return switch self {
    case .upright: (row, column)
    case .mirrored: (row, right)
    case .upsideDown: (bottom, right)
    case .mirroredUpsideDown: (bottom, column)
    case .transposed: (column, row)
    case .turnedLeft: (right, row)
    case .transposedUpsideDown: (right, bottom)
    case .turnedRight: (column, bottom)
    }
  }
}

extension Orientation {
  /// What the EXIF segment of a JPEG file says; upright where there is none, or none that can be read: a picture
  /// is no worse for broken notes beside it.
  public init(jpeg bytes: [UInt8]) {
    self = Self(tiff: Self.exif(inJPEG: bytes.span)) ?? .upright
  }

  /// What the chunk eXIf of a PNG file says, in the same way.
  public init(png bytes: [UInt8]) {
    self = Self(tiff: Self.exif(inPNG: bytes.span)) ?? .upright
  }

  /// The TIFF structure in the first EXIF segment before the image data (EXIF 2.32, section 4.5.4). A segment is
  /// FF, a marker, two bytes of length that count themselves, and the data; fill bytes FF may precede a marker.
  @_lifetime(copy bytes)
  private static func exif(inJPEG bytes: Span<UInt8>) -> Span<UInt8>? {
    guard bytes.number(at: 0, size: 2, isBigEndian: true) == 0xFFD8 else { return nil }
    let signature: [UInt8] = [0x45, 0x78, 0x69, 0x66, 0, 0]  // "Exif"
    var offset = 2
    while offset < bytes.count && bytes[offset] == 0xFF {
      guard offset + 1 < bytes.count else { return nil }
      let marker = bytes[offset + 1]
      switch marker {
      case 0xFF: offset += 1
      case 0x01, 0xD0...0xD8: offset += 2  // without a length
      case 0xD9, 0xDA: return nil  // the image's end, or its data
      default:
        guard let length = bytes.number(at: offset + 2, size: 2, isBigEndian: true), length >= 2,
          let data = bytes.part(at: offset + 4, count: length - 2)
        else { return nil }
        if marker == 0xE1, let head = data.part(at: 0, count: 6),
          head.indices.allSatisfy({ head[$0] == signature[$0] })
        {
          return data.part(at: 6, count: data.count - 6)
        }
        offset += 2 + length
      }
    }
    return nil
  }

  /// The data of the chunk eXIf, which may stand before the image data or after it.
  @_lifetime(copy bytes)
  private static func exif(inPNG bytes: Span<UInt8>) -> Span<UInt8>? {
    var offset = 8
    while let length = bytes.number(at: offset, size: 4, isBigEndian: true),
      let type = bytes.number(at: offset + 4, size: 4, isBigEndian: true)
    {
      if type == 0x6558_4966 { return bytes.part(at: offset + 8, count: length) }  // "eXIf"
      offset += 12 + length
    }
    return nil
  }

  /// Looks for the tag among the entries of the first directory of a TIFF structure (TIFF 6.0, section 2): byte
  /// order, 42, the directory's offset; there, a count and entries of tag, type, count and value.
  private init?(tiff bytes: Span<UInt8>?) {
    guard let bytes else { return nil }
    let isBigEndian: Bool
    switch bytes.number(at: 0, size: 2, isBigEndian: true) {
    case 0x4949: isBigEndian = false
    case 0x4D4D: isBigEndian = true
    default: return nil
    }
    func number(_ offset: Int, _ size: Int) -> Int? {
      bytes.number(at: offset, size: size, isBigEndian: isBigEndian)
    }
    guard number(2, 2) == 42, let directory = number(4, 4), let count = number(directory, 2) else {
      return nil
    }
    for index in 0..<count {
      let entry = directory + 2 + 12 * index
      guard let tag = number(entry, 2) else { return nil }
      // Type 3 is one of 16 bits.
      guard tag == 0x0112, number(entry + 2, 2) == 3, number(entry + 4, 4) == 1 else { continue }
      guard let value = number(entry + 8, 2) else { return nil }
      self.init(rawValue: value)
      return
    }
    return nil
  }
}

extension Span<UInt8> {
  /// Some bytes, or nil where they don't all exist.
  @_lifetime(copy self)
  fileprivate func part(at offset: Int, count: Int) -> Span<UInt8>? {
    guard offset >= 0 && count >= 0 && offset <= self.count && count <= self.count - offset else {
      return nil
    }
    return extracting(offset..<offset + count)
  }

  /// The unsigned number of `size` bytes at `offset`, or nil where they don't all exist.
  fileprivate func number(at offset: Int, size: Int, isBigEndian: Bool) -> Int? {
    guard let part = part(at: offset, count: size) else { return nil }
    var value = 0
    for i in 0..<size { value = value << 8 | Int(part[isBigEndian ? i : size - 1 - i]) }
    return value
  }
}
