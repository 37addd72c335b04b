import Files
import Foundation

/// The names of a data set's classes: `classes.json` beside its IDX files, a list of texts by label. (JSON, as a name
/// may hold any character, a line's end too.)
package enum ClassNames {
  static let fileName = "classes.json"

  package static func write(_ names: [String], in directory: String) throws(FileError) {
    do {
      try writeDurably(directory.appendingPath(fileName), [UInt8](JSONEncoder().encode(names)) + [10])
    } catch let error as FileError {
      throw error
    } catch {
      preconditionFailure("a list of texts is JSON: \(error)")
    }
  }

  /// The names in `directory`; nil where there are none, or none that these labels can have. Nothing that is learnt
  /// depends on names, so that a file that can't be used is no error.
  static func read(in directory: String, for labels: [UInt8]?, onNote: (String) -> Void) -> [String]? {
    let path = directory.appendingPath(fileName)
    guard let labels, let highest = labels.max(), FilePath(path).kind == .file else { return nil }
    do {
      let names = try JSONDecoder().decode([String].self, from: Data(readFile(path, maximumSize: 1 << 20)))
      if names.count > highest { return names }
      onNote("'\(path)' names \(names.count) classes, and a label is \(highest): the names are left out")
    } catch let error as FileError {
      onNote("the names of the classes are left out: \(error)")
    } catch {
      onNote("'\(path)' is not a JSON list of texts: the names of the classes are left out")
    }
    return nil
  }
}
