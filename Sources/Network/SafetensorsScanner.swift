/// What is wrong with a safetensors header.
struct SafetensorsHeaderError: Error {
  let problem: String
}

/// Reads just the JSON that a safetensors header may hold (objects, strings, arrays of whole numbers), and
/// reads it strictly (RFC 8259). General readers let duplicate keys and overflowing numbers pass, with which
/// two programs can see two different files in the same bytes. Nothing recurses, so no nesting is too deep.
///
/// Each function starts at the first byte of what it reads and stops after the last one.
struct SafetensorsScanner: ~Escapable {
  private let bytes: RawSpan
  private var offset = 0

  @_lifetime(copy bytes)
  init(_ bytes: RawSpan) {
    self.bytes = bytes
  }

  func error(_ problem: String) -> SafetensorsHeaderError {
    SafetensorsHeaderError(problem: "\(problem) at byte \(offset) of the header")
  }

  /// Calls `member` for each key, to read the value that follows.
  mutating func object(
    _ member: (String, inout SafetensorsScanner) throws(SafetensorsHeaderError) -> Void
  ) throws(SafetensorsHeaderError) {
    var keys: Set<String> = []
    try expect("{")
    skipWhitespace()
    if skip("}") { return }
    while true {
      let key = try string()
      guard keys.insert(key).inserted else { throw error("the key '\(key)' occurs twice, the second time") }
      skipWhitespace()
      try expect(":")
      skipWhitespace()
      try member(key, &self)
      skipWhitespace()
      if skip("}") { return }
      try expect(",")
      skipWhitespace()
    }
  }

  mutating func integers() throws(SafetensorsHeaderError) -> [Int] {
    var values: [Int] = []
    try expect("[")
    skipWhitespace()
    if skip("]") { return values }
    while true {
      values.append(try integer())
      skipWhitespace()
      if skip("]") { return values }
      try expect(",")
      skipWhitespace()
    }
  }

  mutating func string() throws(SafetensorsHeaderError) -> String {
    try expect("\"")
    var text: [UInt8] = []
    while true {
      switch try next() {
      case UInt8(ascii: "\""):
        guard let string = String(validating: text, as: UTF8.self) else {
          throw error("a text not in UTF-8 ends")
        }
        return string
      case UInt8(ascii: "\\"): text += String(try escapedScalar()).utf8
      case 0..<0x20: throw error("a control character that is not escaped ends")
      case let byte: text.append(byte)
      }
    }
  }

  /// Nothing but white space may follow.
  mutating func end() throws(SafetensorsHeaderError) {
    skipWhitespace()
    guard offset == bytes.byteCount else { throw error("expected the end") }
  }
}

extension SafetensorsScanner {
  /// A whole number ≥ 0 without leading zeros. What can't continue one (a sign, fraction or exponent) is left
  /// to the next function, which refuses it.
  private mutating func integer() throws(SafetensorsHeaderError) -> Int {
    if skip("0") { return 0 }
    var value = 0
    let start = offset
    while let byte = peek(), UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte {
      let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tens.addingReportingOverflow(Int(byte - UInt8(ascii: "0")))
      guard !overflow && !carry else { throw error("a number beyond 2^63 - 1") }
      value = sum
      offset += 1
    }
    guard offset > start else { throw error("expected a whole number") }
    return value
  }

  /// What follows a backslash.
  private mutating func escapedScalar() throws(SafetensorsHeaderError) -> Unicode.Scalar {
    switch try next() {
    case UInt8(ascii: "\""): return "\""
    case UInt8(ascii: "\\"): return "\\"
    case UInt8(ascii: "/"): return "/"
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): break
    default: throw error("an unknown escape ends")
    }
    // Beyond the first 2^16 code points a scalar is a pair of UTF-16 surrogates; alone, neither is one.
    var value = try fourHexDigits()
    if (0xD800..<0xDC00).contains(value) {
      try expect("\\")
      try expect("u")
      let trail = try fourHexDigits()
      guard (0xDC00..<0xE000).contains(trail) else { throw error("a lone surrogate ends") }
      value = 0x10000 + (value & 0x3FF) << 10 + trail & 0x3FF
    }
    guard let scalar = Unicode.Scalar(value) else { throw error("a lone surrogate ends") }
    return scalar
  }

  private mutating func fourHexDigits() throws(SafetensorsHeaderError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      let byte = try next()
      guard byte < 0x80, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw error("an escape without four hexadecimal digits ends")
      }
      value = value << 4 | UInt32(digit)
    }
    return value
  }

  private mutating func skipWhitespace() {
    while skip(" ") || skip("\n") || skip("\t") || skip("\r") {}
  }

  private mutating func expect(_ character: Unicode.Scalar) throws(SafetensorsHeaderError) {
    guard skip(character) else { throw error("expected '\(character)'") }
  }

  /// Steps over `character` if it is the next one.
  private mutating func skip(_ character: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: character) else { return false }
    offset += 1
    return true
  }

  private mutating func next() throws(SafetensorsHeaderError) -> UInt8 {
    guard let byte = peek() else { throw error("an unfinished text") }
    offset += 1
    return byte
  }

  private func peek() -> UInt8? {
    offset < bytes.byteCount ? bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self) : nil
  }
}
