import Files

/// A tensor to be written as F32.
public struct SafetensorsTensor {
  /// Passes the values, row-major, to the function that it is given.
  public typealias Provider = ((Span<Float>) throws(FileError) -> Void) throws(FileError) -> Void

  public let name: String
  /// Row-major; empty for a scalar.
  public let shape: [Int]
  let withValues: Provider

  /// A tensor whose values lie elsewhere, or are made when they are needed.
  ///
  /// - Parameter withValues: is called twice, for the checksum and to write, and must pass the same values:
  ///   `{ body throws(FileError) in try body(arena.span.extracting(range)) }`.
  public init(_ name: String, shape: [Int], withValues: @escaping Provider) {
    self.name = name
    self.shape = shape
    self.withValues = withValues
  }

  public init(_ name: String, shape: [Int], values: [Float]) {
    self.init(name, shape: shape) { body throws(FileError) in try body(values.span) }
  }
}

extension SafetensorsFile {
  /// Writes a file that the reference implementation reads, durably (see `DurableFile`).
  ///
  /// The same tensors and metadata give the same bytes: names and keys are sorted by their UTF-8, whatever
  /// their order here. One tensor at a time passes through memory.
  ///
  /// - Parameters:
  ///   - tensors: their names differ and are not empty, and are not `__metadata__`.
  ///   - metadata: any texts; `payload_crc32` is added.
  /// - Throws: `.cannotCreate` or `.inputOutput`; `path` then holds what it held before, except where the
  ///   message says that the file was written and only its directory could not be synced.
  public static func write(
    _ tensors: [SafetensorsTensor], metadata: [String: String] = [:], to path: String
  ) throws(FileError) {
    // The format wants the types with the widest alignment first, then names: with one type, names.
    let sorted = tensors.sorted { precedes($0.name, $1.name) }
    var checksum: UInt32 = 0
    for tensor in sorted {
      try tensor.withValues { values throws(FileError) in
        precondition(
          values.count == tensor.shape.reduce(1, *),
          "'\(tensor.name)' has \(values.count) values for the shape \(tensor.shape)")
        checksum = crc32(values.bytes, after: checksum)
      }
    }
    let header = header(of: sorted, metadata: metadata, checksum: checksum)
    var file = try DurableFile(replacing: path)
    try file.write(header.span.bytes)
    for tensor in sorted {
      try tensor.withValues { values throws(FileError) in try file.write(values.bytes) }
    }
    try file.commit()
  }

  /// The length and the JSON, padded with spaces so that the payload begins at a multiple of 8.
  ///
  /// Like the reference implementation's, it has no white space.
  private static func header(
    of tensors: [SafetensorsTensor], metadata: [String: String], checksum: UInt32
  ) -> [UInt8] {
    precondition(metadata[checksumKey] == nil, "the metadata's \(checksumKey) is the writer's")
    var metadata = metadata
    metadata[checksumKey] = hexadecimal(checksum)
    let texts = metadata.sorted { precedes($0.key, $1.key) }.map { "\(quoted($0.key)):\(quoted($0.value))" }
    var members = ["\"\(SafetensorsHeader.metadataKey)\":{\(texts.joined(separator: ","))}"]

    var names: Set = ["", SafetensorsHeader.metadataKey]
    var end = 0
    for tensor in tensors {
      precondition(
        names.insert(tensor.name).inserted, "'\(tensor.name)' occurs twice, or is no tensor's name")
      let start = end
      end += 4 * tensor.shape.reduce(1, *)
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      members.append(
        "\(quoted(tensor.name)):{\"dtype\":\"F32\",\"shape\":[\(shape)],\"data_offsets\":[\(start),\(end)]}")
    }
    var json = Array("{\(members.joined(separator: ","))}".utf8)
    json += repeatElement(UInt8(ascii: " "), count: (8 - json.count % 8) % 8)
    precondition(json.count <= SafetensorsHeader.maximumByteCount, "the header would be too long to be read")
    return (0..<8).map { UInt8(truncatingIfNeeded: json.count >> (8 * $0)) } + json
  }

  private static func precedes(_ a: String, _ b: String) -> Bool {
    a.utf8.lexicographicallyPrecedes(b.utf8)
  }

  /// A JSON string (RFC 8259), with no more escapes than necessary.
  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\u{8}": result += "\\b"
      case "\u{C}": result += "\\f"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "\0"..<" ": result += "\\u" + hexadecimal(scalar.value).suffix(4)
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
