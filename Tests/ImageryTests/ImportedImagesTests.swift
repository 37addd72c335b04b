import Files
import Foundation
import Imagery
import Testing

@Suite struct ImportedImagesTests {
  /// A one-colour picture that tells its class and number.
  private static func picture(_ red: Int, _ green: Int) throws -> [UInt8] {
    let pixels: [UInt8] = (0..<12 * 10).flatMap { _ -> [UInt8] in [UInt8(red), UInt8(green), 200] }
    return try PNGImage(width: 12, height: 10, channels: 3, pixels: pixels).encoded()
  }

  private static func fill(_ scratch: Scratch, _ classes: [(name: String, count: Int)]) throws {
    for (index, part) in classes.enumerated() {
      try FileManager.default.createDirectory(
        atPath: scratch.path + "/in/" + part.name, withIntermediateDirectories: true)
      for number in 0..<part.count {
        let name = "in/\(part.name)/\(number < 10 ? "0" : "")\(number).png"
        _ = try scratch.file(name, picture(index, number))
      }
    }
  }

  private func imported(_ scratch: Scratch, side: Int = 8) throws -> ImportedImages {
    try ImportedImages(PictureFolder(scratch.path + "/in"), reader: PictureReader(side: side))
  }

  /// Every usable picture lands in one split once, under its class's label; a test split of a tenth of each class.
  @Test func classFoldersBecomeLabels() throws {
    let scratch = try Scratch()
    let counts = [("cat", 20), ("dog", 40), ("eel", 31)]
    try Self.fill(scratch, counts)
    let images = try imported(scratch)
    try images.write(to: scratch.path + "/out")
    #expect(images.classes?.map(\.name) == ["cat", "dog", "eel"])
    #expect(images.classes?.map(\.testCount) == [2, 4, 3])
    #expect(images.enlargedCount == 0 && images.skipped.isEmpty)
    let (train, test) = try ImageDataset.loadBoth(scratch.path + "/out")
    #expect(train.count == 82 && test.count == 9)
    #expect((train.height, train.width, train.channels) == (8, 8, 3))
    var seen: Set<[UInt8]> = []
    for split in [train, test] {
      for (index, label) in try #require(split.labels).enumerated() {
        let pixel = Array(split.pixels[index * 192..<index * 192 + 3])
        #expect(pixel[0] == label)
        #expect(seen.insert(pixel).inserted)
      }
    }
    #expect(seen.count == 91)
    // Any beginning has its share of each class, within one image.
    let labels = try #require(train.labels)
    for length in 1...labels.count {
      for (label, count) in [18, 36, 28].enumerated() {
        let found = labels[..<length].count { $0 == UInt8(label) }
        #expect(abs(Double(found) - Double(length * count) / 82) <= 1.5)
      }
    }
    let names = try JSONDecoder().decode(
      [String].self, from: Data(contentsOf: URL(fileURLWithPath: scratch.path + "/out/classes.json")))
    #expect(names == ["cat", "dog", "eel"])
    #expect(try IDXFile.dimensions(of: scratch.path + "/out/t10k-images-idx4-ubyte") == [9, 8, 8, 3])

    // The same again, byte for byte; and never over what is there.
    try imported(scratch).write(to: scratch.path + "/again")
    for name in try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/out") {
      #expect(try readFile("\(scratch.path)/out/\(name)") == readFile("\(scratch.path)/again/\(name)"))
    }
    let error = #expect(throws: FileError.self) { try images.write(to: scratch.path + "/out") }
    #expect(error?.kind == .cannotCreate)
    #expect(try scratch.names == ["again", "in", "out"])
  }

  @Test func aFlatFolderHasNoLabels() throws {
    let scratch = try Scratch()
    try Self.fill(scratch, [("", 12)])
    let images = try imported(scratch, side: 11)
    #expect(images.classes == nil && images.enlargedCount == 12)
    try FileManager.default.createDirectory(
      atPath: scratch.path + "/out", withIntermediateDirectories: false)
    try images.write(to: scratch.path + "/out")  // into an empty directory
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: scratch.path + "/out").sorted() == [
        "t10k-images-idx4-ubyte", "train-images-idx4-ubyte",
      ])
    let (train, test) = try ImageDataset.loadBoth(scratch.path + "/out")
    #expect(train.count == 10 && test.count == 2 && train.labels == nil)
  }

  /// A class without a usable picture gets no label.
  @Test func brokenFilesAreLeftOut() throws {
    let scratch = try Scratch()
    try Self.fill(scratch, [("a", 3), ("b", 0), ("c", 2)])
    let broken = try [
      scratch.file("in/a/0broken.png", [UInt8](Self.picture(0, 0).prefix(50))),
      scratch.file("in/b/notes.txt", Array("no picture".utf8)),
    ]
    _ = try scratch.file("in/LICENSE", [1])
    _ = try scratch.file("in/a/.hidden", [1])
    let images = try imported(scratch)
    #expect(images.skipped.map(\.path) == broken)
    #expect(images.classes?.map(\.name) == ["a", "c"] && images.classes?.map(\.label) == [0, 1])
    #expect(images.classes?.map { $0.trainCount + $0.testCount } == [3, 2])
  }

  @Test func unusableFoldersAreRefused() throws {
    let scratch = try Scratch()
    #expect(throws: FileError.self) { try PictureFolder(scratch.path + "/in") }
    try FileManager.default.createDirectory(
      atPath: scratch.path + "/in/a", withIntermediateDirectories: true)
    let empty = #expect(throws: FileError.self) { try PictureFolder(scratch.path + "/in") }
    #expect(empty?.kind == .missing)
    _ = try scratch.file("in/a/x.png", [1, 2, 3])
    let unusable = #expect(throws: FileError.self) { try imported(scratch) }
    #expect(unusable?.kind == .malformed && unusable?.problem.contains("no usable picture") == true)
    _ = try scratch.file("in/loose.PNG", Self.picture(0, 0))
    let mixed = #expect(throws: FileError.self) { try PictureFolder(scratch.path + "/in") }
    #expect(mixed?.problem.contains("loose.PNG") == true)
  }
}
