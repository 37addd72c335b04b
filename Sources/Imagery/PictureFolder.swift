import Files

/// The files of a folder of pictures, in the order of their names: `FOLDER/class/…/file`, or `FOLDER/file` for
/// pictures without classes; or either of these in each of the folders `train`, `val` and `test`.
public struct PictureFolder: Sendable {
  public struct Entry: Sendable {
    public let path: FilePath
    /// The index of its class among `classNames`; nil without classes.
    public let classIndex: Int?
    /// The split that its folder says; nil where none does.
    public let split: ImageDataset.Split?
  }

  public let path: String
  /// The names of the class folders, those that are not UTF-8 as `FilePath` shows them; nil without classes.
  public let classNames: [String]?
  /// By split, by class and then by path. What they hold, only reading them tells.
  public let entries: [Entry]
  /// Files and folders that are no entries: hidden ones, what other programs leave, empty ones, what lies beside class
  /// folders or splits.
  public let passedOver: [FilePath]
  /// What folders were taken for, in sentences, where their owner may have meant them otherwise.
  public let notes: [String]

  /// Lists the files of a folder's subfolders, however deep, or its own if no subfolder has any.
  ///
  /// - Throws: `.missing` if there is no such folder or no file in it; `.malformed` if pictures lie beside class
  ///   folders, splits beside other folders of pictures or within a class, or there are more classes than labels of
  ///   a byte.
  public init(_ path: String) throws(FileError) {
    self.path = path
    guard FilePath(path).kind == .directory else {
      throw FileError(.missing, path, "is not a folder", remedy: "name a folder of JPEG and PNG pictures")
    }
    let tree = try PictureTree(FilePath(path))
    guard !tree.allFiles.isEmpty else {
      throw FileError(
        .missing, path, "holds no files", remedy: "name a folder of pictures, or of folders of pictures")
    }
    let splits = try SplitFolders(tree)
    var (passedOver, notes) = (tree.passedOver + splits.passedOver, splits.notes)
    var parts: [(split: ImageDataset.Split?, classes: ClassFolders)] = []
    for (split, tree) in splits.parts {
      let classes = try ClassFolders(tree)
      passedOver += classes.passedOver
      parts.append((split, classes))
    }
    let folders = parts.flatMap(\.classes.folders)
    let names = Set(folders.map(\.path.name)).sorted()
    guard names.count <= 256 else {
      throw FileError(
        .malformed, path, "holds \(names.count) class folders, and a label is one byte",
        remedy: "keep at most 256")
    }
    for (split, classes) in parts where classes.folders.isEmpty && !names.isEmpty {
      notes.append("the \(split?.rawValue ?? "") pictures lie in no class folders, and so have no labels")
    }
    for (split, classes) in parts {
      guard classes.folders.count == 1, let folder = classes.folders.first, !folder.folders.isEmpty else {
        continue
      }
      notes.append(
        "all \(split.map { "\($0.rawValue) " } ?? "")pictures are of one class, '\(folder.path.name)'; if the folders in "
          + "it are the classes, " + (split == nil ? "import '\(folder.path)'" : "move them out of it"))
    }
    let indices = Dictionary(uniqueKeysWithValues: names.enumerated().map { ($1, $0) })
    entries = parts.flatMap { split, classes in
      classes.files.map { Entry(path: $0, classIndex: nil, split: split) }
        + classes.folders.flatMap { folder in
          folder.allFiles.map { Entry(path: $0, classIndex: indices[folder.path.name], split: split) }
        }
    }
    classNames = names.isEmpty ? nil : names.map(\.description)
    (self.passedOver, self.notes) = (passedOver.sorted(), notes)
  }
}

/// A folder, or that of a split, as folders of classes or as files without a class.
private struct ClassFolders {
  /// By name; empty if there are no classes.
  let folders: [PictureTree]
  /// Those without a class; empty if there are classes.
  let files: [FilePath]
  let passedOver: [FilePath]

  init(_ tree: PictureTree) throws(FileError) {
    // Folders of notes about pictures make no classes of these.
    let isFlat =
      tree.folders.isEmpty || !tree.pictures.isEmpty && !tree.folders.contains(where: \.holdsPictures)
    (folders, files) = isFlat ? ([], tree.files) : (tree.folders, [])
    passedOver = isFlat ? tree.folders.map(\.path) : tree.files
    if let folder = folders.first(where: \.holdsPictures), let loose = tree.pictures.first {
      throw FileError(
        .malformed, tree.path.description,
        "holds class folders, as '\(folder.path.name)', and beside them pictures, as '\(loose.name)'",
        remedy: "move these into a class folder of their own, or elsewhere")
    }
    for folder in folders { try Self.requireNoSplits(in: folder) }
  }

  /// Pictures to test with must not become pictures to train on.
  private static func requireNoSplits(in folder: PictureTree) throws(FileError) {
    let splits = folder.folders.filter { SplitName($0.path.name) != nil && $0.holdsPictures }
    guard splits.count < 2 else {
      throw FileError(
        .malformed, folder.path.description,
        "is taken for a class, or a part of one, but holds the splits "
          + splits.map { "'\($0.path.name)'" }.joined(separator: " and "),
        remedy: "import this folder itself, or put the classes into the splits: train/CLASS, test/CLASS")
    }
    for folder in folder.folders { try requireNoSplits(in: folder) }
  }
}
