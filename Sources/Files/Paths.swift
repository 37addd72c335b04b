import Foundation

extension String {
  /// The path of `name` in the directory at this path.
  package func appendingPath(_ name: String) -> String { (self as NSString).appendingPathComponent(name) }

  /// The directory that holds the file at this path; "." for a name alone.
  package var parentDirectory: String {
    let parent = (self as NSString).deletingLastPathComponent
    return parent.isEmpty ? "." : parent
  }

  /// What follows the last dot of the file's name, in lower case: "svg".
  package var fileExtension: String { (self as NSString).pathExtension.lowercased() }
}
