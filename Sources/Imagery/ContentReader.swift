import CZlib
import Files

/// The content of a file from front to back, inflated if the file's first two bytes are gzip's, whatever its
/// name. A gzip file (RFC 1952) may consist of several members, and zeros may follow the last one; any other
/// trailing byte is an error, as is a member that is cut short or fails its own CRC.
struct ContentReader: ~Copyable {
  private var file: FileInput
  /// zlib keeps a pointer to its stream, which therefore has an address of its own; nil for a plain file.
  private let inflater: UnsafeMutablePointer<z_stream>?
  private var isBetweenMembers = false

  init(_ path: String) throws(FileError) {
    var file = try FileInput(path)
    let isCompressed = try file.begins(with: [0x1F, 0x8B])
    self.file = file
    self.inflater = isCompressed ? Self.makeInflater() : nil
  }

  deinit {
    guard let inflater else { return }
    inflateEnd(inflater)
    inflater.deallocate()
  }

  private static func makeInflater() -> UnsafeMutablePointer<z_stream> {
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    stream.initialize(to: z_stream())
    // 16 + MAX_WBITS: a gzip wrapper and nothing else.
    let status = inflateInit2_(stream, 16 + MAX_WBITS, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    precondition(status == Z_OK, "zlib can't start: out of memory, or another version than at build time")
    return stream
  }

  var path: String { file.path }

  /// No content can be longer: deflate's best is 258 bytes from 2 bits, a factor of 1032.
  var maximumSize: Int { inflater == nil ? file.size : file.size.multipliedCapped(by: 1032) }

  /// The next `count` bytes, fewer at the end of the content.
  mutating func read(_ count: Int) throws(FileError) -> [UInt8] {
    try [UInt8](capacity: count) { (output) throws(FileError) in
      while !output.isFull, try readSome(into: &output) {}
    }
  }

  /// Appends at least one byte to `output`, which is not full; false at the end of the content.
  private mutating func readSome(into output: inout OutputSpan<UInt8>) throws(FileError) -> Bool {
    guard let inflater else { return try copySome(into: &output) }
    let countBefore = output.count
    while output.count == countBefore {
      if isBetweenMembers {
        guard try beginNextMember(inflater) else { return false }
      }
      guard try file.refill() else {
        throw .damaged(path, "is cut short: its gzip data ends early")
      }
      switch Self.inflateSome(from: &file, into: &output, inflater) {
      case Z_OK: break
      case Z_STREAM_END: isBetweenMembers = true
      default:
        let reason = inflater.pointee.msg.map { String(cString: $0) } ?? "unknown error"
        throw .damaged(path, "holds damaged gzip data (\(reason))")
      }
    }
    return true
  }

  /// One call of zlib's `inflate`. Returns its status.
  private static func inflateSome(
    from file: inout FileInput, into output: inout OutputSpan<UInt8>,
    _ inflater: UnsafeMutablePointer<z_stream>
  ) -> Int32 {
    output.withUnsafeMutableBufferPointer { target, initializedCount in
      // zlib counts in 32 bits.
      let room = UInt32(clamping: target.count - initializedCount)
      var status = Z_OK
      file.consume { source in
        inflater.pointee.next_in = source.baseAddress
        inflater.pointee.avail_in = UInt32(source.count)
        inflater.pointee.next_out = target.baseAddress?.advanced(by: initializedCount)
        inflater.pointee.avail_out = room
        status = inflate(inflater, Z_NO_FLUSH)
        return source.count - Int(inflater.pointee.avail_in)
      }
      initializedCount += Int(room - inflater.pointee.avail_out)
      return status
    }
  }

  /// Goes on to a concatenated member, or past the zeros at the end; false at the end of the file.
  private mutating func beginNextMember(
    _ inflater: UnsafeMutablePointer<z_stream>
  ) throws(FileError) -> Bool {
    if try file.peek() == 0x1F {
      inflateReset(inflater)
      isBetweenMembers = false
      return true
    }
    while let byte = try file.peek() {
      guard byte == 0 else { throw .damaged(path, "has other bytes after its gzip data") }
      file.consume { $0.prefix(while: { $0 == 0 }).count }
    }
    return false
  }

  private mutating func copySome(into output: inout OutputSpan<UInt8>) throws(FileError) -> Bool {
    guard try file.refill() else { return false }
    output.withUnsafeMutableBufferPointer { target, initializedCount in
      let room = target.extracting(initializedCount...)
      file.consume { source in
        let count = min(source.count, room.count)
        _ = room.extracting(..<count).initialize(fromContentsOf: source.extracting(..<count))
        initializedCount += count
        return count
      }
    }
    return true
  }
}

extension Int {
  /// The product, or `Int.max` where it overflows. Both factors are non-negative.
  fileprivate func multipliedCapped(by other: Int) -> Int {
    let (product, overflow) = multipliedReportingOverflow(by: other)
    return overflow ? .max : product
  }
}
