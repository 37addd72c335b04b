import CZlib
import Foundation

/// A directory of its own for one test, gone when the test is over.
final class Scratch {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "imagery-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit {
    do {
      try FileManager.default.removeItem(atPath: path)
    } catch {
      print("left behind: \(path): \(error)")
    }
  }

  /// Writes `bytes` to a file and returns its path.
  func file(_ name: String, _ bytes: [UInt8]) throws -> String {
    let url = URL(fileURLWithPath: path + "/" + name)
    try Data(bytes).write(to: url)
    return url.path
  }

  /// The same under a name that need not be UTF-8.
  func file(_ name: [UInt8], _ bytes: [UInt8]) throws {
    let descriptor = open(cPath(name), O_WRONLY | O_CREAT | O_EXCL, 0o666)
    guard descriptor >= 0, write(descriptor, bytes, bytes.count) == bytes.count, close(descriptor) == 0 else {
      throw POSIXError(.init(rawValue: errno) ?? .EIO)
    }
  }

  /// Makes a directory whose name need not be UTF-8.
  func directory(_ name: [UInt8]) throws {
    guard mkdir(cPath(name), 0o777) == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
  }

  private func cPath(_ name: [UInt8]) -> [CChar] {
    (Array(path.utf8) + [0x2F] + name + [0]).map { CChar(bitPattern: $0) }
  }

  /// Names of all files, hidden ones too.
  var names: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() } }
}

/// An IDX file as the format describes it.
func idx(_ dimensions: [UInt32], _ data: [UInt8], type: UInt8 = 8) -> [UInt8] {
  [0, 0, type, UInt8(dimensions.count)]
    + dimensions.flatMap { [UInt8($0 >> 24), UInt8($0 >> 16 & 255), UInt8($0 >> 8 & 255), UInt8($0 & 255)] }
    + data
}

/// `bytes` as one gzip member, by zlib's own compressor.
func gzip(_ bytes: [UInt8]) -> [UInt8] {
  var stream = z_stream()
  let status = deflateInit2_(
    &stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION,
    Int32(MemoryLayout<z_stream>.size))
  precondition(status == Z_OK)
  defer { deflateEnd(&stream) }
  var input = bytes
  var output = [UInt8](repeating: 0, count: Int(deflateBound(&stream, UInt(bytes.count))))
  let count = input.withUnsafeMutableBufferPointer { source in
    output.withUnsafeMutableBufferPointer { target in
      stream.next_in = source.baseAddress
      stream.avail_in = UInt32(source.count)
      stream.next_out = target.baseAddress
      stream.avail_out = UInt32(target.count)
      precondition(deflate(&stream, Z_FINISH) == Z_STREAM_END)
      return target.count - Int(stream.avail_out)
    }
  }
  return Array(output[..<count])
}

/// Bytes that compress badly and are never the same by accident.
func noise(_ count: Int) -> [UInt8] {
  var state: UInt32 = 1
  return (0..<count).map { _ in
    state = state &* 1_664_525 &+ 1_013_904_223
    return UInt8(state >> 24)
  }
}

/// The official data sets, where this machine has them.
let officialData: String? = {
  let candidates = [ProcessInfo.processInfo.environment["INKFLOW_DATA"], packageRoot + "/../shared/datasets"]
  return candidates.compactMap { $0 }.first { FileManager.default.fileExists(atPath: $0 + "/mnist") }
}()

/// From this file up to the directory of the package, through symbolic links.
let packageRoot = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
  .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path
