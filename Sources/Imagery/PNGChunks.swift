import Files

/// Chunks beside the image data, which libpng's simplified API can't write (PNG specification, third edition,
/// section 5.3: length, type, data, CRC-32 of type and data).
enum PNGChunks {
  private static let signatureSize = 8
  /// Signature and IHDR (4 + 4 + 13 + 4 bytes): what every PNG file begins with.
  private static let headerSize = signatureSize + 25

  /// A copy of the file `png` with one text chunk for each pair, right after IHDR.
  ///
  /// - Precondition: keywords have 1 to 79 printable ASCII characters, without a space at either end; values
  ///   hold no NUL.
  static func inserting(text: [(key: String, value: String)], into png: [UInt8]) -> [UInt8] {
    png[..<headerSize] + text.flatMap { textChunk(key: $0.key, value: $0.value) } + png[headerSize...]
  }

  /// tEXt where the value is Latin-1, which all that tEXt can hold, and iTXt (uncompressed, no language) for
  /// others.
  private static func textChunk(key: String, value: String) -> [UInt8] {
    precondition(
      (1...79).contains(key.utf8.count) && key.utf8.allSatisfy { (32...126).contains($0) }
        && key.first != " " && key.last != " ", "'\(key)' is not a PNG keyword")
    precondition(!value.unicodeScalars.contains("\0"), "the text of '\(key)' holds a NUL")
    let latin1 = value.unicodeScalars.compactMap { UInt8(exactly: $0.value) }
    guard latin1.count == value.unicodeScalars.count else {
      return chunk("iTXt", Array(key.utf8) + [0, 0, 0, 0, 0] + Array(value.utf8))
    }
    return chunk("tEXt", Array(key.utf8) + [0] + latin1)
  }

  /// One chunk, complete.
  static func chunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
    let body = Array(type.utf8) + data
    return UInt32(data.count).bigEndianBytes + body + crc32(body.span.bytes).bigEndianBytes
  }
  /// Where a chunk lies in its file: all of it, and its data alone.
  struct Place {
    let type: String
    let range: Range<Int>
    let data: Range<Int>
  }

  /// The chunks of a file that libpng has just written.
  static func chunks(of png: [UInt8]) -> [Place] {
    var places: [Place] = []
    var offset = signatureSize
    while offset < png.count {
      let length = Int(png[offset..<offset + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) })
      let type = String(decoding: png[offset + 4..<offset + 8], as: UTF8.self)
      let data = offset + 8..<offset + 8 + length
      places.append(Place(type: type, range: offset..<data.upperBound + 4, data: data))
      offset = data.upperBound + 4
    }
    return places
  }
}
