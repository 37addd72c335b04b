import CZlib

/// The CRC-32 of zlib, PNG and Ethernet. `crc32(b, after: crc32(a))` is that of a followed by b.
package func crc32(_ bytes: RawSpan, after previous: UInt32 = 0) -> UInt32 {
  // zlib takes a null pointer for a request to start afresh.
  if bytes.isEmpty { return previous }
  return bytes.withUnsafeBytes { UInt32(crc32_z(uLong(previous), $0.baseAddress, $0.count)) }
}

/// Eight lower-case digits.
package func hexadecimal(_ value: UInt32) -> String {
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: 8 - digits.count) + digits
}
