import Files
import Foundation
import Imagery
import Testing

/// Directories of IDX files as people have them, and what is said about them.
@Suite struct DatasetDirectoryTests {
  let scratch: Scratch
  init() throws { scratch = try Scratch() }

  /// Both splits, and what was noted.
  private func load() throws -> (train: ImageDataset, test: ImageDataset, notes: [String]) {
    var notes: [String] = []
    let (train, test) = try ImageDataset.loadBoth(scratch.path) { notes.append($0) }
    return (train, test, notes)
  }

  private func error() -> FileError? {
    do {
      _ = try load()
      return nil
    } catch {
      return error as? FileError
    }
  }

  private func officialImages() throws {
    for (name, count) in [("train", UInt32(3)), ("t10k", 2)] {
      _ = try scratch.file("\(name)-images-idx3-ubyte", idx([count, 2, 2], noise(Int(count) * 4)))
    }
  }

  private func bytes<Number: FixedWidthInteger>(_ numbers: [Number]) -> [UInt8] {
    numbers.flatMap { withUnsafeBytes(of: $0.bigEndian, Array.init) }
  }

  // MARK: Labels

  @Test func labelsOfIntsAreReadAndNoted() throws {
    try officialImages()
    _ = try scratch.file("train-labels-idx1-ubyte", idx([3], bytes([7, 0, 255] as [Int32]), type: 0x0C))
    _ = try scratch.file("t10k-labels-idx1-ubyte", gzip(idx([2, 1], bytes([3, 4] as [Int16]), type: 0x0B)))
    let (train, test, notes) = try load()
    #expect(train.labels == [7, 0, 255] && test.labels == [3, 4])
    #expect(notes.count == 2 && notes[0].contains("32-bit ints") && notes[1].contains("16-bit ints"))
  }

  /// QMNIST has eight numbers for each image: the class first, then writer, hand, …
  @Test func theFirstOfQMNISTsNumbersIsTheClass() throws {
    _ = try scratch.file("images", idx([20, 1, 1], noise(20)))
    let rows: [Int32] = (0..<20).flatMap { row -> [Int32] in [row % 10, 4, 70_000, -1, 0, 0, 0, 0] }
    _ = try scratch.file("qmnist-labels-idx2-int", idx([20, 8], bytes(rows), type: 0x0C))
    let (train, test, notes) = try load()
    #expect(train.labels == (0..<18).map { UInt8($0 % 10) } && test.labels == [8, 9])
    #expect(notes.count == 1 && notes[0].contains("QMNIST"))
  }

  @Test(arguments: [[256, 0], [-1, 0]] as [[Int32]])
  func labelsOutOfRangeAreLeftOutAndNoted(numbers: [Int32]) throws {
    _ = try scratch.file("images", idx([2, 1, 1], [1, 2]))
    _ = try scratch.file("labels", idx([2], bytes(numbers), type: 0x0C))
    let (train, _, notes) = try load()
    #expect(train.labels == nil)
    #expect(notes.count == 1 && notes[0].contains("the number \(numbers[0])"))
    #expect(notes[0].contains("used without"))
  }

  @Test func labelsOfFloatsAreLeftOutAndNoted() throws {
    _ = try scratch.file("images", idx([2, 1, 1], [1, 2]))
    _ = try scratch.file("labels", idx([2], [UInt8](repeating: 0, count: 8), type: 0x0D))
    let (train, _, notes) = try load()
    #expect(train.labels == nil && notes.count == 1 && notes[0].contains("32-bit floats"))
  }

  @Test func labelsOfIntsOfAnotherCountAreRefused() throws {
    _ = try scratch.file("images", idx([2, 1, 1], [1, 2]))
    let path = try scratch.file("labels", idx([3], bytes([1, 2, 3] as [Int32]), type: 0x0C))
    #expect(error()?.path == path && error()?.problem.contains("for 2 images") == true)
    _ = try scratch.file("labels", idx([3], bytes([1, 2] as [Int32]), type: 0x0C))
    #expect(error()?.path == path && error()?.exitStatus == 65)
  }

