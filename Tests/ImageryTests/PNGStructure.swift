import Testing

/// The chunks of a PNG file, by the specification alone: signature, and length, type, data and CRC of each,
/// which is computed bit by bit.
func pngChunks(_ png: [UInt8]) -> [(type: String, data: [UInt8])] {
  #expect(png.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]))
  var chunks: [(type: String, data: [UInt8])] = []
  var offset = 8
  while offset < png.count {
    let length = Int(bigEndian(png[offset..<offset + 4]))
    let body = Array(png[offset + 4..<offset + 8 + length])
    #expect(bigEndian(png[offset + 8 + length..<offset + 12 + length]) == bitwiseCRC(body))
    chunks.append((String(decoding: body[..<4], as: UTF8.self), Array(body[4...])))
    offset += 12 + length
  }
  #expect(offset == png.count)
  #expect(chunks.first?.type == "IHDR" && chunks.last?.type == "IEND")
  return chunks
}

/// A chunk, complete.
func pngChunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
  let body = Array(type.utf8) + data
  return bigEndianBytes(UInt32(data.count)) + body + bigEndianBytes(bitwiseCRC(body))
}

func bigEndian(_ bytes: some Sequence<UInt8>) -> UInt32 { bytes.reduce(0) { $0 << 8 | UInt32($1) } }

func bigEndianBytes(_ value: UInt32) -> [UInt8] {
  [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> UInt32($0)) }
}

private func bitwiseCRC(_ bytes: [UInt8]) -> UInt32 {
  var crc = UInt32.max
  for byte in bytes {
    crc ^= UInt32(byte)
    for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
  }
  return ~crc
}
