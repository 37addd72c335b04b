import Foundation

/// What lies at a path, links followed.
package enum FileKind: Sendable {
  case file, directory
  /// A pipe, a socket, a device.
  case special
  /// Nothing, or a link that leads nowhere, or nothing that may be looked at.
  case absent
}

/// A file or directory, and the same one by whatever path it is reached.
package struct FileIdentity: Hashable, Sendable {
  let device: UInt64
  let number: UInt64
}

extension FilePath {
  package var kind: FileKind { status.kind }

  /// What lies here; the identity is nil where that is nothing.
  package var status: (kind: FileKind, identity: FileIdentity?) {
    var status = stat()
    guard withCString({ stat($0, &status) }) == 0 else { return (.absent, nil) }
    let kind: FileKind =
      switch status.st_mode & S_IFMT {
      case S_IFREG: .file
      case S_IFDIR: .directory
      default: .special
      }
    return (kind, FileIdentity(device: UInt64(status.st_dev), number: UInt64(status.st_ino)))
  }

  /// The names in the directory here, hidden ones too, by their bytes.
  ///
  /// Foundation's listing makes text of the names, and those that are not UTF-8 then lead to no file.
  ///
  /// - Throws: `.missing` if there is no such directory, or it may not be read; `.inputOutput` if it can't be read to
  ///   its end.
  package func names() throws(FileError) -> [FilePath] {
    guard let directory = withCString({ opendir($0) }) else {
      throw FileError(
        .missing, description, "is not a readable directory: \(systemErrorText())",
        remedy: "check the path and the directory's permissions")
    }
    defer { closedir(directory) }
    guard let offset = MemoryLayout<dirent>.offset(of: \.d_name) else {
      preconditionFailure("a directory's entry has a name")
    }
    var names: [FilePath] = []
    while true {
      errno = 0
      guard let entry = readdir(directory) else { break }
      // Not by way of `d_name`: the copy would read beyond a short entry.
      let name = (UnsafeRawPointer(entry) + offset).assumingMemoryBound(to: CChar.self)
      let bytes = (0..<strlen(name)).map { UInt8(bitPattern: name[$0]) }
      if bytes != [0x2E] && bytes != [0x2E, 0x2E] { names.append(FilePath(bytes: bytes)) }
    }
    guard errno == 0 else {
      throw FileError(
        .inputOutput, description, "can't be listed to its end: \(systemErrorText())",
        remedy: "check the disk that it lies on")
    }
    return names.sorted()
  }
}
