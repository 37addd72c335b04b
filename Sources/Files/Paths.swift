// By hand: Foundation's `NSString.deletingLastPathComponent` traps for a path of one letter (Swift 6.3 on Linux).
extension String {
  /// The path of `name` in the directory at this path.
  package func appendingPath(_ name: String) -> String {
    isEmpty || hasSuffix("/") ? self + name : self + "/" + name
  }

  /// The directory that holds the file at this path; "." for a name alone, the root for itself.
  package var parentDirectory: String {
    let path = withoutTrailingSlashes
    guard let slash = path.lastIndex(of: "/") else { return path.isEmpty && !isEmpty ? "/" : "." }
    let parent = path[..<slash].withoutTrailingSlashes
    return parent.isEmpty ? "/" : String(parent)
  }

  /// The file's or directory's own name; empty for the root.
  package var lastPathComponent: String {
    let path = withoutTrailingSlashes
    return String(path.lastIndex(of: "/").map { path[path.index(after: $0)...] } ?? path)
  }

  /// What follows the last dot of the file's name, in lower case: "svg". Empty for a hidden file without another dot.
  package var fileExtension: String {
    let name = lastPathComponent
    guard let dot = name.lastIndex(of: "."), dot > name.startIndex else { return "" }
    return name[name.index(after: dot)...].lowercased()
  }
}

extension StringProtocol {
  /// The root stays what it is, but for its slash, which `parentDirectory` puts back.
  fileprivate var withoutTrailingSlashes: SubSequence {
    self[..<(lastIndex { $0 != "/" }.map { index(after: $0) } ?? startIndex)]
  }
}
