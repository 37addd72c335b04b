import Files

/// A folder of pictures as a data set of RGB squares: split into training and test images, and written as IDX.
public struct ImportedImages: Sendable {
  /// A class with at least one usable picture; its place in `classes` is its label.
  public struct ImageClass: Sendable, Encodable {
    public let name: String
    public let label: Int
    public let trainCount: Int
    public let testCount: Int
  }

  public let side: Int
  /// Nil for a flat folder.
  public let classes: [ImageClass]?
  /// The files that could not be used, and why.
  public let skipped: [FileError]
  /// Pictures with fewer pixels than the squares made of them.
  public let enlargedCount: Int
  /// What was odd about pictures that are used, a sentence for each.
  public let notes: [String]
  /// [usable pictures, side, side, 3], in the folder's order.
  private let pixels: [UInt8]
  /// [usable pictures]; nil for one without a class.
  private let labels: [UInt8?]
  private let splits: [ImageDataset.Split: [Int]]

  /// Reads all pictures.
  ///
  /// - Parameters:
  ///   - progress: is told how many files are done.
  ///   - onSkip: is told of each file that can't be used.
  ///   - onNote: is told of each that can be, but is odd.
  /// - Throws: `FileError` if fewer than two pictures are usable, or none of a split, or all would be too much for an
  ///   IDX file; `MissingJPEGLibrary`.
  public init(
    _ folder: PictureFolder, reader: PictureReader, progress: (Int) throws -> Void = { _ in },
    onSkip: (FileError) -> Void = { _ in }, onNote: (String) -> Void = { _ in }
  ) throws {
    side = reader.side
    let size = side * side * 3
    guard folder.entries.count <= IDXFile.maximumSize / size else {
      throw FileError(
        .malformed, folder.path,
        "holds \(folder.entries.count) files, at \(side)×\(side) more than the limit of "
          + "\(IDXFile.maximumSize) bytes", remedy: "pass a smaller --size, or import fewer")
    }
    var (pixels, used): ([UInt8], [PictureFolder.Entry]) = ([], [])
    var (skipped, notes, enlargedCount): ([FileError], [String], Int) = ([], [], 0)
    pixels.reserveCapacity(folder.entries.count * size)
    for (index, entry) in folder.entries.enumerated() {
      do {
        let square = try reader.square(entry.path)
        pixels += square.pixels
        used.append(entry)
        enlargedCount += square.isEnlarged ? 1 : 0
        if let note = square.note {
          notes.append(note)
          onNote(note)
        }
      } catch let error as FileError {
        skipped.append(error)
        onSkip(error)
      }
      try progress(index + 1)
    }
    guard used.count >= 2 else {
      throw FileError(
        .malformed, folder.path,
        "holds \(used.isEmpty ? "no usable picture" : "one usable picture") among "
          + "\(folder.entries.count) files",
        remedy: "give at least two JPEG or PNG pictures: one to train on, one to test with")
    }
    self.pixels = pixels
    (self.skipped, self.notes, self.enlargedCount) = (skipped, notes, enlargedCount)
    let classIndices = Set(used.compactMap(\.classIndex)).sorted()
    let labels = used.map { entry in entry.classIndex.flatMap(classIndices.firstIndex(of:)).map { UInt8($0) }
    }
    self.labels = labels
    let splits = Self.split(labels, used.map(\.split))
    self.splits = splits
    for split in ImageDataset.Split.allCases where splits[split] == nil {
      throw FileError(
        .malformed, folder.path, "holds no usable picture for the \(split.rawValue) split",
        remedy: "put a JPEG or PNG picture into its folder")
    }
    classes = folder.classNames.map { names in
      classIndices.enumerated().map { label, index in
        func count(_ split: ImageDataset.Split) -> Int {
          splits[split, default: []].count { labels[$0].map(Int.init) == label }
        }
        return ImageClass(
          name: names[index], label: label, trainCount: count(.train), testCount: count(.test))
      }
    }
  }

  public func count(of split: ImageDataset.Split) -> Int { splits[split, default: []].count }

  /// Pictures go to the split that their folder says. Where none does, every tenth picture of a class is for testing,
  /// from its second on. In each split the classes are mixed evenly, so that its first images, however many, hold about
  /// the same share of every class.
  static func split(
    _ labels: [UInt8?], _ given: [ImageDataset.Split?]
  ) -> [ImageDataset.Split: [Int]] {
    // `labels` are sorted within a split, as the folder is: a class's pictures lie together.
    var firsts: [UInt8?: Int] = [:]
    for index in labels.indices where firsts[labels[index]] == nil { firsts[labels[index]] = index }
    let isForTesting = labels.indices.map { index in
      given[index].map { $0 == .test } ?? ((index - firsts[labels[index], default: 0]) % 10 == 1)
    }
    // Classes of one picture each have no second one: then the second of all.
    let none = !isForTesting.contains(true) && given.allSatisfy { $0 == nil }
    return Dictionary(grouping: labels.indices) {
      isForTesting[$0] || none && $0 == 1 ? ImageDataset.Split.test : .train
    }
    .mapValues { indices in
      let groups = Dictionary(grouping: indices) { labels[$0] }.mapValues { Array($0) }
      // Picture k of a class of n goes to (k + 1/2)/n of the way.
      let places = groups.values.flatMap { group in
        group.enumerated().map { k, index in (numerator: 2 * k + 1, denominator: group.count, index: index)
        }
      }
      return places.sorted { a, b in
        let (left, right) = (a.numerator * b.denominator, b.numerator * a.denominator)
        return left == right ? a.index < b.index : left < right
      }.map(\.index)
    }
  }

  /// Writes the data set that `ImageDataset.load` reads: the four files under MNIST's names, and `classes.json`, a
  /// list of the classes' names by label. (No labels for a split without class folders, and no names without labels.)
  ///
  /// - Throws: as `writeDirectoryDurably`: all or nothing, and not over an existing data set.
  public func write(to directory: String) throws(FileError) {
    try writeDirectoryDurably(directory) { (directory) throws(FileError) in
      for split in ImageDataset.Split.allCases {
        let indices = splits[split, default: []]
        let path = directory.appendingPath(split.filePrefix)
        try IDXFile.write(
          dimensions: [indices.count, side, side, 3], to: path + "-images-idx4-ubyte"
        ) { (file) throws(FileError) in
          let size = side * side * 3
          for index in indices {
            try file.write(pixels.span.extracting(index * size..<(index + 1) * size).bytes)
          }
        }
        let labels: [UInt8] = indices.compactMap { self.labels[$0] }
        if labels.count == indices.count {
          try IDXFile.write(
            IDXArray(dimensions: [indices.count], bytes: labels), to: path + "-labels-idx1-ubyte")
        }
      }
      if let classes { try ClassNames.write(classes.map(\.name), in: directory) }
    }
  }
}
