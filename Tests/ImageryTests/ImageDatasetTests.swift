import Files
import Foundation
import Imagery
import Testing

@Suite struct ImageDatasetTests {
  let scratch: Scratch
  init() throws { scratch = try Scratch() }

  private func load(_ split: ImageDataset.Split) throws -> ImageDataset {
    try ImageDataset.load(scratch.path, split: split)
  }

  @Test(arguments: ["-idx", ".idx"], ["", ".gz"])
  func findsTheOfficialNames(separator: String, suffix: String) throws {
    for (prefix, count) in [("train", UInt32(6)), ("t10k", 2)] {
      let images = idx([count, 2, 3], noise(Int(count) * 6))
      let labels = idx([count], noise(Int(count)))
      let pack = suffix.isEmpty ? { $0 } : gzip
      _ = try scratch.file("\(prefix)-images\(separator)3-ubyte\(suffix)", pack(images))
      _ = try scratch.file("\(prefix)-labels\(separator)1-ubyte\(suffix)", pack(labels))
    }
    for (split, count) in [(ImageDataset.Split.train, 6), (.test, 2)] {
      let dataset = try load(split)
      #expect(dataset.count == count && dataset.height == 2 && dataset.width == 3 && dataset.channels == 1)
      #expect(dataset.pixels == noise(6 * count))
      #expect(dataset.labels == noise(count))
      #expect(dataset.name == (scratch.path as NSString).lastPathComponent)
      #expect(dataset.split == split)
    }
  }

  @Test func holdsOutTheLastTenthOfASingleFile() throws {
    let pixels = noise(25 * 2 * 2 * 3)
    _ = try scratch.file("pictures", gzip(idx([25, 2, 2, 3], pixels)))
    _ = try scratch.file("README.txt", Array("not data".utf8))
    #expect(try load(.train).labels == nil)
    _ = try scratch.file("classes", idx([25], noise(25)))
    let (train, test) = (try load(.train), try load(.test))
    #expect(train.count == 22 && test.count == 3 && train.channels == 3)
    #expect(train.pixels + test.pixels == pixels)
    #expect(train.labels.map { $0 + (test.labels ?? []) } == noise(25))
  }

  @Test func refusesMoreThanOneFileOfImages() throws {
    _ = try scratch.file("a", idx([2, 2, 2], noise(8)))
    _ = try scratch.file("b", idx([2, 2, 2], noise(8)))
    #expect(throws: FileError.self) { try load(.train) }
    // But a file and its compressed copy are one.
    try FileManager.default.removeItem(atPath: scratch.path + "/b")
    _ = try scratch.file("a.gz", gzip(idx([2, 2, 2], noise(8))))
    #expect(try load(.train).count == 1)
  }

  @Test func refusesLabelsOfAnotherCount() throws {
    _ = try scratch.file("images", idx([4, 1, 1], noise(4)))
    let labels = try scratch.file("labels", idx([3], noise(3)))
    let error = #expect(throws: FileError.self) { try load(.train) }
    #expect(error?.path == labels)
    #expect(error?.problem.contains("4 images") == true)
  }

  @Test(arguments: [[2, 3], [2, 2, 2, 2], [0, 2, 2], [2, 0, 2]] as [[UInt32]])
  func refusesWhatIsNotImages(shape: [UInt32]) throws {
    _ = try scratch.file("images", idx(shape, noise(Int(shape.reduce(1, *)))))
    #expect(throws: FileError.self) { try load(.train) }
  }

  @Test func missingDataNamesTheRemedy() throws {
    let known = #expect(throws: FileError.self) {
      try ImageDataset.load("mnist", split: .train, datasetsDirectory: scratch.path)
    }
    #expect(known?.exitStatus == 66)
    #expect(known?.remedy.contains("make datasets") == true)
    #expect(known?.remedy.contains("inkflow train synthetic") == true)
    let letters = #expect(throws: FileError.self) {
      try ImageDataset.load("kmnist", split: .train, datasetsDirectory: scratch.path)
    }
    #expect(letters?.remedy.contains("datasets/fetch.sh kmnist") == true)
    let unknown = #expect(throws: FileError.self) { try ImageDataset.load("mnits", split: .train) }
    #expect(unknown?.exitStatus == 66)
    #expect(unknown?.remedy.contains("fashion-mnist") == true)
    let empty = #expect(throws: FileError.self) { try load(.train) }
    #expect(empty?.exitStatus == 66)
  }

  @Test func checksumsAreZlibs() {
    // The check value of the CRC catalogue.
    #expect(crc32(Array("123456789".utf8).span.bytes) == 0xCBF4_3926)
    #expect(crc32([UInt8]().span.bytes) == 0)
    let dataset = ImageDataset(
      name: "x", split: .train, pixels: Array("123456789".utf8), height: 3, width: 1, channels: 1,
      labels: nil)
    #expect(dataset.pixelsChecksum == 0xCBF4_3926)
    #expect(dataset.labelsChecksum == nil)
  }

  @Test(.enabled(if: officialData != nil), arguments: [("mnist", [5, 0, 4]), ("fashion-mnist", [9, 0, 0])])
  func readsTheOfficialSets(name: String, firstLabels: [UInt8]) throws {
    let directory = try #require(officialData)
    let train = try ImageDataset.load(name, split: .train, datasetsDirectory: directory)
    #expect(train.count == 60_000 && train.height == 28 && train.width == 28 && train.channels == 1)
    #expect(train.labels.map { Array($0.prefix(3)) } == firstLabels)
    // Both sets have 6,000 of some classes; all ten occur, and nothing else.
    #expect(Set(train.labels ?? []) == Set(0...9))
    let test = try ImageDataset.load(name, split: .test, datasetsDirectory: directory)
    #expect(test.count == 10_000 && test.name == name)
  }
}
