import Foundation

/// What a command has found: named values in their order. From them are made the lines that people read, the JSON object
/// for programs and the text chunks of a picture.
struct Report: Encodable {
  /// Names in snake case, as JSON has them.
  private(set) var entries: [(name: String, value: any ReportValue, text: String?)] = []
  /// Sentences below the lines, for people alone.
  var notes: [String] = []

  /// - Parameters:
  ///   - value: nil is left out.
  ///   - text: for people, if it is to differ from the value; empty to leave it to programs.
  mutating func add(_ name: String, _ value: (some ReportValue)?, as text: String? = nil) {
    guard let value else { return }
    entries.append((name, value, text == "" ? nil : text ?? value.text))
  }

  /// Rounded for people.
  mutating func add(_ name: String, _ value: Double?, digits: Int, unit: String = "") {
    add(name, value, as: value.map { Terminal.fixed($0, digits) + unit })
  }

  /// A value as people read it.
  func text(of name: String) -> String? { entries.first { $0.name == name }?.text }

  /// The chunks of a picture: the values of these names, as people read them.
  func pictureText(_ names: String...) -> [(key: String, value: String)] {
    [("software", "inkflow")] + entries.filter { names.contains($0.name) }.map { ($0.name, $0.text ?? "") }
  }

  /// One object on one line, its keys sorted.
  var json: String {
    get throws {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
      return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
  }

  /// A line for each value, the tables below them, then the notes.
  var text: String {
    let shown = entries.compactMap { entry in entry.text.map { (Self.label(entry.name), $0) } }
    let single = shown.filter { !$0.1.contains("\n") }
    let width = single.map(\.0.count).max() ?? 0
    let lines = single.map { $0.0 + String(repeating: " ", count: width + 2 - $0.0.count) + $0.1 }
    let tables = shown.filter { $0.1.contains("\n") }.flatMap { ["", $0.0 + ":", $0.1] }
    return (lines + tables + (tables.isEmpty || notes.isEmpty ? [] : [""]) + notes).joined(separator: "\n")
  }

  fileprivate static func label(_ name: String) -> String { name.replacing("_", with: " ") }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Name.self)
    for entry in entries { try container.encode(entry.value, forKey: Name(stringValue: entry.name)) }
  }

  private struct Name: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }
}

/// A value of a report, and how people read it.
protocol ReportValue: Encodable {
  var text: String { get }
}

extension String: ReportValue {
  var text: String { self }
}
extension Bool: ReportValue {
  var text: String { self ? "yes" : "no" }
}
extension Int: ReportValue {
  var text: String { "\(self)" }
}
extension UInt64: ReportValue {
  var text: String { "\(self)" }
}
extension Double: ReportValue {
  var text: String { Int(exactly: self).map(String.init) ?? String(format: "%.4g", self) }
}

/// Numbers of many samples: their range and mean. Texts: all of them. Reports of the same names: a table.
extension Array: ReportValue where Element: ReportValue {
  var text: String {
    switch self {
    case let rows as [Report]: return Report.table(rows)
    case let numbers as [Int]: return Self.range(numbers.map { Double($0) })
    case let numbers as [Double]: return Self.range(numbers)
    default: return map(\.text).joined(separator: ", ")
    }
  }

  private static func range(_ numbers: [Double]) -> String {
    guard let low = numbers.min(), let high = numbers.max() else { return "none" }
    if low == high { return low.text }
    let mean = numbers.reduce(0, +) / Double(numbers.count)
    return "\(low.text) to \(high.text), mean \(mean.text)"
  }
}

/// Reports within another are the rows of a table; its columns are the names of all of them, in order.
extension Report: ReportValue {
  fileprivate static func table(_ rows: [Report]) -> String {
    var names: [String] = []
    for row in rows {
      // A name that earlier rows lack goes after the one that it follows here.
      var place = 0
      for entry in row.entries where entry.text != nil {
        if let known = names.firstIndex(of: entry.name) {
          place = known + 1
        } else {
          names.insert(entry.name, at: place)
          place += 1
        }
      }
    }
    let header = names.map(label)
    let cells =
      [header]
      + rows.map { row in
        names.map { name in row.entries.first { $0.name == name }.flatMap(\.text) ?? "–" }
      }
    let widths = names.indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
    return cells.map { row in
      "  "
        + zip(row, widths).enumerated().map { column, cell in
          let space = String(repeating: " ", count: cell.1 - cell.0.count)
          return column == 0 ? cell.0 + space : space + cell.0
        }.joined(separator: "  ")
    }.joined(separator: "\n")
  }
}
