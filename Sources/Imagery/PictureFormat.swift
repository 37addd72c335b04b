import Files
import Foundation

/// What a file is by its first bytes, whatever its name.
enum PictureFormat: CaseIterable {
  case jpeg, png
  case applePNG, webp, gif, bmp, tiff, heif, jpegXL, jpeg2000, photoshop
  case webPage, nothing

  /// Bytes that `init` needs to see.
  static let headSize = 64

  /// Nil for any other content.
  init?(_ head: some Sequence<UInt8>) {
    let head = Array(head.prefix(Self.headSize))
    func holds(_ text: String, at offset: Int = 0) -> Bool { head.dropFirst(offset).starts(with: text.utf8) }
    // Stray bytes may follow a JPEG file's first marker, so that more of it can't be asked for.
    if head.starts(with: [0xFF, 0xD8]) {
      self = .jpeg
    } else if head.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
      // Xcode's "optimised" pictures, which no other program reads.
      self = holds("CgBI", at: 12) ? .applePNG : .png
    } else if holds("RIFF") && holds("WEBP", at: 8) {
      self = .webp
    } else if holds("GIF8") {
      self = .gif
    } else if holds("BM") && head.count >= 14 && head[6..<10].allSatisfy({ $0 == 0 }) {
      self = .bmp
    } else if holds("II*\0") || holds("MM\0*") {
      self = .tiff
    } else if holds("ftyp", at: 4)
      && ["heic", "heix", "hevc", "mif1", "msf1", "avif", "avis"].contains(where: { holds($0, at: 8) })
    {
      self = .heif
    } else if head.starts(with: [0xFF, 0x0A]) || holds("JXL ", at: 4) {
      self = .jpegXL
    } else if holds("jP  ", at: 4) {
      self = .jpeg2000
    } else if holds("8BPS") {
      self = .photoshop
    } else if head.isEmpty {
      self = .nothing
    } else {
      let text = String(decoding: head, as: UTF8.self).trimmingCharacters(in: .whitespacesAndNewlines)
        .lowercased()
      guard text.hasPrefix("<!doctype html") || text.hasPrefix("<html") else { return nil }
      self = .webPage
    }
  }

  /// Of the file at `path`; nil too where it can't be read.
  init?(of path: FilePath) {
    guard let file = try? openForReading(path) else { return nil }
    defer { close(file.descriptor) }
    var head = [UInt8](repeating: 0, count: Self.headSize)
    let count = read(file.descriptor, &head, head.count)
    guard count >= 0 else { return nil }
    self.init(head[..<count])
  }

  /// Whether it shows a picture, be it one that can be read here or not.
  var isPicture: Bool { ![.webPage, .nothing].contains(self) }

  /// What is the matter with such a file, if it is neither JPEG nor PNG, and what to do about it.
  static func problem(_ format: PictureFormat?) -> (problem: String, remedy: String) {
    let convert = "convert it to JPEG or PNG, or leave it out"
    func kind(_ name: String) -> (String, String) { ("is a \(name) picture, whatever its name", convert) }
    return switch format {
    case .jpeg, .png: preconditionFailure("JPEG and PNG files are read")
    case .applePNG: ("is a PNG picture of Apple's own kind (CgBI)", convert)
    case .webp: kind("WebP")
    case .gif: kind("GIF")
    case .bmp: kind("BMP")
    case .tiff: kind("TIFF")
    case .heif: kind("HEIF or AVIF")
    case .jpegXL: kind("JPEG XL")
    case .jpeg2000: kind("JPEG 2000")
    case .photoshop: kind("Photoshop")
    case .webPage: ("is a web page, not a picture", "get the file again from its source")
    case .nothing: ("is empty", "get the file again from its source")
    case nil: ("is neither a JPEG nor a PNG file", convert)
    }
  }
}
