import CZlib

/// The CRC-32 of zlib, PNG and gzip (reflected polynomial 0xEDB88320).
package func crc32(of bytes: [UInt8]) -> UInt32 {
  bytes.withUnsafeBufferPointer { UInt32(truncatingIfNeeded: crc32_z(0, $0.baseAddress, $0.count)) }
}
