import Foundation
import Imagery
import Testing

/// Pictures of one's own from the command line: import, train, sample.
@Suite(.serialized) struct ImportTests {
  private func makePictures(in directory: String) throws {
    for (red, name) in [(40, "shirt"), (220, "shoe")] {
      try FileManager.default.createDirectory(
        atPath: "\(directory)/pictures/\(name)", withIntermediateDirectories: true)
      for number in 0..<20 {
        let pixels: [UInt8] = (0..<48 * 40).flatMap { pixel -> [UInt8] in
          [UInt8(red), UInt8(pixel % 48 * 5), UInt8(number * 10)]
        }
        try PNGImage(width: 48, height: 40, channels: 3, pixels: pixels)
          .write(to: "\(directory)/pictures/\(name)/\(number).png")
      }
    }
    for name in ["shoe/broken.png", ".hidden", "shirt/Thumbs.db"] {
      try Data([1, 2, 3]).write(to: URL(fileURLWithPath: "\(directory)/pictures/\(name)"))
    }
  }

  @Test func importTrainAndSample() throws {
    try withTemporaryDirectory { directory in
      try makePictures(in: directory)
      let imported = try Command.run(
        ["import-images", "pictures", "--size", "32", "--output", "data", "--json"], in: directory)
      #expect(imported.status == 0, "\(imported.errors)")
      #expect(imported.errors.contains("left out: 'pictures/shoe/broken.png'"))
      let summary = try object(imported.output)
      #expect(
        Set(summary.keys) == [
          "folder", "output", "size", "train", "test", "enlarged", "classes", "skipped", "passed_over",
          "notes",
        ])
      #expect(summary["passed_over"] as? [String] == ["pictures/.hidden", "pictures/shirt/Thumbs.db"])
      #expect(summary["train"] as? Int == 36 && summary["test"] as? Int == 4)
      #expect((summary["skipped"] as? [Any])?.count == 1 && summary["enlarged"] as? Int == 0)
      let classes = try #require(summary["classes"] as? [[String: Any]])
      #expect(classes.map { $0["name"] as? String } == ["shirt", "shoe"])

      let trained = try Command.run(
        [
          "train", "data", "--output", "run", "--preset", "color-32", "--steps", "2", "--batch-size", "4",
          "--threads", "2",
        ], in: directory)
      #expect(trained.status == 0, "\(trained.errors)")
      let sampled = try Command.run(
        [
          "sample", "run", "--count", "3", "--idx", "images", "--solver", "euler", "--steps", "2",
        ], in: directory)
      #expect(sampled.status == 0, "\(sampled.errors)")
      #expect(try IDXFile.read(directory + "/images").dimensions == [3, 32, 32, 3])
      let inspected = try Command.run(["inspect", "data", "--json"], in: directory)
      #expect(inspected.status == 0 && inspected.output.contains(#""channels":3"#))
      #expect(inspected.output.contains(#""classes":["shirt","shoe"]"#))
    }
  }

  /// Splits are said and kept apart; what a data set is used otherwise than expected is said again by who reads it.
  @Test func splitsAreSaid() throws {
    try withTemporaryDirectory { directory in
      try makePictures(in: directory)
      let manager = FileManager.default
      for name in ["train", "test", "val"] {
        try manager.createDirectory(
          atPath: "\(directory)/photos/\(name)", withIntermediateDirectories: true)
      }
      try manager.moveItem(atPath: "\(directory)/pictures/shirt", toPath: "\(directory)/photos/train/shirt")
      for (number, name) in [(0, "test"), (1, "test"), (2, "val")] {
        try manager.moveItem(
          atPath: "\(directory)/pictures/shoe/\(number).png",
          toPath: "\(directory)/photos/\(name)/\(number).png")
      }
      let result = try Command.run(
        ["import-images", "photos", "--size", "16", "--output", "data"], in: directory)
      #expect(result.status == 0 && result.value("train") == "20" && result.value("test") == "2")
      #expect(result.value("passed over") == "2: Thumbs.db, val")
      for part in [
        "'photos/train' is taken for the pictures to train on, 'photos/test' for those to test with",
        "'photos/val' is left out (files: 1)", "test pictures lie in no class folders",
      ] {
        #expect(result.errors.contains("note: ") && result.errors.contains(part), "\(result.errors)")
      }
      let inspected = try Command.run(["inspect", "data"], in: directory)
      #expect(inspected.value("labels") == "train only" && inspected.value("classes") == "shirt")
      #expect(inspected.errors.contains("note: 'data' has no 't10k-labels-idx1-ubyte'"))
    }
  }

  #if os(Linux)
    /// Such an argument would be taken for another name.
    @Test func anArgumentThatIsNotUTF8IsRefused() throws {
      try withTemporaryDirectory { directory in
        let script = "exec \"$0\" import-images \"$(printf 'caf\\351')\" --output data 2> errors"
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", script, Command.program.path]
        process.currentDirectoryURL = URL(fileURLWithPath: directory)
        try process.run()
        Command.finish(process)
        #expect(process.terminationStatus == 64)
        let errors = try String(contentsOfFile: directory + "/errors", encoding: .utf8)
        #expect(errors.contains("the argument 'caf\\xE9' is not UTF-8"))
      }
    }
  #endif

  @Test func badInputIsRefusedWithTheRightStatus() throws {
    try withTemporaryDirectory { directory in
      try makePictures(in: directory)
      try FileManager.default.createDirectory(
        atPath: directory + "/junk", withIntermediateDirectories: false)
      try Data([1]).write(to: URL(fileURLWithPath: directory + "/junk/a.png"))
      try FileManager.default.createDirectory(
        atPath: directory + "/empty", withIntermediateDirectories: false)
      for (arguments, status, part) in [
        (["pictures", "--output", "pictures"], 73, "not an empty directory"),
        (["nowhere", "--output", "data"], 66, "'nowhere'"),
        (["empty", "--output", "data"], 66, "no files"),
        (["junk", "--output", "data"], 65, "no usable picture"),
        (["pictures", "--output", "data", "--size", "4"], 64, "--size"),
        (["pictures"], 64, "--output"),
      ] {
        let result = try Command.run(["import-images"] + arguments, in: directory)
        #expect(result.status == Int32(status), "\(arguments): \(result.status), \(result.errors)")
        #expect(result.errors.contains(part), "\(arguments): \(result.errors)")
        #expect(result.output.isEmpty)
      }
      #expect(!FileManager.default.fileExists(atPath: directory + "/data"))
    }
  }
}
