/// A path, or a name in a directory, as the system has it: bytes, which need not be UTF-8.
///
/// Text made of such bytes would no longer find the file, so whatever a directory lists stays a `FilePath`.
public struct FilePath: Hashable, Comparable, Sendable {
  public let bytes: [UInt8]

  package init(bytes: [UInt8]) { self.bytes = bytes }

  public init(_ text: String) { bytes = Array(text.utf8) }

  /// The path of `name` in the directory at this path.
  public func appending(_ name: FilePath) -> FilePath {
    FilePath(bytes: bytes + (bytes.last == UInt8(ascii: "/") ? [] : [UInt8(ascii: "/")]) + name.bytes)
  }

  /// What follows the last slash.
  package var name: FilePath {
    FilePath(bytes: bytes.lastIndex(of: UInt8(ascii: "/")).map { Array(bytes[($0 + 1)...]) } ?? bytes)
  }

  /// Whether a name begins with a dot.
  package var isHidden: Bool { bytes.first == UInt8(ascii: ".") }

  package func hasSuffix(_ suffix: String) -> Bool {
    bytes.suffix(suffix.utf8.count).elementsEqual(suffix.utf8)
  }

  package func dropLast(_ count: Int) -> FilePath { FilePath(bytes: bytes.dropLast(count)) }

  /// By bytes, which for UTF-8 is by code points.
  public static func < (a: FilePath, b: FilePath) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }

  func withCString<Result>(_ body: (UnsafePointer<CChar>) -> Result) -> Result {
    (bytes.map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer { body($0.baseAddress!) }
  }
}

extension FilePath: CustomStringConvertible {
  /// The path for people: bytes that are no text, and those that would steer a terminal, as `\xE9`.
  public var description: String {
    var text = ""
    var decoder = UTF8()
    var rest = bytes[...]
    while !rest.isEmpty {
      var iterator = rest.makeIterator()
      if case .scalarValue(let scalar) = decoder.decode(&iterator),
        scalar.properties.generalCategory != .control
      {
        text.unicodeScalars.append(scalar)
        rest = rest.dropFirst(UTF8.width(scalar))
      } else {
        let byte = rest.removeFirst()
        text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
      }
      decoder = UTF8()
    }
    return text
  }
}
