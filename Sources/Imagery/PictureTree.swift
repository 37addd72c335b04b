import Files

/// A folder with all the files and folders that lie in it, however deep.
struct PictureTree: Sendable {
  let path: FilePath
  /// Those that lie in the folder itself.
  let files: [FilePath]
  /// Those in which a file lies somewhere.
  let folders: [PictureTree]
  /// Hidden files and folders, what other programs leave, empty folders, and links to a folder around them.
  let passedOver: [FilePath]

  /// - Throws: `FileError` if the folder or one within it can't be listed.
  init(_ path: FilePath, within ancestors: Set<FileIdentity> = []) throws(FileError) {
    self.path = path
    var (files, folders, passedOver): ([FilePath], [PictureTree], [FilePath]) = ([], [], [])
    let around = path.status.identity.map { ancestors.union([$0]) } ?? ancestors
    for name in try path.names() {
      let path = path.appending(name)
      let (kind, identity) = path.status
      if name.isHidden || Self.leftovers.contains(name.description.lowercased()) {
        passedOver.append(path)
      } else if kind != .directory {
        files.append(path)
      } else if let identity, around.contains(identity) {
        passedOver.append(path)
      } else {
        let folder = try PictureTree(path, within: around)
        passedOver += folder.passedOver
        if folder.files.isEmpty && folder.folders.isEmpty {
          passedOver.append(path)
        } else {
          folders.append(folder)
        }
      }
    }
    (self.files, self.folders, self.passedOver) = (files, folders, passedOver)
  }

  /// What network storage and operating systems leave among one's pictures, in lower case: thumbnails, waste, settings.
  private static let leftovers: Set = [
    "@eadir", "@tmp", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "thumbs.db", "ehthumbs.db",
    "desktop.ini", "picasa.ini", "icon\\x0d", "__macosx", "lost+found", "$recycle.bin",
    "system volume information",
  ]

  /// All files, by their paths.
  var allFiles: [FilePath] { (files + folders.flatMap(\.allFiles)).sorted() }

  /// The files of the folder itself that are pictures.
  var pictures: [FilePath] { files.filter(Self.isPicture) }

  /// Whether any file, however deep, is a picture.
  var holdsPictures: Bool {
    files.contains(where: Self.isPicture) || folders.contains(where: \.holdsPictures)
  }

  /// By its name, or else by its first bytes. It may still be unusable.
  private static func isPicture(_ path: FilePath) -> Bool {
    ["jpg", "jpeg", "png"].contains(path.description.fileExtension)
      || PictureFormat(of: path)?.isPicture ?? false
  }
}

/// What a folder's name says that its pictures are for, as torchvision's and fastai's users name them.
enum SplitName: Hashable {
  case train, validation, test

  init?(_ name: FilePath) { self.init(word: name.description) }

  /// The first word of a name that could be a split's: "seg_train".
  init?(mentionedIn name: FilePath) {
    let words = name.description.split { !$0.isLetter }
    guard let split = words.lazy.compactMap({ Self(word: String($0)) }).first else { return nil }
    self = split
  }

  private init?(word: String) {
    switch word.lowercased() {
    case "train", "training": self = .train
    case "val", "valid", "validation": self = .validation
    case "test", "testing": self = .test
    default: return nil
    }
  }
}
