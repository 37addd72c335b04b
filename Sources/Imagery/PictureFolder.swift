import Files
import Foundation

/// The files of a folder of pictures, in the order of their names: `FOLDER/class/file`, or `FOLDER/file` for
/// pictures without classes.
public struct PictureFolder: Sendable {
  public struct Entry: Sendable {
    public let path: String
    /// The index of its class among `classNames`; 0 where there are none.
    public let classIndex: Int
  }

  public let path: String
  /// The names of the class folders; nil for a flat folder.
  public let classNames: [String]?
  /// By class and then by name. What they hold, only reading them tells.
  public let entries: [Entry]

  /// Lists the visible files of a folder's visible subfolders, or its own if no subfolder has any.
  ///
  /// - Throws: `.missing` if there is no such folder or no file in it, `.malformed` if pictures lie beside class
  ///   folders or there are more classes than labels of a byte.
  public init(_ path: String) throws(FileError) {
    self.path = path
    let top = try Self.list(path)
    let folders = try top.folders.map { (name) throws(FileError) in
      let folder = path.appendingPath(name)
      let files = try Self.list(folder).files
      return (name: name, files: files.map { folder.appendingPath($0) })
    }.filter { !$0.files.isEmpty }
    if folders.isEmpty {
      classNames = nil
      entries = top.files.map { Entry(path: path.appendingPath($0), classIndex: 0) }
    } else {
      if let loose = top.files.first(where: { Self.hasPictureSuffix($0) }) {
        throw FileError(
          .malformed, path, "holds class folders and beside them pictures, as '\(loose)'",
          remedy: "move these into a class folder of their own, or elsewhere")
      }
      guard folders.count <= 256 else {
        throw FileError(
          .malformed, path, "holds \(folders.count) class folders, and a label is one byte",
          remedy: "keep at most 256")
      }
      classNames = folders.map(\.name)
      entries = folders.enumerated().flatMap { index, folder in
        folder.files.map { Entry(path: $0, classIndex: index) }
      }
    }
    guard !entries.isEmpty else {
      throw FileError(
        .missing, path, "holds no files", remedy: "name a folder of pictures, or of folders of pictures")
    }
  }

  private static func hasPictureSuffix(_ name: String) -> Bool {
    ["jpg", "jpeg", "png"].contains(name.fileExtension)
  }

  /// The visible regular files and folders in `path`, each by name.
  private static func list(_ path: String) throws(FileError) -> (files: [String], folders: [String]) {
    let names: [String]
    do {
      names = try FileManager.default.contentsOfDirectory(atPath: path)
    } catch {
      throw FileError(
        .missing, path, "is not a readable folder", remedy: "name a folder of JPEG and PNG pictures")
    }
    var (files, folders): ([String], [String]) = ([], [])
    for name in names.sorted() where !name.hasPrefix(".") {
      var isDirectory: ObjCBool = false
      let isThere = FileManager.default.fileExists(
        atPath: path.appendingPath(name), isDirectory: &isDirectory)
      if isThere && isDirectory.boolValue { folders.append(name) } else { files.append(name) }
    }
    return (files, folders)
  }
}
