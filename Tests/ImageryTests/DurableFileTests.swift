import Files
import Foundation
import Imagery
import Testing

@Suite struct DurableFileTests {
  let scratch: Scratch
  init() throws { scratch = try Scratch() }

  private func content(_ path: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: path)))
  }

  @Test func replacesTheWholeFile() throws {
    let path = try scratch.file("out", noise(100_000))
    try writeDurably(path, [1, 2, 3])
    #expect(try content(path) == [1, 2, 3])
    try writeDurably(path) { (file) throws(FileError) in
      try file.write(([4, 5] as [UInt8]).span.bytes)
      try file.write([UInt8]().span.bytes)
      try file.write(([6] as [UInt8]).span.bytes)
    }
    #expect(try content(path) == [4, 5, 6])
    #expect(try scratch.names == ["out"])
  }

  /// A user's directory may be a link to another disk.
  @Test func aDirectoryIsMadeWhereALinkLeads() throws {
    let manager = FileManager.default
    for name in ["disk", "disk/data", "home"] {
      try manager.createDirectory(atPath: scratch.path + "/" + name, withIntermediateDirectories: false)
    }
    try manager.createSymbolicLink(
      atPath: scratch.path + "/home/data", withDestinationPath: scratch.path + "/disk/data")
    try writeDirectoryDurably(scratch.path + "/home/data") { (directory) throws(FileError) in
      try writeDurably(directory + "/file", [7])
    }
    #expect(try content(scratch.path + "/disk/data/file") == [7])
    #expect(try manager.contentsOfDirectory(atPath: scratch.path + "/home") == ["data"])
    #expect(try manager.contentsOfDirectory(atPath: scratch.path + "/disk") == ["data"])
  }

  @Test func aFailureLeavesTheOldFileAndNothingElse() throws {
    let path = try scratch.file("out", [9])
    let stop = FileError(.malformed, "elsewhere", "is bad", remedy: "none")
    let error = #expect(throws: FileError.self) {
      try writeDurably(path) { (file) throws(FileError) in
        try file.write(([1] as [UInt8]).span.bytes)
        throw stop
      }
    }
    #expect(error == stop)
    #expect(try content(path) == [9])
    #expect(try scratch.names == ["out"])
  }

  @Test func refusesWhatItCannotCreate() throws {
    for path in [scratch.path + "/absent/file", scratch.path, "/dev/null"] {
      let error = #expect(throws: FileError.self) { try writeDurably(path, [1]) }
      #expect(error?.kind == .cannotCreate)
      #expect(error?.exitStatus == 73)
      #expect(error?.path == path)
    }
  }
}
