// By hand: Foundation's `NSString.deletingLastPathComponent` traps for "q" and "a/" (Swift 6.3 on Linux). By scalars: a
// slash with a combining accent behind it is one character, but still a slash.
extension String {
  /// The path of `name` in the directory at this path.
  package func appendingPath(_ name: String) -> String {
    isEmpty || unicodeScalars.last == "/" ? self + name : self + "/" + name
  }

  private var names: [String] { unicodeScalars.split(separator: "/").map { String($0) } }

  /// The directory that holds the file at this path; "." for a name alone, the root for itself.
  package var parentDirectory: String {
    let above = names.dropLast().joined(separator: "/")
    if unicodeScalars.first == "/" { return "/" + above }
    return above.isEmpty ? "." : above
  }

  /// The file's or directory's own name; empty for the root.
  package var lastPathComponent: String { names.last ?? "" }

  /// What follows the last dot of the file's name, in lower case: "svg". Empty for a hidden file without another dot.
  package var fileExtension: String {
    let name = lastPathComponent
    guard let dot = name.lastIndex(of: "."), dot > name.startIndex else { return "" }
    return name[name.index(after: dot)...].lowercased()
  }
}