  @Test func labelsOfOneSplitAndUnderOtherNamesAreNoted() throws {
    try officialImages()
    _ = try scratch.file("t10k-labels-idx1-ubyte", idx([2], [1, 2]))
    _ = try scratch.file("train-labels", idx([3], [0, 1, 2]))
    _ = try scratch.file("train-images-idx3-ubyte.gz", gzip(idx([3, 2, 2], noise(12))))
    _ = try scratch.file("notes.txt", Array("not data".utf8))
    let (train, test, notes) = try load()
    #expect(train.labels == nil && test.labels == [1, 2])
    #expect(notes.count == 2)
    #expect(notes[0].contains("no 'train-labels-idx1-ubyte'"))
    #expect(notes[1].contains("/train-labels'") && notes[1].contains("passed over"))
    #expect(notes[1].contains("rename it to 'train-labels-idx1-ubyte'"))
  }

  // MARK: Other files

  /// As a download that was broken off leaves it.
  @Test(arguments: [("t10k", "training"), ("train", "test")])
  func oneSplitAloneIsNoted(prefix: String, missing: String) throws {
    let scratch = try Scratch()
    let images = IDXArray(dimensions: [20, 4, 4], bytes: Array(repeating: 9, count: 320))
    try IDXFile.write(images, to: try scratch.file("\(prefix)-images-idx3-ubyte", []))
    var notes: [String] = []
    let (train, test) = try ImageDataset.loadBoth(scratch.path) { notes.append($0) }
    #expect(train.count == 18 && test.count == 2)
    #expect(notes.count == 1 && notes[0].contains("no file of the \(missing) images"), "\(notes)")
  }

  @Test func foldersOfTheOfficialNamesAreNoFilesButMayHoldThem() throws {
    try officialImages()
    try createDirectory(scratch.path + "/train-labels-idx1-ubyte")
    // Such a folder around the file, and an empty one before another form of the name.
    try createDirectory(scratch.path + "/t10k-labels-idx1-ubyte")
    _ = try scratch.file("t10k-labels.idx1-ubyte", idx([2], [5, 6]))
    #expect(try load().train.labels == nil)
    _ = try scratch.file("train-labels-idx1-ubyte/train-labels.idx1-ubyte.gz", gzip(idx([3], [0, 1, 2])))
    let (train, test, notes) = try load()
    #expect(train.labels == [0, 1, 2] && test.labels == [5, 6] && notes.isEmpty)
  }

  @Test func aFolderOfImagesIsLookedInto() throws {
    try officialImages()
    let (path, folder) = (scratch.path + "/train-images-idx3-ubyte", scratch.path + "/moved")
    try FileManager.default.moveItem(atPath: path, toPath: folder)
    try createDirectory(path)
    try FileManager.default.moveItem(atPath: folder, toPath: path + "/train-images-idx3-ubyte")
    #expect(try load().train.count == 3)
  }

  /// As torchvision's `MNIST/raw`.
  @Test func aFolderThatHoldsADataSetIsNamed() throws {
    try createDirectory(scratch.path + "/raw")
    for name in ["train", "t10k"] {
      _ = try scratch.file("raw/\(name)-images-idx3-ubyte", idx([2, 2, 2], noise(8)))
    }
    #expect(error()?.remedy.contains("'\(scratch.path)/raw'") == true)
  }

  @Test func aFolderOfPicturesIsToBeImported() throws {
    try createDirectory(scratch.path + "/cats")
    _ = try scratch.file("cats/1.jpg", [1])
    #expect(error()?.exitStatus == 66)
    #expect(error()?.remedy.contains("inkflow import-images \(scratch.path) --output") == true)
  }

  @Test(arguments: [
    (UInt8(0x09), "signed bytes", 1), (0x0B, "16-bit ints", 2), (0x0C, "32-bit ints", 4),
    (0x0D, "32-bit floats", 4),
    (0x0E, "64-bit floats", 8),
  ])
  func otherElementTypesAreRefusedByName(type: UInt8, text: String, size: Int) throws {
    let path = try scratch.file("images", idx([2, 1, 1], [UInt8](repeating: 0, count: 2 * size), type: type))
    let inDirectory = try #require(error())
    #expect(inDirectory.exitStatus == 65 && inDirectory.path == path)
    for found in [
      inDirectory, #expect(throws: FileError.self) { try IDXFile.read(path) },
      #expect(throws: FileError.self) { try IDXFile.dimensions(of: path) },
    ] {
      #expect(found?.description.contains("is IDX of \(text); only unsigned bytes are read") == true)
    }
    // By an official name too.
    for split in ["train", "t10k"] {
      try FileManager.default.copyItem(atPath: path, toPath: scratch.path + "/\(split)-images-idx3-ubyte")
    }
    #expect(error()?.problem == "is IDX of \(text)")
  }

