/// The header of a safetensors file: an object of tensors by name, each
/// `{"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}`, and of one optional `__metadata__`, whose
/// values are texts.
///
/// Stricter than the reference implementation (version 0.8), which takes the last of two tensors of the same
/// name, and accepts white space before the header, empty names, unknown fields and a metadata of null.
struct SafetensorsHeader {
  static let metadataKey = "__metadata__"

  /// A longer header is refused: ours take about 100 bytes per tensor.
  static let maximumByteCount = 1 << 20

  private(set) var metadata: [String: String] = [:]
  /// In the order of their bytes.
  private(set) var entries: [SafetensorsEntry] = []

  /// - Parameter payloadByteCount: what the tensors must cover, without holes or overlaps.
  init(_ bytes: RawSpan, payloadByteCount: Int) throws(SafetensorsHeaderError) {
    var metadata: [String: String] = [:]
    var entries: [SafetensorsEntry] = []
    var scanner = SafetensorsScanner(bytes)
    try scanner.object { (name, scanner) throws(SafetensorsHeaderError) in
      if name == Self.metadataKey {
        try scanner.object { (key, scanner) throws(SafetensorsHeaderError) in
          metadata[key] = try scanner.string()
        }
      } else {
        entries.append(try Self.entry(name, &scanner))
      }
    }
    try scanner.end()

    // An empty tensor comes before the one that begins at the same place.
    entries.sort { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }
    var end = 0
    for entry in entries {
      let begin = entry.range.lowerBound
      guard begin == end else {
        throw SafetensorsHeaderError(
          problem: "tensor '\(entry.name)' begins at byte \(begin) where the one before ends at \(end)")
      }
      end = entry.range.upperBound
    }
    guard end == payloadByteCount else {
      throw SafetensorsHeaderError(
        problem: "the tensors take \(end) bytes, but \(payloadByteCount) follow the header")
    }
    self.metadata = metadata
    self.entries = entries
  }

  private static func entry(
    _ name: String, _ scanner: inout SafetensorsScanner
  ) throws(SafetensorsHeaderError) -> SafetensorsEntry {
    guard !name.isEmpty else { throw scanner.error("a tensor without a name") }
    var typeName: String?
    var shape: [Int]?
    var offsets: [Int]?
    try scanner.object { (field, scanner) throws(SafetensorsHeaderError) in
      switch field {
      case "dtype": typeName = try scanner.string()
      case "shape": shape = try scanner.integers()
      case "data_offsets": offsets = try scanner.integers()
      default: throw scanner.error("tensor '\(name)' has an unknown field, '\(field)',")
      }
    }
    guard let typeName, let shape, let offsets else {
      throw scanner.error("tensor '\(name)' lacks one of dtype, shape and data_offsets")
    }
    guard let type = SafetensorsType(rawValue: typeName) else {
      throw scanner.error("tensor '\(name)' has an unknown type, '\(typeName)',")
    }
    guard offsets.count == 2, offsets[0] <= offsets[1] else {
      throw scanner.error("tensor '\(name)' has data_offsets \(offsets), not a begin and an end,")
    }
    let range = offsets[0]..<offsets[1]
    guard let byteCount = SafetensorsEntry.byteCount(shape: shape, type: type), byteCount == range.count
    else {
      throw scanner.error(
        "tensor '\(name)' has data_offsets \(offsets) that do not fit \(shape) elements of \(typeName)")
    }
    return SafetensorsEntry(name: name, type: type, shape: shape, range: range)
  }
}
