import CZlib
import Files
import Foundation

/// The content of a file from front to back, inflated if the file's first two bytes are gzip's, whatever its
/// name. A gzip file (RFC 1952) may consist of several members, and zeros may follow the last one; other
/// trailing bytes are an error, as is a member that is cut short or fails its own CRC.
struct ContentReader: ~Copyable {
  let path: String
  private let file: gzFile
  /// Belongs to `file`.
  private let descriptor: Int32
  private let fileSize: Int

  /// Bytes of the file that zlib holds, half of what it inflates ahead.
  private static let bufferSize = 1 << 16

  init(_ path: FilePath) throws(FileError) {
    let (descriptor, size) = try openForReading(path)
    guard let file = gzdopen(descriptor, "r") else { preconditionFailure("zlib is out of memory") }
    gzbuffer(file, UInt32(Self.bufferSize))
    (self.path, self.file, self.descriptor, fileSize) = (path.description, file, descriptor, size)
  }

  deinit { gzclose_r(file) }

  private var isPlain: Bool { gzdirect(file) == 1 }

  /// No content can be longer: deflate's best is 258 bytes from 2 bits, a factor of 1032.
  var maximumSize: Int {
    let (product, overflow) = fileSize.multipliedReportingOverflow(by: 1032)
    return isPlain ? fileSize : overflow ? .max : product
  }

  /// The next `count` bytes, fewer at the end of the content.
  mutating func read(_ count: Int) throws(FileError) -> [UInt8] {
    try [UInt8](capacity: count) { (output) throws(FileError) in
      while !output.isFull {
        let countBefore = output.count
        output.withUnsafeMutableBufferPointer { target, initializedCount in
          let room = target.extracting(initializedCount...)
          // Small pieces come out of zlib's buffer, which `isAtEnd` relies on.
          let read = gzread(file, room.baseAddress, UInt32(min(room.count, Self.bufferSize)))
          initializedCount += max(0, Int(read))
        }
        if output.count == countBefore { return try checkStatus() }
      }
    }
  }

  /// Whether all content has been read. If so, what follows gzip data is checked, over which zlib passes silently.
  mutating func isAtEnd() throws(FileError) -> Bool {
    // zlib inflates ahead up to the end of a member. This is where the last one ends, if it has any content.
    var offset = Int(gzoffset(file))
    let isInsideBuffer = lseek(descriptor, 0, SEEK_CUR) > offset
    guard try read(1).isEmpty else { return false }
    // Exactly at the end of zlib's buffer, a member's last few bytes may not have been taken yet: not to refuse a sound
    // file, nothing is said about what follows there.
    guard !isPlain && isInsideBuffer else { return true }
    var bytes = [UInt8](repeating: 0, count: Self.bufferSize)
    while case let count = pread(descriptor, &bytes, bytes.count, off_t(offset)), count > 0 {
      // Members without content, which zlib has checked.
      if bytes.starts(with: [0x1F, 0x8B]) { return true }
      guard bytes[..<count].allSatisfy({ $0 == 0 }) else {
        throw .damaged(path, "has other bytes after its gzip data")
      }
      offset += count
    }
    return true
  }

  private func checkStatus() throws(FileError) {
    var status = Z_OK
    let text = gzerror(file, &status).map { String(cString: $0) } ?? ""
    switch status {
    case Z_OK: return
    case Z_BUF_ERROR: throw .damaged(path, "is cut short: its gzip data ends early")
    case Z_ERRNO:
      throw FileError(
        .inputOutput, path, "can't be read: \(systemErrorText())", remedy: "check the disk it lies on")
    default:
      // "<fd:3>: incorrect data check"
      let reason = text.components(separatedBy: ": ").last ?? text
      throw .damaged(path, "holds damaged gzip data (\(reason))")
    }
  }
}
