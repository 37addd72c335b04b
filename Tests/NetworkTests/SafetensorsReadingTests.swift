import Files
import Foundation
import Network
import Testing

/// A file of this header and payload.
private func encode(_ header: String, _ payload: [UInt8] = []) -> [UInt8] {
  encode(header: Array(header.utf8), payload)
}

private func encode(header: [UInt8], length: UInt64? = nil, _ payload: [UInt8] = []) -> [UInt8] {
  withUnsafeBytes(of: (length ?? UInt64(header.count)).littleEndian) { Array($0) } + header + payload
}

private func read(_ bytes: [UInt8]) throws(FileError) -> SafetensorsFile {
  try SafetensorsFile(bytes: bytes, path: "test.safetensors")
}

/// The message with which reading fails, as every damage of a file must: as malformed. Nil if it succeeds.
private func refusal(of bytes: [UInt8]) -> String? {
  do throws(FileError) {
    _ = try read(bytes)
    return nil
  } catch {
    #expect(error.kind == .malformed)
    return error.description
  }
}

/// A header of one tensor 'a' that covers four bytes.
private func tensor(type: String = "U8", shape: String = "[4]", offsets: String = "[0,4]") -> String {
  "{\"a\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":\(offsets)}}"
}

private let four: [UInt8] = [1, 2, 3, 4]

@Suite struct SafetensorsReadingTests {
  @Test func acceptsWhatTheVariantsBelowChange() throws {
    #expect(try read(encode(tensor(), four))["a"]?.range == 0..<4)
  }

