import Files
import Foundation
import Imagery
import Testing

/// What is taken for what in the folders that people have, and that nothing vanishes without a word.
@Suite struct PictureFolderTests {
  let scratch: Scratch
  init() throws { scratch = try Scratch() }

  private static func picture(_ tone: Int) throws -> [UInt8] {
    try PNGImage(width: 8, height: 8, channels: 1, pixels: [UInt8](repeating: UInt8(tone), count: 64))
      .encoded()
  }

  /// Some one-tone pictures in a folder, which is made.
  private func add(_ folder: String, _ tones: Range<Int>) throws {
    try createDirectory(scratch.path + "/" + folder)
    for tone in tones { _ = try scratch.file("\(folder)/\(tone).png", Self.picture(tone)) }
  }

  private var folder: PictureFolder { get throws { try PictureFolder(scratch.path + "/in") } }

  private func imported() throws -> (train: ImageDataset, test: ImageDataset) {
    let output = "\(scratch.path)/out-\(UUID())"
    try ImportedImages(folder, reader: PictureReader(side: 8)).write(to: output)
    return try ImageDataset.loadBoth(output)
  }

  /// The tones of a split's pictures with the names of their classes.
  private func content(_ data: ImageDataset) -> [Int: String] {
    Dictionary(
      uniqueKeysWithValues: (0..<data.count).map { index in
        let name = data.labels.flatMap { labels in data.classNames.map { $0[Int(labels[index])] } }
        return (Int(data.pixels[index * data.imageSize]), name ?? "")
      })
  }

  private func expected(_ tones: [(Range<Int>, String)]) -> [Int: String] {
    Dictionary(uniqueKeysWithValues: tones.flatMap { tones, name in tones.map { ($0, name) } })
  }

  private func refusal() -> FileError? { #expect(throws: FileError.self) { try folder } }

  // MARK: Depth and names

  @Test func picturesDeepInAClassFolderAreOfThatClass() throws {
    try add("in/cats", 0..<6)
    try add("in/cats/more", 6..<12)
    try add("in/dogs/2019/may", 12..<18)
    let (train, test) = try imported()
    #expect(try folder.passedOver.isEmpty && folder.notes.isEmpty)
    #expect(
      content(train).merging(content(test)) { a, _ in a } == expected([(0..<12, "cats"), (12..<18, "dogs")]))
  }

