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

/// The format of MNIST (Y. LeCun): `00 00 type rank`, one big-endian u32 per dimension, the data row-major.
/// Only type 08, unsigned bytes, occurs in image data and is supported.
public enum IDXFile {
  /// The most data that `read` accepts: far above any set that trains on a CPU, far below what would hurt.
  public static let maximumSize = 1 << 32
  static let ranks = 1...4
  private static let unsignedByte: UInt8 = 0x08

  /// Reads a raw or gzip-compressed file, told apart by content.
  ///
  /// The header decides how much is read: a byte more or less is an error, and what a small file can't hold
  /// is refused before any memory is taken for it.
  public static func read(_ path: String) throws(FileError) -> IDXArray {
    var reader = try ContentReader(path)
    let magic = try reader.read(4)
    guard let rank = rank(ofMagic: magic) else {
      let found = magic.isEmpty ? "nothing" : magic.map { String($0, radix: 16) }.joined(separator: " ")
      throw FileError(
        .malformed, path, "is not IDX: it begins with \(found), not with 0 0 8 and 1 to 4",
        remedy: "give an IDX file of unsigned bytes, raw or gzip")
    }
    let dimensions = try readDimensions(&reader, rank: rank)
    let size = try checkedSize(dimensions, reader)
    let bytes = try reader.read(size)
    guard bytes.count == size else {
      throw .damaged(path, "announces \(size) bytes of data and holds \(bytes.count)")
    }
    guard try reader.isAtEnd() else {
      throw .damaged(path, "holds more than the \(size) bytes of data that it announces")
    }
    return IDXArray(dimensions: dimensions, bytes: bytes)
  }

  /// The dimensions that the file's header announces, or nil if the file is not IDX of unsigned bytes at all.
  public static func dimensions(of path: String) throws(FileError) -> [Int]? {
    var reader = try ContentReader(path)
    guard let rank = rank(ofMagic: try reader.read(4)) else { return nil }
    return try readDimensions(&reader, rank: rank)
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
    var header: [UInt8] = [0, 0, unsignedByte, UInt8(dimensions.count)]
    for dimension in dimensions { header += UInt32(dimension).bigEndianBytes }
    try writeDurably(path) { (file) throws(FileError) in
      try file.write(header.span.bytes)
      try writeData(&file)
    }
  }

  private static func readDimensions(
    _ reader: inout ContentReader, rank: Int
  ) throws(FileError) -> [Int] {
    let header = try reader.read(4 * rank)
    guard header.count == 4 * rank else { throw .damaged(reader.path, "ends inside its header") }
    return (0..<rank).map { axis in header[4 * axis..<4 * axis + 4].reduce(0) { $0 << 8 | Int($1) } }
  }

  private static func rank(ofMagic magic: [UInt8]) -> Int? {
    guard magic.count == 4, magic.starts(with: [0, 0, unsignedByte]) else { return nil }
    return ranks.contains(Int(magic[3])) ? Int(magic[3]) : nil
  }

  /// The product of the dimensions, if the file can hold so much and we want so much.
  private static func checkedSize(
    _ dimensions: [Int], _ reader: borrowing ContentReader
  ) throws(FileError) -> Int {
    let shape = dimensions.map(String.init).joined(separator: "×")
    var size = 1
    for dimension in dimensions {
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
