import Files

/// A directory with a training and a test split under MNIST's names.
struct OfficialFiles {
  private let directory: String
  private let images: [ImageDataset.Split: FilePath]

  /// Nil unless the images of both splits are there.
  init?(in directory: String) {
    self.directory = directory
    var images: [ImageDataset.Split: FilePath] = [:]
    for split in ImageDataset.Split.allCases { images[split] = Self.find(split, .images, in: directory) }
    guard images.count == 2 else { return nil }
    self.images = images
  }

  func load(
    _ split: ImageDataset.Split, name: String, onNote: (String) -> Void
  ) throws(FileError) -> ImageDataset {
    guard let path = images[split] else { preconditionFailure("both splits were found") }
    let labels = ImageDataset.Split.allCases.map { Self.find($0, .labels, in: directory) }
    if labels.contains(nil) && labels.contains(where: { $0 != nil }) {
      let missing: ImageDataset.Split = labels[0] == nil ? .train : .test
      onNote(
        "'\(directory)' has no '\(Self.name(missing, .labels))': its \(missing.rawValue) split is used without labels"
      )
    }
    try noteUnused(onNote)
    return try ImageDataset(
      name: name, split: split, images: path, labels: Self.find(split, .labels, in: directory),
      in: directory, onNote: onNote)
  }

  /// Files of labels under other names would be missed without a word.
  private func noteUnused(_ onNote: (String) -> Void) throws(FileError) {
    let known = ImageDataset.Split.allCases.flatMap { split in
      Content.allCases.flatMap { Self.names(split, $0) }.map { FilePath($0) }
    }
    for path in try SingleFile.files(in: directory, except: known) {
      // What can't be read is none of our files.
      guard let header = try? IDXFile.header(of: path) else { continue }
      let target = IDXFile.areLabels(header) ? SingleFile.renames([path], .labels).first?.target : nil
      onNote(
        "'\(path)', IDX of \(header.type.text), is passed over: only files of the official names are used"
          + (target.map { "; for labels, rename it to '\($0)'" } ?? ""))
    }
  }

  enum Content: String, CaseIterable { case images, labels }

  /// The split that a file of images is named after, if it is.
  static func split(of images: FilePath) -> ImageDataset.Split? {
    ImageDataset.Split.allCases.first { names($0, .images).contains(images.name.description) }
  }

  /// The name of a file of grey images or of labels.
  static func name(_ split: ImageDataset.Split, _ content: Content) -> String { names(split, content)[0] }

  /// All names in use, raw before compressed, which is slower to read.
  private static func names(_ split: ImageDataset.Split, _ content: Content) -> [String] {
    let stem = "\(split.filePrefix)-\(content.rawValue)"
    let ranks = content == .images ? [3, 4] : [1]
    return ranks.flatMap { ["\(stem)-idx\($0)-ubyte", "\(stem).idx\($0)-ubyte"] }.flatMap {
      [$0, $0 + ".gz"]
    }
  }

  /// The first file that has one of the names; or that lies in a folder of one of them, as some archives unpack.
  private static func find(
    _ split: ImageDataset.Split, _ content: Content, in directory: String
  ) -> FilePath? {
    let names = names(split, content).map { FilePath($0) }
    let paths = names.map { FilePath(directory).appending($0) }
    return
      (paths + paths.filter { $0.kind == .directory }.flatMap { path in names.map { path.appending($0) } })
      .first { $0.kind == .file }
  }
}
