import Foundation

/// Makes a directory and those above it, where they are missing, each durably.
///
/// - Throws: `.cannotCreate`; `.inputOutput` if the disk doesn't take the new name.
package func createDirectory(_ path: String) throws(FileError) {
  var status = stat()
  if stat(path, &status) == 0 {
    guard status.st_mode & S_IFMT == S_IFDIR else {
      throw FileError(.cannotCreate, path, "is a file, not a directory", remedy: "name a directory")
    }
    return
  }
  let parent = path.parentDirectory
  // The root and "." exist; an empty path has nothing above it.
  if parent != path { try createDirectory(parent) }
  // Another process may have made it meanwhile.
  guard mkdir(path, 0o777) == 0 || errno == EEXIST && stat(path, &status) == 0 else {
    throw FileError(
      .cannotCreate, path, "can't be created: \(systemErrorText())",
      remedy: "name a directory in a place that is writable")
  }
  try syncDirectory(parent, of: path)
}

/// Makes the new name of `path` in `directory` durable.
func syncDirectory(_ directory: String, of path: String) throws(FileError) {
  let descriptor = openFile(directory, O_RDONLY | O_DIRECTORY)
  guard descriptor >= 0 else {
    throw writingFailure(path, "was written, but its directory can't be opened to sync it")
  }
  defer { close(descriptor) }
  // EINVAL, ENOTSUP: this file system doesn't sync directories.
  guard fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP else {
    throw writingFailure(path, "was written, but its directory can't be synced")
  }
}
