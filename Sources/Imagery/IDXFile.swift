import Files

/// An array of unsigned bytes of one to four dimensions, row-major: labels [count], images
/// [count, height, width] or [count, height, width, channels].
public struct IDXArray: Equatable, Sendable {
  public let dimensions: [Int]
  public let bytes: [UInt8]

  /// - Precondition: the dimensions fit IDX (one to four, each below 2³²) and `bytes`.
  public init(dimensions: [Int], bytes: [UInt8]) {
    precondition(IDXFile.ranks.contains(dimensions.count), "IDX arrays here have 1 to 4 dimensions")
    precondition(dimensions.allSatisfy { UInt32(exactly: $0) != nil }, "a dimension is one u32")
    precondition(dimensions.reduce(1, *) == bytes.count, "\(dimensions) needs another number of bytes")
    self.dimensions = dimensions
    self.bytes = bytes
  }
}

/// The format of MNIST (Y. LeCun): `00 00 type rank`, one big-endian u32 per dimension, the data row-major, numbers of
/// more than one byte big-endian too. Images are read of type 08 alone, unsigned bytes; labels of all types of ints.
public enum IDXFile {
  /// The most data that `read` accepts: far above any set that trains on a CPU, far below what would hurt.
  public static let maximumSize = 1 << 32
  static let ranks = 1...4

  /// What the data are, by the header's third byte.
  enum ElementType: UInt8 {
    case unsignedBytes = 0x08
    case signedBytes = 0x09
    case int16 = 0x0B
    case int32 = 0x0C
    case float32 = 0x0D
    case float64 = 0x0E

    var size: Int {
      switch self {
      case .unsignedBytes, .signedBytes: 1
      case .int16: 2
      case .int32, .float32: 4
      case .float64: 8
      }
    }

    var isInteger: Bool { self != .float32 && self != .float64 }

    var text: String {
      switch self {
      case .unsignedBytes: "unsigned bytes"
      case .signedBytes: "signed bytes"
      case .int16, .int32: "\(8 * size)-bit ints"
      case .float32, .float64: "\(8 * size)-bit floats"
      }
    }
  }

  struct Header {
    let type: ElementType
    let dimensions: [Int]
  }

  /// Reads a raw or gzip-compressed file of unsigned bytes, told apart by content.
  ///
  /// The header decides how much is read: a byte more or less is an error, and what a small file can't hold
  /// is refused before any memory is taken for it.
  public static func read(_ path: String) throws(FileError) -> IDXArray { try read(FilePath(path)) }

  static func read(_ path: FilePath) throws(FileError) -> IDXArray {
    let (header, bytes) = try content(path) { $0.type == .unsignedBytes }
    return IDXArray(dimensions: header.dimensions, bytes: bytes)
  }

  /// The dimensions that the file's header announces, or nil if the file is not IDX at all.
  ///
  /// - Throws: `.malformed` if it is IDX of other elements than unsigned bytes.
  public static func dimensions(of path: String) throws(FileError) -> [Int]? {
    guard let header = try header(of: FilePath(path)) else { return nil }
    guard header.type == .unsignedBytes else { throw otherType(path, header) }
    return header.dimensions
  }

  /// What the file's header announces, or nil if the file is not IDX at all.
  static func header(of path: FilePath) throws(FileError) -> Header? {
    var reader = try ContentReader(path)
    return try header(&reader, try reader.read(4))
  }

  /// Header and data of a file whose header `isWanted`.
  static func content(
    _ path: FilePath, _ isWanted: (Header) -> Bool
  ) throws(FileError) -> (header: Header, bytes: [UInt8]) {
    var reader = try ContentReader(path)
    let magic = try reader.read(4)
    guard let header = try header(&reader, magic) else {
      let found = magic.isEmpty ? "nothing" : magic.map { String($0, radix: 16) }.joined(separator: " ")
      throw FileError(
        .malformed, reader.path, "is not IDX: it begins with \(found), not with 0 0 8 and 1 to 4",
        remedy: "give an IDX file of unsigned bytes, raw or gzip")
    }
    guard isWanted(header) else { throw otherType(reader.path, header) }
    let size = try checkedSize(header, reader)
    let bytes = try reader.read(size)
    guard bytes.count == size else {
      throw .damaged(reader.path, "announces \(size) bytes of data and holds \(bytes.count)")
    }
    guard try reader.isAtEnd() else {
      throw .damaged(reader.path, "holds more than the \(size) bytes of data that it announces")
    }
    return (header, bytes)
  }

  static func otherType(_ path: String, _ header: Header) -> FileError {
    FileError(
      .malformed, path, "is IDX of \(header.type.text)",
      remedy: "only unsigned bytes are read: convert its numbers to whole ones from 0 to 255"
        + (header.type.isInteger && areLabels(header)
          ? ", or leave it beside its images, as their labels" : ""))
  }

  /// Writes `array` uncompressed, all or nothing.
  public static func write(_ array: IDXArray, to path: String) throws(FileError) {
    try write(dimensions: array.dimensions, to: path) { (file) throws(FileError) in
      try file.write(array.bytes.span.bytes)
    }
  }

  /// The same for data that `writeData` hands over piece by piece, as many bytes as the dimensions say.
  static func write(
    dimensions: [Int], to path: String, _ writeData: (inout DurableFile) throws(FileError) -> Void
  ) throws(FileError) {
    var header: [UInt8] = [0, 0, ElementType.unsignedBytes.rawValue, UInt8(dimensions.count)]
    for dimension in dimensions { header += UInt32(dimension).bigEndianBytes }
    try writeDurably(path) { (file) throws(FileError) in
      try file.write(header.span.bytes)
      try writeData(&file)
    }
  }

  private static func header(
    _ reader: inout ContentReader, _ magic: [UInt8]
  ) throws(FileError) -> Header? {
    guard magic.count == 4, magic.starts(with: [0, 0]), let type = ElementType(rawValue: magic[2]),
      ranks.contains(Int(magic[3]))
    else { return nil }
    let rank = Int(magic[3])
    let bytes = try reader.read(4 * rank)
    guard bytes.count == 4 * rank else { throw .damaged(reader.path, "ends inside its header") }
    return Header(
      type: type,
      dimensions: (0..<rank).map { axis in bytes[4 * axis..<4 * axis + 4].reduce(0) { $0 << 8 | Int($1) } })
  }

  /// The bytes of the data, if the file can hold so much and we want so much.
  private static func checkedSize(
    _ header: Header, _ reader: borrowing ContentReader
  ) throws(FileError) -> Int {
    let factors = header.dimensions + (header.type.size == 1 ? [] : [header.type.size])
    let shape = factors.map(String.init).joined(separator: "×")
    var size = 1
    for dimension in factors {
      let (product, overflow) = size.multipliedReportingOverflow(by: dimension)
      guard !overflow else { throw .damaged(reader.path, "announces \(shape) bytes, which overflows") }
      size = product
    }
    guard size <= maximumSize else {
      throw FileError(
        .malformed, reader.path, "announces \(shape) bytes, more than the limit of \(maximumSize)",
        remedy: "split the data set into smaller files")
    }
    guard size <= reader.maximumSize else {
      throw .damaged(reader.path, "announces \(shape) bytes of data, more than a file of its size can hold")
    }
    return size
  }
}

extension UInt32 {
  /// Most significant byte first, as IDX and PNG want it.
  var bigEndianBytes: [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: self >> (24 - 8 * $0)) } }
}
