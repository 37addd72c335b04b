import Foundation

extension String {
  /// The path of `name` in the directory at this path.
  package func appendingPath(_ name: String) -> String { (self as NSString).appendingPathComponent(name) }

  /// The directory that holds the file at this path; "." for a name alone.
  package var parentDirectory: String {
    // Not by deletingLastPathComponent, which traps on "r" and "a/" in Swift 6.3's Foundation.
    let names = unicodeScalars.split(separator: "/").dropLast().map { String($0) }
    if hasPrefix("/") { return "/" + names.joined(separator: "/") }
    return names.isEmpty ? "." : names.joined(separator: "/")
  }

  /// What follows the last dot of the file's name, in lower case: "svg".
  package var fileExtension: String { (self as NSString).pathExtension.lowercased() }
}
