import Foundation
import Imagery
import Testing

/// `datasets/fetch.sh`, run on a copy in a directory of its own, from `file://` mirrors alone.
@Suite struct FetchTests {
  let scratch: Scratch

  init() throws {
    scratch = try Scratch()
    for directory in ["datasets", "mirror/mnist"] {
      try FileManager.default.createDirectory(
        atPath: scratch.path + "/" + directory, withIntermediateDirectories: true)
    }
    try FileManager.default.copyItem(
      atPath: packageRoot + "/datasets/fetch.sh", toPath: scratch.path + "/datasets/fetch.sh")
  }

  private func fetch(_ arguments: [String], mirror: String) throws -> (status: Int32, messages: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = [scratch.path + "/datasets/fetch.sh"] + arguments
    process.environment = ProcessInfo.processInfo.environment.merging(["MIRROR": mirror]) { $1 }
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let messages = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, messages)
  }

  private func names(_ directory: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/" + directory).sorted()
  }

  @Test func refusesCorruptedFilesAndSaysHowToGoOn() throws {
    _ = try scratch.file("mirror/mnist/train-images-idx3-ubyte.gz", gzip(idx([1, 1, 1], [0])))
    let result = try fetch(["mnist"], mirror: "file://\(scratch.path)/mirror")
    #expect(result.status == 66)
    #expect(result.messages.contains("refused, its SHA-256 is"))
    for remedy in ["DATASET=synthetic", "MIRROR=", "DATASET=DIRECTORY"] {
      #expect(result.messages.contains(remedy))
    }
    #expect(try names("datasets/mnist") == [])
  }

  /// Every set that can be named has its files, sums and licence.
  @Test(arguments: ImageDataset.downloadable)
  func knowsEverySetThatCanBeLoadedByName(name: String) throws {
    try FileManager.default.createDirectory(
      atPath: scratch.path + "/mirror/" + name, withIntermediateDirectories: true)
    _ = try scratch.file("mirror/\(name)/train-images-idx3-ubyte.gz", [1])
    let result = try fetch([name], mirror: "file://\(scratch.path)/mirror")
    #expect(result.status == 66)
    let sum = try #require(result.messages.split(separator: "instead of ").last?.prefix(64))
    #expect(sum.allSatisfy(\.isHexDigit) && sum.count == 64)
    let readme = try String(contentsOfFile: packageRoot + "/datasets/README.md", encoding: .utf8)
    #expect(readme.contains("`\(sum)`"))
  }

  @Test func refusesUnknownNamesAndNone() throws {
    #expect(try fetch(["mnits"], mirror: "file:///absent").status == 64)
    #expect(try fetch([], mirror: "file:///absent").status == 64)
    #expect(try names("datasets") == ["fetch.sh"])
  }

  @Test(.enabled(if: officialData != nil), arguments: ["", "/mnist"])
  func fetchesRepairsAndKeeps(folder: String) throws {
    let mirror = "file://" + (try #require(officialData)) + folder
    let first = try fetch(["mnist"], mirror: mirror)
    #expect(first.status == 0)
    #expect(first.messages.contains("CC BY-SA 3.0"))
    let files = try names("datasets/mnist")
    #expect(files.count == 4 && files.allSatisfy { $0.hasSuffix("-ubyte.gz") })

    let damaged = try scratch.file("datasets/mnist/t10k-labels-idx1-ubyte.gz", [1, 2, 3])
    let second = try fetch(["mnist"], mirror: mirror)
    #expect(second.status == 0)
    #expect(second.messages.components(separatedBy: "present and sound").count == 4)
    #expect(second.messages.contains("its SHA-256 is wrong; fetching it again"))
    #expect(try Data(contentsOf: URL(fileURLWithPath: damaged)).count == 4_542)
  }
}