  #if os(Linux)
    @Test func namesThatAreNotUTF8LoseNothing() throws {
      try createDirectory(scratch.path + "/in")
      for (name, tones) in [([0x63, 0xE9], 0..<3), ([0x63, 0xEA], 3..<6)] as [([UInt8], Range<Int>)] {
        let folder = Array("in/".utf8) + name
        try scratch.directory(folder)
        for tone in tones { try scratch.file(folder + [0x2F, 0xFF, 0x30 + UInt8(tone)], Self.picture(tone)) }
      }
      try scratch.file(Array("in/c".utf8) + [0xE9, 0x2F, 0xFE], [])
      let images = try ImportedImages(folder, reader: PictureReader(side: 8))
      #expect(images.skipped.map(\.path) == ["\(scratch.path)/in/c\\xE9/\\xFE"])
      let (train, test) = try imported()
      #expect(
        content(train).merging(content(test)) { a, _ in a }
          == expected([(0..<3, "c\\xE9"), (3..<6, "c\\xEA")]))
    }
  #endif

  @Test func whatOtherProgramsLeaveIsPassedOverAndNamed() throws {
    try add("in/cats", 0..<3)
    try add("in/cats/@eaDir", 3..<4)
    try add("in/#recycle", 4..<5)
    try add("in/empty", 0..<0)
    for name in [".DS_Store", "cats/._0.png", "cats/Thumbs.db", "LICENSE"] {
      _ = try scratch.file("in/" + name, [1])
    }
    try FileManager.default.createSymbolicLink(
      atPath: scratch.path + "/in/cats/loop", withDestinationPath: scratch.path + "/in")
    let found = try folder
    #expect(found.classNames == ["cats"] && found.entries.count == 3)
    #expect(
      found.passedOver.map { String($0.description.dropFirst(scratch.path.count + 4)) } == [
        "#recycle", ".DS_Store", "LICENSE", "cats/._0.png", "cats/@eaDir", "cats/Thumbs.db", "cats/loop",
        "empty",
      ])
  }

  @Test func flatFoldersStayFlatBesideNotesAndThumbnails() throws {
    try add("in", 0..<4)
    try add("in/@eaDir", 4..<5)
    try add("in/annotations", 0..<0)
    _ = try scratch.file("in/annotations/1.xml", [1])
    let found = try folder
    #expect(found.classNames == nil && found.entries.count == 4)
    #expect(Set(found.passedOver.map(\.name.description)) == ["@eaDir", "annotations"])
  }

  @Test func theFolderTakenForAClassIsNamed() throws {
    try add("in", 0..<1)
    try add("in/raw", 1..<2)
    #expect(
      refusal()?.problem.contains("class folders, as 'raw', and beside them pictures, as '0.png'") == true)
  }

  @Test func oneClassThatHoldsFoldersIsNoted() throws {
    try add("in/photos/cats", 0..<2)
    try add("in/photos/dogs", 2..<4)
    let found = try folder
    #expect(found.classNames == ["photos"])
    #expect(found.notes.count == 1 && found.notes[0].contains("import '\(scratch.path)/in/photos'"))
  }

  // MARK: Splits

  @Test func flatSplitsAreKeptApart() throws {
    try add("in/train", 0..<12)
    try add("in/test", 12..<15)
    _ = try scratch.file("in/README", [1])
    let (train, test) = try imported()
    #expect(content(train) == expected([(0..<12, "")]) && content(test) == expected([(12..<15, "")]))
    let found = try folder
    #expect(found.classNames == nil && found.passedOver.map(\.name.description) == ["README"])
    #expect(found.notes.count == 1 && found.notes[0].contains("/train'") && found.notes[0].contains("/test'"))
  }

  /// As torchvision's users have them (`val`) and fastai's (`valid`). A class may be missing in either.
  @Test(arguments: [("train", "val"), ("train", "valid"), ("Training", "Validation"), ("TRAIN", "testing")])
  func splitsWithClassesAreKeptApart(train: String, test: String) throws {
    try add("in/\(train)/cats", 0..<4)
    try add("in/\(train)/dogs", 4..<8)
    try add("in/\(test)/dogs", 8..<10)
    try add("in/\(test)/eels/deep", 10..<12)
    let sets = try imported()
    #expect(content(sets.train) == expected([(0..<4, "cats"), (4..<8, "dogs")]))
    #expect(content(sets.test) == expected([(8..<10, "dogs"), (10..<12, "eels")]))
    #expect(try folder.classNames == ["cats", "dogs", "eels"])
  }

  @Test func ofTestAndValTheFormerIsUsedAndTheLatterNamed() throws {
    for (split, tones) in [("train", 0..<4), ("val", 4..<7), ("test", 7..<9)] {
      try add("in/\(split)/cats", tones)
    }
    let (train, test) = try imported()
    #expect(content(train) == expected([(0..<4, "cats")]) && content(test) == expected([(7..<9, "cats")]))
    let found = try folder
    #expect(found.passedOver.map(\.name.description) == ["val"])
    #expect(found.notes.contains { $0.contains("/val' is left out (files: 3)") })
  }

  @Test func aSplitWithoutClassFoldersHasNoLabels() throws {
    try add("in/train/cats", 0..<4)
    try add("in/test", 4..<6)
    let (train, test) = try imported()
    #expect(train.labels == [0, 0, 0, 0] && train.classNames == ["cats"])
    #expect(test.count == 2 && test.labels == nil)
    #expect(try folder.notes.contains { $0.contains("test pictures lie in no class folders") })
  }

  @Test func trainAloneIsDivided() throws {
    try add("in/train/cats", 0..<10)
    try add("in/train/dogs", 10..<20)
    let (train, test) = try imported()
    #expect(train.count == 18 && test.count == 2 && train.classNames == ["cats", "dogs"])
    #expect(try folder.notes.first?.contains("every tenth") == true)
  }

  /// Trains among other vehicles.
  @Test func aClassMayBearASplitsName() throws {
    try add("in/train", 0..<4)
    try add("in/bus", 4..<8)
    let found = try folder
    #expect(found.classNames == ["bus", "train"])
    #expect(found.notes.count == 1 && found.notes[0].contains("/train' is taken for a class"))
  }

  /// As some archives name them, one within the other.
  @Test func whatLooksLikeSplitsIsNoted() throws {
    for (index, name) in ["seg_train/seg_train/sea", "seg_test/seg_test/sea"].enumerated() {
      try add("in/" + name, 2 * index..<2 * index + 2)
    }
    #expect(try folder.classNames == ["seg_test", "seg_train"])
    #expect(try folder.notes.count == 1 && folder.notes[0].contains("rename them to 'train' and 'test'"))
    for name in ["train", "test"] {
      try FileManager.default.moveItem(
        atPath: "\(scratch.path)/in/seg_\(name)", toPath: "\(scratch.path)/in/\(name)")
    }
    let notes = try folder.notes
    #expect(notes.contains { $0.contains("all train pictures are of one class, 'seg_train'") })
    #expect(notes.contains { $0.contains("all test pictures are of one class, 'seg_test'") })
  }

  @Test(arguments: [
    (["val", "test"], "no folder 'train'"), (["test/cats"], "no folder 'train'"),
    (["train", "test", "unlabelled"], "other pictures beside them: 'unlabelled'"),
    (["train", "test", ""], "other pictures beside them: '2.png'"),
    (["val", "train", "valid"], "two folders of one split"),
    (["cats/train", "cats/test", "dogs"], "holds the splits 'test' and 'train'"),
    (["a/b/train", "a/b/val"], "holds the splits 'train' and 'val'"),
  ])
  func splitsThatCannotBeKeptApartAreRefused(folders: [String], part: String) throws {
    for (index, name) in folders.enumerated() { try add("in/" + name, index..<index + 1) }
    let error = try #require(refusal())
    #expect(error.exitStatus == 65 && error.problem.contains(part), "\(error)")
  }

  @Test func aSplitWithoutUsablePicturesIsRefused() throws {
    try add("in/train", 0..<4)
    try createDirectory(scratch.path + "/in/test")
    _ = try scratch.file("in/test/broken.png", [1])
    let error = #expect(throws: FileError.self) { try imported() }
    #expect(error?.problem.contains("no usable picture for the test split") == true)
  }
}