  @Test func aFileOfAnotherTypeBesideTheImagesIsNoted() throws {
    _ = try scratch.file("images", idx([2, 1, 1], [1, 2]))
    _ = try scratch.file("features", idx([2, 2, 1], [UInt8](repeating: 0, count: 16), type: 0x0D))
    let (train, _, notes) = try load()
    #expect(train.pixels == [1] && notes.count == 1)
    #expect(notes[0].contains("/features' is IDX of 32-bit floats, and is passed over"))
  }

  @Test func namesOfOtherSetsAreNamedWithWhatToRenameThemTo() throws {
    func add(_ set: String) throws {
      for (split, count) in [("train", UInt32(3)), ("test", 2)] {
        let stem = "emnist-\(set)-\(split)"
        _ = try scratch.file(stem + "-images-idx3-ubyte.gz", gzip(idx([count, 1, 1], noise(Int(count)))))
        _ = try scratch.file(stem + "-labels-idx1-ubyte", idx([count], noise(Int(count))))
      }
    }
    try add("letters")
    let one = try #require(error())
    #expect(one.exitStatus == 65)
    for part in [
      "rename 'emnist-letters-train-images-idx3-ubyte.gz' to 'train-images-idx3-ubyte.gz'",
      "'emnist-letters-test-images-idx3-ubyte.gz' to 't10k-images-idx3-ubyte.gz'",
      "'emnist-letters-train-labels-idx1-ubyte' to 'train-labels-idx1-ubyte'",
      "'emnist-letters-test-labels-idx1-ubyte' to 't10k-labels-idx1-ubyte'", "rows and columns exchanged",
    ] {
      #expect(one.remedy.contains(part), "\(one.remedy)")
    }
    try add("digits")
    #expect(
      error()?.remedy.hasPrefix("give each set a directory of its own, and rename there 'emnist-digits-")
        == true)
    // Doing so helps.
    for name in try scratch.names {
      if name.contains("digits") {
        try FileManager.default.removeItem(atPath: scratch.path + "/" + name)
      } else {
        let target = name.replacing("emnist-letters-", with: "").replacing("test", with: "t10k")
        try FileManager.default.moveItem(
          atPath: scratch.path + "/" + name, toPath: scratch.path + "/" + target)
      }
    }
    #expect(try load().train.labels?.count == 3)
  }

  @Test func emnistsOrientationIsNoted() throws {
    let folder = scratch.path + "/EMNIST"
    try createDirectory(folder)
    _ = try scratch.file("EMNIST/images", idx([2, 1, 1], [1, 2]))
    var notes: [String] = []
    _ = try ImageDataset.loadBoth(folder) { notes.append($0) }
    #expect(notes.count == 1 && notes[0].contains("rows and columns exchanged"))
  }

  #if os(Linux)
    @Test func aFileWhoseNameIsNotUTF8IsRead() throws {
      try scratch.file([0x69, 0xE9], idx([2, 1, 1], [1, 2]))
      #expect(try load().train.pixels == [1])
    }
  #endif

  // MARK: Names of classes

  @Test func classNamesAreReadWhereLabelsCanHaveThem() throws {
    _ = try scratch.file("images", idx([3, 1, 1], [1, 2, 3]))
    _ = try scratch.file("classes.json", Array(#"["one", "t\nwo"]"#.utf8))
    #expect(try load().train.classNames == nil)
    _ = try scratch.file("labels", idx([3], [0, 1, 0]))
    let (train, test, notes) = try load()
    #expect(train.classNames == ["one", "t\nwo"] && test.classNames == train.classNames && notes.isEmpty)
    _ = try scratch.file("labels", idx([3], [0, 2, 0]))
    let few = try load()
    #expect(few.train.classNames == nil && few.notes.count == 1 && few.notes[0].contains("names 2 classes"))
    _ = try scratch.file("classes.json", Array(#"{"0": "one"}"#.utf8))
    let other = try load()
    #expect(
      other.train.classNames == nil && other.notes.count == 1 && other.notes[0].contains("not a JSON list"))
  }
}
