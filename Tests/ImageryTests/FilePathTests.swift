import Files
import Foundation
import Testing

@Suite struct FilePathTests {
  let scratch: Scratch
  init() throws { scratch = try Scratch() }

  @Test func bytesThatAreNoTextAreShownAsNumbers() {
    func shown(_ bytes: [UInt8]) -> String { FilePath(bytes: bytes).description }
    #expect(shown(Array("naïve 猫.jpg".utf8)) == "naïve 猫.jpg")
    #expect(shown([0x63, 0x61, 0x66, 0xE9]) == "caf\\xE9")
    // A code that is cut short, one of a surrogate, and what would steer a terminal.
    #expect(shown([0x61, 0xE7, 0x8C]) == "a\\xE7\\x8C")
    #expect(shown([0xED, 0xA0, 0x80]) == "\\xED\\xA0\\x80")
    #expect(shown([0x1B, 0x5B, 0x0A]) == "\\x1B[\\x0A")
    #expect(shown([0xC2, 0x9B]) == "\\xC2\\x9B")
    #expect(shown([]) == "")
  }

  @Test func pathsAreMadeOfNames() {
    let path = FilePath("a/b").appending(FilePath(bytes: [0xFF]))
    #expect(path.bytes == [0x61, 0x2F, 0x62, 0x2F, 0xFF] && path.name.bytes == [0xFF])
    #expect(FilePath("/").appending(FilePath("x")) == FilePath("/x"))
    #expect(FilePath("x").name == FilePath("x"))
    #expect(FilePath("b") > FilePath("a/b") && FilePath("ä") > FilePath("z"))
  }

  @Test func directoriesAboveAPath() {
    for (path, parent) in [
      ("r", "."), (".", "."), ("", "."), ("run", "."), ("a/", "."), ("a/b", "a"), ("a//b/", "a"),
      ("a/b/c", "a/b"),
      ("/", "/"), ("/a", "/"), ("/a/b", "/a"), ("../r", ".."), ("ä/\u{301}x", "ä"),
    ] {
      #expect(path.parentDirectory == parent, "\(path)")
    }
  }

  #if os(Linux)
    /// Other systems refuse to make such names.
    @Test func namesThatAreNotUTF8AreListedAndLeadToTheirFiles() throws {
      try scratch.file([0xE9], [1, 2, 3])
      try scratch.directory([0x64, 0xFF])
      _ = try scratch.file("é", [4])
      let names = try FilePath(scratch.path).names()
      #expect(names.map(\.bytes) == [[0x64, 0xFF], [0xC3, 0xA9], [0xE9]])
      #expect(names.map { FilePath(scratch.path).appending($0).kind } == [.directory, .file, .file])
      #expect(try readFile(FilePath(scratch.path).appending(names[2])) == [1, 2, 3])
      let error = #expect(throws: FileError.self) {
        try readFile(FilePath(scratch.path).appending(names[0]))
      }
      #expect(error?.path == scratch.path + "/d\\xFF")
      let full = #expect(throws: FileError.self) { try requireNoFiles(in: scratch.path) }
      #expect(full?.kind == .cannotCreate)
    }
  #endif

  @Test func kinds() throws {
    _ = try scratch.file("file", [1])
    let manager = FileManager.default
    try manager.createSymbolicLink(atPath: scratch.path + "/link", withDestinationPath: "file")
    try manager.createSymbolicLink(atPath: scratch.path + "/loose", withDestinationPath: "nowhere")
    #expect(mkfifo(scratch.path + "/pipe", 0o600) == 0)
    #expect(
      try FilePath(scratch.path).names().map { FilePath(scratch.path).appending($0).kind } == [
        .file, .file, .absent, .special,
      ])
    let absent = #expect(throws: FileError.self) { try FilePath(scratch.path + "/nowhere").names() }
    #expect(absent?.kind == .missing)
  }
}
