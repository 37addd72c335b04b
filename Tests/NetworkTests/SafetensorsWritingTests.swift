import Files
import Foundation
import Network
import Testing

/// Passes the path of a file to be written in a directory of its own. In the end nothing else may be there.
private func withTemporaryPath(_ body: (String) throws -> Void) throws {
  let directory = FileManager.default.temporaryDirectory.appending(path: "inkflow-\(UUID())")
  try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: false)
  defer { try? FileManager.default.removeItem(at: directory) }
  try body(directory.appending(path: "written.safetensors").path)
  #expect(try FileManager.default.contentsOfDirectory(atPath: directory.path) == ["written.safetensors"])
}

/// That `body` fails with a `FileError` of a kind.
private func expect(
  _ kind: FileError.Kind, at location: SourceLocation = #_sourceLocation, _ body: () throws -> SafetensorsFile
) {
  let error = #expect(throws: FileError.self, sourceLocation: location) { _ = try body() }
  #expect(error?.kind == kind, sourceLocation: location)
}

@Suite struct SafetensorsWritingTests {
  @Test func writesTheBytesOfTheReferenceImplementation() throws {
    let path = try fixture("reference.safetensors")
    let reference = try SafetensorsFile(contentsOf: path)
    #expect(reference.entries.map(\.shape) == [[0, 3], [], [5], [2, 0], [2, 3, 5]])
    #expect(try reference.floats("a.scalar") == [-2.5])
    #expect(try reference.floats("c") == (0..<30).map { Float($0) - 12.25 })

    let tensors = try reference.entries.map { entry in
      SafetensorsTensor(entry.name, shape: entry.shape, values: try reference.floats(entry.name))
    }
    for order in [tensors, tensors.reversed()] {
      try withTemporaryPath { written in
        try SafetensorsFile.write(order, to: written)
        #expect(try readFile(written) == readFile(path))
      }
    }
  }

  @Test func readsEveryTypeOfTheReferenceImplementation() throws {
    let file = try SafetensorsFile(contentsOf: fixture("reference_types.safetensors"))
    #expect(
      file.metadata == ["note": "tab \t, quote \", backslash \\, NUL \0, umlaut ü, emoji \u{1F58C}"])
    #expect(file.checksum == nil)
    let types = Dictionary(uniqueKeysWithValues: file.entries.map { ($0.name, $0.type) })
    #expect(
      types == [
        "int64": .i64, "float64": .f64, "float32": .f32, "int32": .i32, "bfloat16": .bf16,
        "float16": .f16, "int16": .i16, "int8": .i8, "bool": .bool, "uint8": .u8,
      ])
    #expect(try file.floats("float32", shape: [2, 3]) == [-3, -2, -1, 0, 1, 2])
    let entry = try #require(file["int64"])
    let integers = (0..<6).map {
      file.bytes(of: entry).unsafeLoadUnaligned(fromByteOffset: 8 * $0, as: Int64.self)
    }
    #expect(integers == [-3, -2, -1, 0, 1, 2])
  }

  @Test func returnsWhatWasWritten() throws {
    let shapes = [[], [0], [1], [7], [3, 0, 5], [1, 1, 1], [5, 3], [2, 3, 5, 7], [1031]]
    // Each bit pattern must survive, signalling NaNs, subnormals and −0 among them.
    let patterns = (0..<2000).map { 0x7F80_0001 &+ UInt32($0) &* 0x9E37_79B9 }
    let metadata = ["step": "12", "": "", "ü": "\u{1}\u{7F}\"\\/\u{8}\u{C}\n\r\t\0 \u{1F58C}"]
    try withTemporaryPath { path in
      try SafetensorsFile.write(
        shapes.enumerated().map { index, shape in
          let count = shape.reduce(1, *)
          return SafetensorsTensor(
            "tensor.\(index)", shape: shape,
            values: patterns[index..<index + count].map(Float.init(bitPattern:)))
        }, metadata: metadata, to: path)
      let file = try SafetensorsFile(contentsOf: path)
      #expect(file.metadata == metadata)
      for (index, shape) in shapes.enumerated() {
        let values = try file.floats("tensor.\(index)", shape: shape)
        #expect(values.map(\.bitPattern) == Array(patterns[index..<index + shape.reduce(1, *)]))
      }
    }
  }

  @Test func writesTheSameBytesForAnyOrder() throws {
    let metadata = (0..<20).map { ("key \($0)", "\($0)") }
    var written: [[UInt8]] = []
    for order in [metadata, metadata.reversed()] {
      try withTemporaryPath { path in
        try SafetensorsFile.write(
          [SafetensorsTensor("a", shape: [], values: [1])],
          metadata: Dictionary(uniqueKeysWithValues: order), to: path)
        written.append(try readFile(path))
      }
    }
    #expect(written[0] == written[1])
    // The payload is aligned for any type.
    #expect((written[0].count - 4).isMultiple(of: 8))
  }

  @Test func findsADamagedFile() throws {
    try withTemporaryPath { path in
      let values = (0..<100).map { Float($0) }
      try SafetensorsFile.write([SafetensorsTensor("a", shape: [4, 25], values: values)], to: path)
      let whole = try readFile(path)
      for count in [0, 7, 8, 50, whole.count - 400, whole.count - 1] {
        expect(.malformed) { try SafetensorsFile(bytes: Array(whole[..<count]), path: path) }
      }
      for offset in whole.count - 400..<whole.count {
        var damaged = whole
        damaged[offset] ^= 0x10
        expect(.malformed) { try SafetensorsFile(bytes: damaged, path: path) }
      }
    }
  }

  @Test func keepsTheOldFileWhenWritingFails() throws {
    let interruption = FileError(.inputOutput, "b", "is interrupted", remedy: "none")
    try withTemporaryPath { path in
      try SafetensorsFile.write([SafetensorsTensor("a", shape: [2], values: [1, 2])], to: path)
      var calls = 0
      let failing = SafetensorsTensor("b", shape: [1]) { body throws(FileError) in
        calls += 1
        // The first call is for the checksum, the second comes when the file is half written.
        if calls == 2 { throw interruption }
        try body([3].span)
      }
      #expect(throws: interruption) {
        try SafetensorsFile.write([SafetensorsTensor("a", shape: [1], values: [9]), failing], to: path)
      }
      #expect(calls == 2)
      #expect(try SafetensorsFile(contentsOf: path).floats("a") == [1, 2])
      try SafetensorsFile.write([SafetensorsTensor("a", shape: [1], values: [4])], to: path)
      #expect(try SafetensorsFile(contentsOf: path).floats("a") == [4])
    }
  }

  @Test(arguments: ["/nowhere/a.safetensors", "/", "/dev/null"])
  func saysWhereItCannotWrite(path: String) {
    #expect {
      try SafetensorsFile.write([], to: path)
    } throws: {
      ($0 as? FileError)?.kind == .cannotCreate && "\($0)".hasPrefix("'\(path)' ")
    }
  }
}
