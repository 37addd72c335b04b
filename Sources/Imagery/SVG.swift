import Foundation

/// The text of SVG files: one writer for plots and labelled sheets.
enum SVG {
  /// Sizes of letters in pixels.
  static let (textSize, titleSize) = (13.0, 16.0)

  /// Colours of what isn't data, for light and dark screens. Under a class of its own: a page may hold the file's content.
  private static let style = """
    .inkflow text{font:13px system-ui,sans-serif;fill:#24262c}.inkflow .title{font-size:16px;font-weight:600}
    .inkflow .paper{fill:#fff}.inkflow .axis{fill:none;stroke:#24262c}
    @media (prefers-color-scheme:dark){.inkflow text{fill:#e4e5e9}.inkflow .paper{fill:#17191e}.inkflow .axis{stroke:#b4b7bf}}
    """

  /// A whole file.
  ///
  /// - Parameter text: what the picture was made of (keyword, value), for those who look into the file.
  static func document(
    width: Double, height: Double, title: String, text: [(key: String, value: String)], _ body: String
  ) -> String {
    let (width, height) = (number(width.rounded(.up)), number(height.rounded(.up)))
    let entries = text.map { "<entry key=\"\(escaped($0.key))\">\(escaped($0.value))</entry>" }.joined()
    return """
      <svg xmlns="http://www.w3.org/2000/svg" class="inkflow" role="img" width="\(width)" height="\(height)" \
      viewBox="0 0 \(width) \(height)">
      <title>\(escaped(title))</title>
      <metadata><entries xmlns="urn:inkflow">\(entries)</entries></metadata>
      <style>\(style)</style>
      <rect class="paper" width="\(width)" height="\(height)"/>
      \(body)</svg>

      """
  }

  /// Two decimals at most: a hundredth of a pixel.
  static func number(_ value: Double) -> String {
    let hundredths = Int((value * 100).rounded())
    let (whole, rest) = abs(hundredths).quotientAndRemainder(dividingBy: 100)
    let decimals = rest == 0 ? "" : rest % 10 == 0 ? ".\(rest / 10)" : rest < 10 ? ".0\(rest)" : ".\(rest)"
    return (hundredths < 0 ? "-" : "") + "\(whole)" + decimals
  }

  /// Text as XML can hold it: control characters, which it can't, become a replacement character.
  static func escaped(_ text: String) -> String {
    text.unicodeScalars.reduce(into: "") { result, scalar in
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "\t", "\n", "\r": result += "&#\(scalar.value);"
      case "\u{0}"..."\u{1F}", "\u{FFFE}", "\u{FFFF}": result += "\u{FFFD}"
      default: result.unicodeScalars.append(scalar)
      }
    }
  }

  /// One line of text, `y` being its base line.
  ///
  /// - Parameter anchor: which part of the text lies at `x`: "start", "middle" or "end".
  static func text(
    _ text: String, x: Double, y: Double, anchor: String = "middle", attributes: String = ""
  ) -> String {
    "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\"\(attributes)>\(escaped(text))</text>\n"
  }

  /// The room to leave for a text, whatever the viewer's font: sans-serif letters are narrower on average.
  static func width(of text: String, size: Double = textSize) -> Double { 0.62 * size * Double(text.count) }

  /// An image whose pixels stay squares at any size.
  static func image(_ image: PNGImage, x: Double, y: Double, width: Double, height: Double) -> String {
    let bytes: [UInt8]
    do { bytes = try image.encoded() } catch { preconditionFailure("an image too large for PNG: \(error)") }
    return """
      <image x="\(number(x))" y="\(number(y))" width="\(number(width))" height="\(number(height))" \
      preserveAspectRatio="none" style="image-rendering:pixelated" \
      href="data:image/png;base64,\(Data(bytes).base64EncodedString())"/>

      """
  }

  static func hexadecimal(_ color: PlotColor) -> String {
    let bytes = (0..<3).map { Int((min(max(color[$0], 0), 1) * 255).rounded()) }
    return "#" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}