  @Test(arguments: [
    (tensor(), 3, "take 4 bytes, but 3 follow"),
    (tensor(), 5, "take 4 bytes, but 5 follow"),
    (tensor(offsets: "[1,5]"), 5, "begins at byte 1 where the one before ends at 0"),
    (
      #"{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"#
        + #""b":{"dtype":"U8","shape":[1],"data_offsets":[3,4]}}"#,
      4, "tensor 'b' begins at byte 3 where the one before ends at 2"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},"#
        + #""b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}}"#,
      4, "tensor 'b' begins at byte 2 where the one before ends at 3"
    ),
    (tensor(offsets: "[4,0]"), 4, "not a begin and an end"),
    (tensor(offsets: "[0,4,4]"), 4, "not a begin and an end"),
    (tensor(offsets: "[0]"), 4, "not a begin and an end"),
    (tensor(type: "F32"), 4, "do not fit [4] elements of F32"),
    (tensor(shape: "[2,3]"), 4, "do not fit [2, 3] elements of U8"),
    (tensor(type: "F4", shape: "[7]"), 4, "do not fit [7] elements of F4"),
  ]) func refusesBytesThatDoNotFit(header: String, payloadCount: Int, problem: String) {
    let message = refusal(of: encode(header, [UInt8](repeating: 0, count: payloadCount)))
    #expect(message?.contains(problem) == true, "\(message ?? "accepted")")
  }

  @Test(arguments: [
    (tensor(shape: "[4611686018427387904,4]"), "do not fit"),
    (tensor(shape: "[9223372036854775808]"), "a number beyond"),
    (tensor(shape: "[18446744073709551620]"), "a number beyond"),
    (tensor(shape: "[-4]"), "a whole number"),
    (tensor(shape: "[4.0]"), "expected ','"),
    (tensor(shape: "[4e0]"), "expected ','"),
    (tensor(shape: "[04]"), "expected ','"),
    (tensor(shape: "[4,]"), "a whole number"),
    (tensor(shape: "4"), "expected '['"),
    (tensor(shape: "[NaN]"), "a whole number"),
    (tensor(shape: "NaN"), "expected '['"),
    (tensor(shape: "[\"4\"]"), "a whole number"),
    (tensor(type: "f32"), "an unknown type, 'f32'"),
    (tensor(type: "C128"), "an unknown type, 'C128'"),
    (#"{"a":{"dtype":"U8","shape":[4]}}"#, "lacks one of"),
    (#"{"a":{"dtype":"U8","data_offsets":[0,4]}}"#, "lacks one of"),
    (#"{"a":{"shape":[4],"data_offsets":[0,4]}}"#, "lacks one of"),
    (#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"x":"y"}}"#, "an unknown field, 'x'"),
    (#"{"":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#, "without a name"),
  ]) func refusesTensor(header: String, problem: String) {
    let message = refusal(of: encode(header, four))
    #expect(message?.contains(problem) == true, "\(message ?? "accepted")")
  }

  @Test(arguments: [
    (#"{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#, "'dtype' occurs twice"),
    (
      #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"#
        + #""a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#,
      "'a' occurs twice"
    ),
    // The same name once more, written with an escape.
    (
      #"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"#
        + #""\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#,
      "'a' occurs twice"
    ),
    (#"{"__metadata__":{"k":"v","k":"v"}}"#, "'k' occurs twice"),
    (#"{"__metadata__":{},"__metadata__":{}}"#, "'__metadata__' occurs twice"),
    (#"{"__metadata__":{"k":1}}"#, "expected '\"'"),
    (#"{"__metadata__":{"k":null}}"#, "expected '\"'"),
    (#"{"__metadata__":null}"#, "expected '{'"),
    ("[]", "expected '{'"),
    (" {}", "expected '{'"),
    ("\u{FEFF}{}", "expected '{'"),
    ("{}\0", "expected the end"),
    ("{}{}", "expected the end"),
    ("{", "expected '\"'"),
    (#"{"a"#, "an unfinished text"),
    (#"{"a":"#, "expected '{'"),
    (#"{"__metadata__":{"k":"v",}}"#, "expected '\"'"),
    (#"{"__metadata__":{"\uD800":"v"}}"#, "expected '\\'"),
    (#"{"__metadata__":{"\uD800\u0041":"v"}}"#, "a lone surrogate"),
    (#"{"__metadata__":{"\uDC00":"v"}}"#, "a lone surrogate"),
    (#"{"__metadata__":{"\u+041":"v"}}"#, "four hexadecimal digits"),
    (#"{"__metadata__":{"\x":"v"}}"#, "an unknown escape"),
    ("{\"__metadata__\":{\"\n\":\"v\"}}", "a control character"),
    (String(repeating: #"{"a":"#, count: 200) + String(repeating: "}", count: 200), "an unknown field"),
    (tensor(shape: String(repeating: "[", count: 200)), "a whole number"),
  ]) func refusesHeader(header: String, problem: String) {
    let message = refusal(of: encode(header))
    #expect(message?.contains(problem) == true, "\(message ?? "accepted")")
  }

  @Test(
    arguments: [
      [0xFF], [0x80], [0xC3], [0xC0, 0xAF], [0xED, 0xA0, 0x80], [0xF4, 0x90, 0x80, 0x80],
    ] as [[UInt8]]) func refusesBadUTF8(text: [UInt8])
  {
    let header = Array(#"{"__metadata__":{"k":""#.utf8) + text + Array(#""}}"#.utf8)
    #expect(refusal(of: encode(header: header))?.contains("not in UTF-8") == true)
  }

  @Test func refusesHeaderLengths() {
    #expect(refusal(of: [])?.contains("0 bytes are too few") == true)
    #expect(refusal(of: [2, 0, 0, 0, 0, 0, 0])?.contains("7 bytes are too few") == true)
    for length: UInt64 in [0, 1 << 20 + 1, 1 << 63, .max] {
      let message = refusal(of: encode(header: Array("{}".utf8), length: length))
      #expect(message?.contains("header's length, \(length), is not within") == true)
    }
    let message = refusal(of: encode(header: Array("{}".utf8), length: 3))
    #expect(message?.contains("the header ends at byte 11, the file at 10") == true)

    // The cap itself is allowed, one more is not.
    let longest = Array("{}".utf8) + [UInt8](repeating: UInt8(ascii: " "), count: 1 << 20 - 2)
    #expect(refusal(of: encode(header: longest)) == nil)
    #expect(refusal(of: encode(header: longest + [UInt8(ascii: " ")])) != nil)
  }

  @Test func refusesEveryTruncation() {
    let whole = encode(tensor(), four)
    for count in whole.indices {
      #expect(refusal(of: Array(whole[..<count])) != nil, "\(count) bytes")
    }
  }

  @Test func readsScalarsEmptyTensorsAndUnalignedFloats() throws {
    let header =
      #"{ "z" : {"shape":[2],"dtype":"F32","data_offsets":[1,9]} , "u":{"dtype":"U8","shape":[1],"#
      + #""data_offsets":[0,1]},"e":{"dtype":"F32","shape":[3, 0],"data_offsets":[9,9]},"#
      + #""s":{"dtype":"F32","shape":[],"data_offsets":[9,13]}} "#
    let payload: [UInt8] = [7, 0, 0, 0x80, 0x3F, 0, 0, 0x20, 0xC1, 0, 0, 0, 0x3F]
    // Each alignment of the payload itself.
    for padding in 0..<8 {
      let file = try read(encode(header + String(repeating: " ", count: padding), payload))
      #expect(file.entries.map(\.name) == ["u", "z", "e", "s"])
      #expect(try file.floats("z", shape: [2]) == [1, -10])
      #expect(try file.floats("e") == [])
      #expect(try file.floats("s", shape: []) == [0.5])
      let entry = try #require(file["u"])
      #expect(file.bytes(of: entry).unsafeLoad(as: UInt8.self) == 7)
      #expect(entry.name == "u" && entry.type == .u8 && entry.shape == [1] && entry.range == 0..<1)

      var values: [Float] = [.nan, .nan]
      var span = values.mutableSpan
      try file.read("z", shape: [2], into: &span)
      #expect(values == [1, -10])
    }
  }

  @Test func namesTheTensorThatDoesNotSuit() throws {
    let file = try read(encode(tensor(), four))
    #expect {
      try file.floats("b")
    } throws: {
      "\($0)".hasPrefix("'test.safetensors' has no tensor 'b' among its 1; ")
    }
    #expect {
      try file.floats("a")
    } throws: {
      "\($0)" == "'test.safetensors' has tensor 'a' as U8; convert it to F32"
    }
    let floats = try read(encode(tensor(type: "F32", shape: "[1,1]"), four))
    #expect {
      try floats.floats("a", shape: [1])
    } throws: {
      "\($0)".contains("has tensor 'a' in the shape [1, 1] where [1] is expected")
    }
  }

  @Test func findsADamagedPayload() throws {
    // CRC-32 of "123456789", the check value that every description of this CRC gives.
    let payload = Array("123456789".utf8)
    func header(_ checksum: String) -> String {
      "{\"__metadata__\":{\"payload_crc32\":\"\(checksum)\"},"
        + "\"a\":{\"dtype\":\"U8\",\"shape\":[9],\"data_offsets\":[0,9]}}"
    }
    let sound = try read(encode(header("cbf43926"), payload))
    #expect(sound.checksum == 0xCBF4_3926)
    #expect(sound.metadata == [:])
    for bit in 0..<72 {
      var damaged = payload
      damaged[bit / 8] ^= 1 << (bit % 8)
      #expect(
        refusal(of: encode(header("cbf43926"), damaged))?.contains("the header says 'cbf43926'") == true)
    }
    for other in ["", "cbf4392", "CBF43926", "0cbf43926"] {
      #expect(refusal(of: encode(header(other), payload)) != nil)
    }
  }

  @Test(arguments: [
    ("/nowhere/a.safetensors", FileError.Kind.missing), ("/", .malformed), ("/dev/null", .malformed),
  ]) func saysWhichFileCannotBeRead(path: String, kind: FileError.Kind) {
    #expect {
      try SafetensorsFile(contentsOf: path)
    } throws: {
      ($0 as? FileError)?.kind == kind && "\($0)".hasPrefix("'\(path)' ")
    }
  }
}
