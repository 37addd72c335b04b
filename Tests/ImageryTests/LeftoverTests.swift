import Files
import Foundation
import Testing

/// What a killed process leaves behind, and what another one is still writing.
@Suite struct LeftoverTests {
  let scratch: Scratch
  init() throws { scratch = try Scratch() }

  /// Fills `source`, and copies to `target` what it looks like meanwhile: what a kill would leave.
  private func copyWhileFilling(_ source: String, to target: String) throws {
    try writeDirectoryDurably(source) { (directory) throws(FileError) in
      try writeDurably(directory + "/half", [1])
      do { try FileManager.default.copyItem(atPath: source, toPath: target) } catch { Issue.record(error) }
    }
  }

  /// An empty directory is filled within: a process killed meanwhile leaves its hidden directory there.
  @Test func aKilledFillOfAnEmptyDirectoryCanBeBegunAgain() throws {
    let (empty, killed) = (scratch.path + "/empty", scratch.path + "/killed")
    try createDirectory(empty)
    try copyWhileFilling(empty, to: killed)
    #expect(try FileManager.default.contentsOfDirectory(atPath: killed).count == 1)
    try writeDirectoryDurably(killed) { (directory) throws(FileError) in
      try writeDurably(directory + "/file", [7])
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: killed) == ["file"])
  }

  /// A directory that another process is filling at the moment holds files.
  @Test func aFillUnderWayIsNoLeftover() throws {
    let path = scratch.path + "/data"
    try createDirectory(path)
    try writeDirectoryDurably(path) { (directory) throws(FileError) in
      DurableFile.removeLeftovers(in: path)
      let error = #expect(throws: FileError.self) { try requireNoFiles(in: path) }
      #expect(error?.kind == .cannotCreate)
      try writeDurably(directory + "/file", [7])
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: path) == ["file"])
  }

  @Test func aFileBeingWrittenIsNoLeftover() throws {
    _ = try scratch.file(".inkflow-0123.tmp", [1])
    try writeDurably(scratch.path + "/out") { (file) throws(FileError) in
      try file.write(([1] as [UInt8]).span.bytes)
      DurableFile.removeLeftovers(in: scratch.path)
      try file.write(([2] as [UInt8]).span.bytes)
    }
    #expect(try Data(contentsOf: URL(fileURLWithPath: scratch.path + "/out")) == Data([1, 2]))
    #expect(try scratch.names == ["out"])
  }

  /// Writers and removers at the same moment: no writer ever loses its file.
  @Test func removalRacesWithWriting() async throws {
    let path = scratch.path
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { for _ in 0..<400 { DurableFile.removeLeftovers(in: path) } }
      for writer in 0..<2 {
        group.addTask { for _ in 0..<100 { try writeDurably(path + "/\(writer)", [1]) } }
      }
      try await group.waitForAll()
    }
    #expect(try scratch.names == ["0", "1"])
  }
}
