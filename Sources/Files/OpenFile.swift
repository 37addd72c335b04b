import Foundation

/// Opens a file for this process alone, not for those that it starts: its descriptor, or -1 with `errno` set.
package func openFile(_ path: String, _ flags: Int32, mode: mode_t = 0o666) -> Int32 {
  openFile(FilePath(path), flags, mode: mode)
}

/// The same by a path of bytes.
package func openFile(_ path: FilePath, _ flags: Int32, mode: mode_t = 0o666) -> Int32 {
  path.withCString { path in retrying { open(path, flags | O_CLOEXEC, mode) } }
}

/// Repeats a system call for as long as signals interrupt it.
func retrying<Result: SignedInteger>(_ call: () -> Result) -> Result {
  while true {
    let result = call()
    if result >= 0 || errno != EINTR { return result }
  }
}

/// Opens a regular file to read it.
///
/// - Returns: its descriptor, which the caller closes, and its size in bytes.
/// - Throws: `.missing` if the file is absent or may not be read, `.malformed` if it is not a regular file.
package func openForReading(_ path: FilePath) throws(FileError) -> (descriptor: Int32, size: Int) {
  // O_NONBLOCK: opening a pipe would wait for its writer.
  let descriptor = openFile(path, O_RDONLY | O_NONBLOCK)
  guard descriptor >= 0 else {
    throw FileError(
      .missing, path.description, "can't be opened: \(systemErrorText())",
      remedy: "check the path and the file's permissions")
  }
  var status = stat()
  guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
    close(descriptor)
    throw FileError(.malformed, path.description, "is not a regular file", remedy: "name a file")
  }
  if isPointer(descriptor, size: Int(status.st_size)) {
    close(descriptor)
    throw FileError(
      .malformed, path.description, "is a pointer of Git LFS, not the file that it stands for",
      remedy: "run 'git lfs pull' in its repository, or download the file itself")
  }
  return (descriptor, Int(status.st_size))
}

/// Whether a file is the short text that Git LFS leaves in place of a large file until that is fetched
/// (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md).
private func isPointer(_ descriptor: Int32, size: Int) -> Bool {
  let beginning = Array("version https://git-lfs.github.com/spec/".utf8)
  guard size < 1024 else { return false }
  var bytes = [UInt8](repeating: 0, count: beginning.count)
  let count = retrying { pread(descriptor, &bytes, bytes.count, 0) }
  return count == beginning.count && bytes == beginning
}

/// All of a regular file, read once into one allocation.
///
/// - Parameter maximumSize: refuses larger files with `.malformed` before any memory is taken.
package func readFile(_ path: String, maximumSize: Int = .max) throws(FileError) -> [UInt8] {
  try readFile(FilePath(path), maximumSize: maximumSize)
}

/// The same by a path of bytes.
package func readFile(_ path: FilePath, maximumSize: Int = .max) throws(FileError) -> [UInt8] {
  let (descriptor, size) = try openForReading(path)
  defer { close(descriptor) }
  guard size <= maximumSize else {
    throw FileError(
      .malformed, path.description, "has \(size) bytes, more than the limit of \(maximumSize)",
      remedy: "give a smaller file")
  }
  var bytes = [UInt8](repeating: 0, count: size)
  var filled = 0
  while filled < size {
    let count = bytes.withUnsafeMutableBytes { buffer in
      retrying { read(descriptor, buffer.baseAddress?.advanced(by: filled), size - filled) }
    }
    guard count > 0 else {
      let problem = count == 0 ? "became shorter while it was read" : "can't be read: \(systemErrorText())"
      throw FileError(
        .inputOutput, path.description, problem,
        remedy: "check the disk that it lies on and that no one writes to it")
    }
    filled += count
  }
  return bytes
}
