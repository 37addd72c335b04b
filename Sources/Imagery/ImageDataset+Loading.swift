import Files
import Foundation

extension ImageDataset {
  /// Both splits of a data set.
  ///
  /// - Throws: as `load`, and `.malformed` if their images differ in size.
  public static func loadBoth(_ name: String) throws(FileError) -> (train: ImageDataset, test: ImageDataset) {
    let (train, test) = (try load(name, split: .train), try load(name, split: .test))
    guard (train.height, train.width, train.channels) == (test.height, test.width, test.channels) else {
      throw FileError(
        .malformed, name,
        "has training images of \(train.height)×\(train.width)×\(train.channels) and test images of "
          + "\(test.height)×\(test.width)×\(test.channels)", remedy: "give both splits one size")
    }
    return (train, test)
  }
}

extension ImageDataset {
  /// The data sets that `make datasets` downloads.
  public static let downloadable = ["mnist", "fashion-mnist"]

  /// Loads one split of the data set `name`, which is one of
  /// - `mnist`, `fashion-mnist`: the four official files in the folder of that name in `datasetsDirectory`;
  /// - `synthetic`: ``SyntheticStrokes``, made on the spot;
  /// - a directory that holds IDX files, raw or `.gz`: either the four of MNIST by their official names
  ///   (`train-images-idx3-ubyte` or `train-images.idx3-ubyte`; labels may be absent), or exactly one file of
  ///   images and at most one of labels, whatever their names. The latter has no test split of its own: the
  ///   last tenth of the images, rounded up and 10,000 at most, is held out as one.
  public static func load(
    _ name: String, split: Split, datasetsDirectory: String = "datasets"
  ) throws(FileError) -> ImageDataset {
    if name == SyntheticStrokes.name { return SyntheticStrokes.make(split: split) }
    if downloadable.contains(name) {
      let directory = datasetsDirectory.appendingPath(name)
      guard let files = OfficialFiles(in: directory) else {
        throw FileError(
          .missing, directory, "doesn't hold the data set \(name)",
          remedy: "run 'make datasets', or train on the built-in data: inkflow train synthetic")
      }
      return try files.load(split, name: name)
    }
    let shownName = URL(fileURLWithPath: name).standardized.lastPathComponent
    if let files = OfficialFiles(in: name) { return try files.load(split, name: shownName) }
    return try SingleFile(in: name).load(split, name: shownName)
  }

  /// Reads a file of images and, if there is one, the file of their labels.
  fileprivate static func read(
    images: String, labels: String?
  ) throws(FileError) -> (images: IDXArray, labels: [UInt8]?) {
    let array = try IDXFile.read(images)
    let shape = array.dimensions
    guard shape.count == 3 || shape.count == 4 && [1, 3].contains(shape[3]), !shape.contains(0) else {
      throw FileError(
        .malformed, images, "has dimensions \(shape), which are not images",
        remedy: "give [count, height, width], or [count, height, width, 3] for colour, none of them 0")
    }
    guard let labels else { return (array, nil) }
    let labelArray = try IDXFile.read(labels)
    guard labelArray.dimensions == [shape[0]] else {
      throw FileError(
        .malformed, labels, "has dimensions \(labelArray.dimensions) for \(shape[0]) images in '\(images)'",
        remedy: "give one label per image, or remove the file to go without labels")
    }
    return (array, labelArray.bytes)
  }

  /// The images `range` of a whole file, as a split.
  fileprivate init(
    name: String, split: Split, range: Range<Int>, of images: consuming IDXArray, labels: [UInt8]?
  ) {
    let shape = images.dimensions
    let size = shape.dropFirst().reduce(1, *)
    let isWhole = range == 0..<shape[0]
    self.init(
      name: name, split: split,
      pixels: isWhole
        ? images.bytes : Array(images.bytes[range.lowerBound * size..<range.upperBound * size]),
      height: shape[1], width: shape[2], channels: shape.count == 4 ? shape[3] : 1,
      labels: isWhole ? labels : labels.map { Array($0[range]) })
  }
}

/// A directory with a training and a test split under MNIST's names.
private struct OfficialFiles {
  private let directory: String
  private let images: [ImageDataset.Split: String]

  /// Nil unless the images of both splits are there.
  init?(in directory: String) {
    self.directory = directory
    var images: [ImageDataset.Split: String] = [:]
    for split in ImageDataset.Split.allCases {
      images[split] =
        Self.find("\(split.filePrefix)-images", rank: 3, in: directory)
        ?? Self.find("\(split.filePrefix)-images", rank: 4, in: directory)
    }
    guard images.count == 2 else { return nil }
    self.images = images
  }

  func load(_ split: ImageDataset.Split, name: String) throws(FileError) -> ImageDataset {
    guard let path = images[split] else { preconditionFailure("both splits were found") }
    let labels = Self.find("\(split.filePrefix)-labels", rank: 1, in: directory)
    let content = try ImageDataset.read(images: path, labels: labels)
    return ImageDataset(
      name: name, split: split, range: 0..<content.images.dimensions[0], of: content.images,
      labels: content.labels)
  }

  /// The first that exists of the names in use; raw before compressed, which is slower to read.
  private static func find(_ stem: String, rank: Int, in directory: String) -> String? {
    ["\(stem)-idx\(rank)-ubyte", "\(stem).idx\(rank)-ubyte"]
      .flatMap { [$0, $0 + ".gz"] }
      .map { directory.appendingPath($0) }
      .first { FileManager.default.fileExists(atPath: $0) }
  }
}

/// A directory with one file of images, from which a test split is held out.
private struct SingleFile {
  private let images: String
  private let labels: String?

  init(in directory: String) throws(FileError) {
    var images: [String] = []
    var labels: [String] = []
    for path in try Self.files(in: directory) {
      guard let dimensions = try IDXFile.dimensions(of: path) else { continue }
      if dimensions.count == 1 { labels.append(path) } else { images.append(path) }
    }
    guard images.count == 1, labels.count <= 1 else {
      throw FileError(
        images.isEmpty ? .missing : .malformed, directory,
        "holds \(images.count) IDX files of images and \(labels.count) of labels",
        remedy: "give a directory with the four files of MNIST, or with one file of images and at most one "
          + "of labels; or use the built-in data: inkflow train synthetic")
    }
    self.images = images[0]
    self.labels = labels.first
  }

  func load(_ split: ImageDataset.Split, name: String) throws(FileError) -> ImageDataset {
    let content = try ImageDataset.read(images: images, labels: labels)
    let count = content.images.dimensions[0]
    guard count >= 2 else {
      throw FileError(
        .malformed, images, "has one image", remedy: "give at least two: one to train on, one held out")
    }
    let trainCount = count - min((count + 9) / 10, 10_000)
    return ImageDataset(
      name: name, split: split, range: split == .train ? 0..<trainCount : trainCount..<count,
      of: content.images, labels: content.labels)
  }

  /// The visible regular files in `directory`, by name; of a file and its `.gz`, the former.
  private static func files(in directory: String) throws(FileError) -> [String] {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
    } catch {
      throw FileError(
        .missing, directory, "is not a readable directory",
        remedy: "give a directory with IDX files, or one of "
          + (ImageDataset.downloadable + [SyntheticStrokes.name]).joined(separator: ", "))
    }
    return
      names
      .filter { !$0.hasPrefix(".") && !($0.hasSuffix(".gz") && names.contains(String($0.dropLast(3)))) }
      .map { directory.appendingPath($0) }
      .filter { path in
        var isDirectory: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory)
          && !isDirectory.boolValue
      }
  }
}
