import Foundation
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// One element of an XML file, as Foundation's parser sees it.
final class Element {
  let name: String
  let attributes: [String: String]
  var children: [Element] = []
  var text = ""

  init(_ name: String, _ attributes: [String: String]) {
    self.name = name
    self.attributes = attributes
  }

  /// All elements of a name in or below this one, in the file's order.
  func all(_ name: String) -> [Element] {
    (self.name == name ? [self] : []) + children.flatMap { $0.all(name) }
  }

  func number(_ attribute: String) throws -> Double {
    try #require(attributes[attribute].flatMap { Double($0) })
  }
}

/// The root of an XML file that must be well-formed.
func parseXML(_ text: String) throws -> Element {
  final class Builder: NSObject, XMLParserDelegate {
    var open = [Element("", [:])]

    func parser(
      _ parser: XMLParser, didStartElement name: String, namespaceURI: String?, qualifiedName: String?,
      attributes: [String: String]
    ) {
      let element = Element(name, attributes)
      open[open.count - 1].children.append(element)
      open.append(element)
    }
    func parser(
      _ parser: XMLParser, didEndElement name: String, namespaceURI: String?, qualifiedName: String?
    ) { open.removeLast() }
    func parser(_ parser: XMLParser, foundCharacters string: String) { open[open.count - 1].text += string }
  }
  let (parser, builder) = (XMLParser(data: Data(text.utf8)), Builder())
  parser.delegate = builder
  try #require(parser.parse(), "\(String(describing: parser.parserError))")
  return try #require(builder.open[0].children.first)
}
