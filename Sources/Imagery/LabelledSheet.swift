import Files

/// A sheet of images whose rows and columns say what they are.
public struct LabelledSheet: Sendable {
  /// What it can be written as.
  public static let fileExtensions = ["svg", "png"]

  public let title: String
  public let sheet: PNGImage
  /// Above the sheet, each over an equal part of its width.
  public let columns: [String]
  /// To the left of the sheet, each beside an equal part of its height.
  public let rows: [String]
  /// Below each cell, in reading order; nil for none.
  public let captions: Captions?

  /// Texts of a row's columns, and those of the next row.
  public struct Captions: Sendable {
    public let texts: [String]
    /// Pixels of the sheet around and between its cells, in which the texts stand: at least 20.
    public let gap: Int

    public init(_ texts: [String], gap: Int) { (self.texts, self.gap) = (texts, gap) }
  }

  public init(
    title: String, _ sheet: PNGImage, columns: [String], rows: [String], captions: Captions? = nil
  ) {
    self.title = title
    self.sheet = sheet
    self.columns = columns
    self.rows = rows
    self.captions = captions
  }

  /// The sheet with its labels as an SVG file's content.
  public func svg(text: [(key: String, value: String)] = []) -> String {
    let (width, height) = (Double(sheet.width), Double(sheet.height))
    let cell = width / Double(max(columns.count, 1))
    let widest = columns.map { SVG.width(of: $0) }.max() ?? 0
    // Labels that are wider than their column lean to the right, from its middle on.
    let isSlanted = widest > cell
    // Whole numbers, or the sheet's pixels would lie between the screen's.
    let left = ((rows.map { SVG.width(of: $0) }.max() ?? 0) + 20).rounded(.up)
    // By 30°, whose sine and cosine these are.
    let top = (52 + (columns.isEmpty ? 0 : isSlanted ? 0.5 * widest + 20 : 24)).rounded(.up)
    let right = isSlanted ? max(12, 0.87 * widest - cell / 2 + 8) : 12
    let pictureWidth = max(left + width + right, SVG.width(of: title, size: SVG.titleSize) + 32)
    var body = SVG.text(title, x: pictureWidth / 2, y: 30, attributes: " class=\"title\"")
    for (index, label) in columns.enumerated() {
      let x = left + (Double(index) + 0.5) * cell
      body += SVG.text(
        label, x: x, y: top - 8, anchor: isSlanted ? "start" : "middle",
        attributes: isSlanted ? " transform=\"rotate(-30 \(SVG.number(x)) \(SVG.number(top - 8)))\"" : "")
    }
    for (index, label) in rows.enumerated() {
      let y = top + (Double(index) + 0.5) * height / Double(rows.count)
      body += SVG.text(label, x: left - 8, y: y + 4.5, anchor: "end")
    }
    body += SVG.image(sheet, x: left, y: top, width: width, height: height)
    if let captions, !columns.isEmpty {
      let gap = Double(captions.gap)
      let (across, down) = ((width - gap) / Double(columns.count), (height - gap) / Double(rows.count))
      for (index, text) in captions.texts.enumerated() {
        let (row, column) = index.quotientAndRemainder(dividingBy: columns.count)
        // The sheet's ground is dark on any screen.
        body += SVG.text(
          text, x: left + (gap + Double(2 * column + 1) * across) / 2,
          y: top + Double(row + 1) * down + gap / 2 + 4.5,
          attributes: " style=\"fill:#e4e5e9\"")
      }
    }
    return SVG.document(width: pictureWidth, height: top + height + 12, title: title, text: text, body)
  }

  /// Writes `.svg`, with labels, or `.png`, the sheet alone, all or nothing.
  ///
  /// - Throws: `.cannotCreate` for other extensions.
  public func write(to path: String, text: [(key: String, value: String)] = []) throws(FileError) {
    try requireExtension(of: path, Self.fileExtensions)
    if path.fileExtension == "png" { return try sheet.write(to: path, text: text) }
    try writeDurably(path, Array(svg(text: text).utf8))
  }
}

/// Makes sure that a picture's name says what it will hold. Call it before long work.
///
/// - Throws: `.cannotCreate` if the path has none of the extensions, in capitals or not.
package func requireExtension(of path: String, _ extensions: [String] = ["png"]) throws(FileError) {
  guard !extensions.contains(path.fileExtension) else { return }
  let names = extensions.map { "." + $0 }.joined(separator: " or ")
  throw FileError(.cannotCreate, path, "doesn't end in \(names)", remedy: "name a file that does")
}
