import Files
import Foundation

/// A directory with one file of images, from which a test split is held out.
struct SingleFile {
  private let directory: String
  private let images: FilePath
  private let labels: FilePath?
  /// Of another type, and so of no use.
  private let unreadable: FileError?

  init(in directory: String) throws(FileError) {
    var (images, labels): ([FilePath], [FilePath]) = ([], [])
    var unreadable: FileError?
    for path in try Self.files(in: directory) {
      guard let header = try IDXFile.header(of: path) else { continue }
      if IDXFile.areLabels(header) {
        labels.append(path)
      } else if header.type == .unsignedBytes {
        images.append(path)
      } else {
        unreadable = IDXFile.otherType(path.description, header)
      }
    }
    if let unreadable, images.isEmpty { throw unreadable }
    guard images.count == 1, labels.count <= 1 else {
      throw FileError(
        images.isEmpty ? .missing : .malformed, directory,
        "holds \(images.count) IDX files of images and \(labels.count) of labels",
        remedy: Self.renaming(images, labels) ?? Self.elsewhere(in: directory)
          ?? "give a directory with the four files of MNIST, or with one file of images and at most one "
          + "of labels; or use the built-in data: inkflow train synthetic")
    }
    self.directory = directory
    self.images = images[0]
    self.labels = labels.first
    self.unreadable = unreadable
  }

  func load(
    _ split: ImageDataset.Split, name: String, onNote: (String) -> Void
  ) throws(FileError) -> ImageDataset {
    if let split = OfficialFiles.split(of: images) {
      onNote(
        "'\(images)' is used alone, and a part of it held out: '\(directory)' has no file of the "
          + "\(split == .train ? "test" : "training") images beside it")
    }
    if let unreadable { onNote("'\(unreadable.path)' \(unreadable.problem), and is passed over") }
    return try ImageDataset(
      name: name, split: split, images: images, labels: labels, in: directory,
      range: { (count) throws(FileError) in
        guard count >= 2 else {
          throw FileError(
            .malformed, images.description, "has one image",
            remedy: "give at least two: one to train on, one held out")
        }
        let trainCount = count - min((count + 9) / 10, 10_000)
        return split == .train ? 0..<trainCount : trainCount..<count
      }, onNote: onNote)
  }

  /// The visible regular files in `directory`, by name; of a file and its `.gz`, the former.
  static func files(in directory: String, except known: [FilePath] = []) throws(FileError) -> [FilePath] {
    let names: [FilePath]
    do throws(FileError) {
      names = try FilePath(directory).names()
    } catch {
      throw FileError(
        .missing, directory, "is not a readable directory",
        remedy: "give a directory with IDX files, or one of "
          + ImageDataset.names.joined(separator: ", "))
    }
    return
      names
      .filter {
        !$0.isHidden && !($0.hasSuffix(".gz") && names.contains($0.dropLast(3))) && !known.contains($0)
      }
      .map { FilePath(directory).appending($0) }
      .filter { $0.kind == .file }
  }

  // MARK: What to do about a directory that can't be used

  /// What to rename to what, where names tell what the files hold, as those of EMNIST and QMNIST.
  private static func renaming(_ images: [FilePath], _ labels: [FilePath]) -> String? {
    let found = renames(images, .images) + renames(labels, .labels)
    // Of several sets in one directory, the first is the example.
    guard let set = found.first?.set else { return nil }
    let first = found.filter { $0.set == set }
    let wanted = first.filter { $0.name != $0.target }
    guard Set(first.map(\.target)).count == first.count, !wanted.isEmpty,
      ImageDataset.Split.allCases.allSatisfy({ split in
        first.contains { $0.target.hasPrefix(OfficialFiles.name(split, .images)) }
      })
    else { return nil }
    return (first.count < found.count ? "give each set a directory of its own, and rename there " : "rename ")
      + wanted.map { "'\($0.name)' to '\($0.target)'" }.joined(separator: ", ")
      + (set.lowercased().contains("emnist") ? " (\(ImageDataset.emnistNote))" : "")
  }

  /// The official names of files whose own names tell their split; `set` is what these begin with.
  static func renames(
    _ paths: [FilePath], _ content: OfficialFiles.Content
  ) -> [(name: String, target: String, set: String)] {
    let names = paths.map(\.name.description)
    return [(ImageDataset.Split.train, ["train"]), (.test, ["t10k", "test", "val"])].flatMap { split, words in
      names.compactMap { name in
        let place = words.lazy.compactMap { name.range(of: $0, options: .caseInsensitive) }.first
        return place.map {
          (
            name, OfficialFiles.name(split, content) + (name.hasSuffix(".gz") ? ".gz" : ""),
            String(name[..<$0.lowerBound])
          )
        }
      }
    }
  }

  /// What else the directory holds that could be used: a folder of IDX files, as `raw` in that of torchvision, or
  /// pictures.
  private static func elsewhere(in directory: String) -> String? {
    guard let tree = try? PictureTree(FilePath(directory)) else { return nil }
    if let folder = tree.folders.first(where: { OfficialFiles(in: $0.path.description) != nil }) {
      return "name the folder '\(folder.path)', which holds a data set"
    }
    return tree.holdsPictures
      ? "it holds pictures; make a data set of them first: inkflow import-images \(directory) --output DIRECTORY"
      : nil
  }
}
