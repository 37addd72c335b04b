import Files

#if _endian(big)
  #error("The payload is little-endian, and is written as it lies in memory.")
#endif

/// A file of named tensors in the safetensors format (https://github.com/huggingface/safetensors):
/// the header's length N as a little-endian UInt64, N bytes of JSON, and the tensors' bytes.
///
/// The whole file is in memory once. Reading accepts what the format's reference implementation writes, and
/// nothing that two readers could understand differently.
public struct SafetensorsFile: Sendable {
  /// The metadata's key for the CRC-32 of the payload: the format has no checksum of its own.
  static let checksumKey = "payload_crc32"

  /// The path as it was given, for messages.
  public let path: String
  /// Without the checksum's entry.
  public let metadata: [String: String]
  /// The CRC-32 that the file states, and that its payload has; nil if it states none.
  public let checksum: UInt32?
  /// The tensors in the order of their bytes.
  public let entries: [SafetensorsEntry]

  private let bytes: [UInt8]
  private let payloadStart: Int
  private let indices: [String: Int]

  /// - Throws: `.missing` or `.inputOutput` if the file can't be read, `.malformed` if it is not sound.
  public init(contentsOf path: String) throws(FileError) {
    try self.init(bytes: readFile(path), path: path)
  }

  package init(bytes: [UInt8], path: String) throws(FileError) {
    func damaged(_ problem: String) -> FileError {
      FileError(
        .malformed, path, "is not a sound safetensors file: \(problem)",
        remedy: "take another copy, or write it anew")
    }

    if let found = Self.otherFormat(of: bytes) {
      throw FileError(
        .malformed, path, "is no safetensors file but \(found.name)", remedy: found.remedy(path))
    }
    guard bytes.count >= 8 else { throw damaged("\(bytes.count) bytes are too few for a header") }
    let headerLength = bytes.prefix(8).reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    guard 1...UInt64(SafetensorsHeader.maximumByteCount) ~= headerLength else {
      throw damaged(
        "the header's length, \(headerLength), is not within 1...\(SafetensorsHeader.maximumByteCount)")
    }
    let payloadStart = 8 + Int(headerLength)
    guard payloadStart <= bytes.count else {
      throw damaged("the header ends at byte \(payloadStart), the file at \(bytes.count)")
    }

    let header: SafetensorsHeader
    do throws(SafetensorsHeaderError) {
      header = try SafetensorsHeader(
        bytes.span.bytes.extracting(8..<payloadStart), payloadByteCount: bytes.count - payloadStart)
    } catch {
      throw damaged(error.problem)
    }

    var metadata = header.metadata
    var checksum: UInt32?
    if let stated = metadata.removeValue(forKey: Self.checksumKey) {
      let actual = crc32(bytes.span.bytes.extracting(droppingFirst: payloadStart))
      guard stated == hexadecimal(actual) else {
        throw damaged("the payload's CRC-32 is \(hexadecimal(actual)), the header says '\(stated)'")
      }
      checksum = actual
    }

    self.path = path
    self.metadata = metadata
    self.checksum = checksum
    self.entries = header.entries
    self.bytes = bytes
    self.payloadStart = payloadStart
    self.indices = Dictionary(uniqueKeysWithValues: zip(header.entries.map(\.name), header.entries.indices))
  }

