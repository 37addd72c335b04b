import Files
import Foundation

extension ImageDataset {
  /// Both splits of a data set.
  ///
  /// - Parameter onNote: as in `load`; what is true of both splits it is told once.
  /// - Throws: as `load`, and `.malformed` if their images differ in size.
  public static func loadBoth(
    _ name: String, onNote: (String) -> Void = { _ in }
  ) throws(FileError) -> (train: ImageDataset, test: ImageDataset) {
    var told: Set<String> = []
    func noteOnce(_ note: String) { if told.insert(note).inserted { onNote(note) } }
    let train = try load(name, split: .train, onNote: noteOnce)
    let test = try load(name, split: .test, onNote: noteOnce)
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
  /// The data sets that `datasets/fetch.sh` downloads.
  public static let downloadable = ["mnist", "fashion-mnist", "kmnist"]
  /// All that are known by name: these, and the built-in one.
  public static let names = downloadable + [SyntheticStrokes.name]

  /// Loads one split of the data set `name`, which is one of
  /// - `mnist`, `fashion-mnist`, `kmnist`: the four official files in the folder of that name in `datasetsDirectory`;
  /// - `synthetic`: ``SyntheticStrokes``, made on the spot;
  /// - a directory that holds IDX files, raw or `.gz`: either the four of MNIST by their official names
  ///   (`train-images-idx3-ubyte` or `train-images.idx3-ubyte`; labels may be absent), or exactly one file of
  ///   images and at most one of labels, whatever their names. The latter has no test split of its own: the
  ///   last tenth of the images, rounded up and 10,000 at most, is held out as one. `classes.json` beside them, a list
  ///   of texts, names the classes.
  ///
  /// - Parameter onNote: is told what is used otherwise than its owner may expect, or not at all.
  public static func load(
    _ name: String, split: Split, datasetsDirectory: String = "datasets", onNote: (String) -> Void = { _ in }
  ) throws(FileError) -> ImageDataset {
    if name == SyntheticStrokes.name { return SyntheticStrokes.make(split: split) }
    if downloadable.contains(name) {
      let directory = datasetsDirectory.appendingPath(name)
      guard let files = OfficialFiles(in: directory) else {
        let command =
          ["mnist", "fashion-mnist"].contains(name) ? "make datasets" : "datasets/fetch.sh \(name)"
        throw FileError(
          .missing, directory, "doesn't hold the data set \(name)",
          remedy: "run '\(command)', or train on the built-in data: inkflow train synthetic")
      }
      return try files.load(split, name: name, onNote: onNote)
    }
    let shownName = URL(fileURLWithPath: name).standardized.lastPathComponent
    if let files = OfficialFiles(in: name) { return try files.load(split, name: shownName, onNote: onNote) }
    return try SingleFile(in: name).load(split, name: shownName, onNote: onNote)
  }

  static let emnistNote = """
    EMNIST stores its images with rows and columns exchanged, and they are taken as they are: samples will lie on their \
    side as well
    """

  /// Reads the images of a split and, if there is one, the file of their labels.
  ///
  /// - Parameter range: which images of the file, by their count; nil for all.
  init(
    name: String, split: Split, images: FilePath, labels: FilePath?, in directory: String,
    range: ((Int) throws(FileError) -> Range<Int>)? = nil, onNote: (String) -> Void
  ) throws(FileError) {
    let array = try IDXFile.read(images)
    let shape = array.dimensions
    guard shape.count == 3 || shape.count == 4 && [1, 3].contains(shape[3]), !shape.contains(0) else {
      throw FileError(
        .malformed, images.description, "has dimensions \(shape), which are not images",
        remedy: "give [count, height, width], or [count, height, width, 3] for colour, none of them 0")
    }
    if images.description.lowercased().contains("emnist") { onNote(Self.emnistNote) }
    let labelBytes: [UInt8]? =
      if let labels {
        try IDXFile.readLabels(labels, for: shape[0], of: images, onNote: onNote)
      } else {
        nil
      }
    let range = try range?(shape[0]) ?? 0..<shape[0]
    let size = shape.dropFirst().reduce(1, *)
    let isWhole = range == 0..<shape[0]
    self.init(
      name: name, split: split,
      pixels: isWhole ? array.bytes : Array(array.bytes[range.lowerBound * size..<range.upperBound * size]),
      height: shape[1], width: shape[2], channels: shape.count == 4 ? shape[3] : 1,
      labels: isWhole ? labelBytes : labelBytes.map { Array($0[range]) },
      classNames: ClassNames.read(in: directory, for: labelBytes, onNote: onNote))
  }
}
