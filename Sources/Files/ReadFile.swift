import Foundation

/// All of a regular file, read once into one allocation.
///
/// - Parameter maximumSize: refuses larger files with `.malformed` before any memory is taken.
package func readFile(_ path: String, maximumSize: Int = .max) throws(FileError) -> [UInt8] {
  // O_NONBLOCK: opening a pipe would wait for its writer.
  let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
  guard descriptor >= 0 else {
    throw FileError(
      .missing, path, "can't be opened: \(systemErrorText())",
      remedy: "check the path and the file's permissions")
  }
  defer { close(descriptor) }
  var status = stat()
  guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
    throw FileError(.malformed, path, "is not a regular file", remedy: "name a file")
  }

  guard status.st_size <= maximumSize else {
    throw FileError(
      .malformed, path, "has \(status.st_size) bytes, more than the limit of \(maximumSize)",
      remedy: "give a smaller file")
  }
  var bytes = [UInt8](repeating: 0, count: Int(status.st_size))
  var filled = 0
  while filled < bytes.count {
    let count = bytes.withUnsafeMutableBytes {
      let rest = $0[filled...]
      return read(descriptor, UnsafeMutableRawBufferPointer(rebasing: rest).baseAddress, rest.count)
    }
    if count < 0 && errno == EINTR { continue }
    guard count > 0 else {
      let problem = count == 0 ? "became shorter while it was read" : "can't be read: \(systemErrorText())"
      throw FileError(
        .inputOutput, path, problem, remedy: "check the disk that it lies on and that no one writes to it")
    }
    filled += count
  }
  return bytes
}