  /// What else a file of weights may be.
  private static func otherFormat(of bytes: [UInt8]) -> (name: String, remedy: (String) -> String)? {
    // PyTorch's today, a zip archive, and before. A sound header of that length would have a brace after it.
    let isPickle = bytes.starts(with: [0x50, 0x4B, 3, 4]) || bytes.starts(with: [0x80, 2])
    if isPickle, bytes.dropFirst(8).first != UInt8(ascii: "{") {
      return (
        "a Python pickle, as torch.save writes it",
        { path in
          "convert it, with PyTorch: python3 -c \"import torch, safetensors.torch as s; "
            + "s.save_file(torch.load('\(path)', 'cpu', weights_only=True), '\(path).safetensors')\""
        }
      )
    }
    if bytes.starts(with: Array("<!".utf8)) || bytes.starts(with: Array("<html".utf8)) {
      return ("a web page", { _ in "download the file itself" })
    }
    let weights = { (_: String) in "name a run, a checkpoint or a file of weights" }
    if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47]) || bytes.starts(with: [0xFF, 0xD8, 0xFF]) {
      return ("a picture", weights)
    }
    if bytes.starts(with: [0, 0, 8, 1]) || bytes.starts(with: [0, 0, 8, 3])
      || bytes.starts(with: [0, 0, 8, 4])
    {
      return ("an IDX file", weights)
    }
    if bytes.count > 8, bytes.prefix(9).allSatisfy({ 0x20..<0x7F ~= $0 || 0x09...0x0D ~= $0 }) {
      return ("a text", weights)
    }
    return nil
  }

  /// The tensor of that name, if there is one.
  public subscript(name: String) -> SafetensorsEntry? {
    indices[name].map { entries[$0] }
  }

  /// The bytes of a tensor of any type. They need not be aligned to it.
  @_lifetime(borrow self)
  public func bytes(of entry: SafetensorsEntry) -> RawSpan {
    let start = payloadStart + entry.range.lowerBound
    return bytes.span.bytes.extracting(start..<start + entry.range.count)
  }
}

extension SafetensorsFile {
  /// The elements of a tensor of F32, or of F16 or BF16, which F32 holds exactly; row-major.
  ///
  /// - Parameter shape: the shape that it must have; nil takes any.
  /// - Throws: `.malformed` if there is no such tensor, or if it has another type or shape.
  public func floats(_ name: String, shape: [Int]? = nil) throws(FileError) -> [Float] {
    let entry = try floatEntry(name, shape: shape)
    var values = [Float](repeating: 0, count: entry.count)
    var span = values.mutableSpan
    copy(entry, into: &span)
    return values
  }

  /// The same of weights, among which NaN or infinity is `.malformed`: nothing can be computed with them.
  public func finiteFloats(_ name: String, shape: [Int]? = nil) throws(FileError) -> [Float] {
    let values = try floats(name, shape: shape)
    guard let index = values.firstIndex(where: { !$0.isFinite }) else { return values }
    throw FileError(
      .malformed, path, "has \(values[index]) in tensor '\(name)' at element \(index)",
      remedy: "take weights from before the training diverged")
  }

  /// Copies the elements of a tensor of F32, F16 or BF16, row-major.
  ///
  /// - Parameters:
  ///   - shape: the shape that the tensor must have.
  ///   - destination: as many elements as the shape has.
  /// - Throws: `.malformed` if there is no such tensor, or if it has another type or shape.
  public func read(
    _ name: String, shape: [Int], into destination: inout MutableSpan<Float>
  ) throws(FileError) {
    copy(try floatEntry(name, shape: shape), into: &destination)
  }

  private func floatEntry(_ name: String, shape: [Int]?) throws(FileError) -> SafetensorsEntry {
    guard let entry = self[name] else {
      throw FileError(
        .malformed, path, "has no tensor '\(name)' among its \(entries.count)",
        remedy: "take a file that was written for this model")
    }
    guard entry.type.isReadAsFloats else {
      throw FileError(
        .malformed, path, "has tensor '\(name)' as \(entry.type.rawValue)", remedy: "convert it to F32")
    }
    if let shape, shape != entry.shape {
      throw FileError(
        .malformed, path, "has tensor '\(name)' in the shape \(entry.shape) where \(shape) is expected",
        remedy: "take a file that was written for a model of this configuration")
    }
    return entry
  }

  private func copy(_ entry: SafetensorsEntry, into destination: inout MutableSpan<Float>) {
    precondition(destination.count == entry.count, "the destination must have as many elements as the tensor")
    let source = bytes(of: entry)
    // After a tensor of bytes this one begins anywhere.
    for index in destination.indices {
      destination[index] =
        switch entry.type {
        case .f16:
          Float(
            Float16(bitPattern: source.unsafeLoadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)))
        case .bf16:
          Float(
            bitPattern: UInt32(source.unsafeLoadUnaligned(fromByteOffset: 2 * index, as: UInt16.self)) << 16)
        default: source.unsafeLoadUnaligned(fromByteOffset: 4 * index, as: Float.self)
        }
    }
  }
}
