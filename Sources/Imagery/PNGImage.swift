import CPNG
import Files

/// An 8-bit image, grey or RGB, as PNG stores it.
public struct PNGImage: Equatable, Sendable {
  public let width: Int
  public let height: Int
  /// 1 (grey) or 3 (RGB).
  public let channels: Int
  /// [height, width, channels], row-major.
  public let pixels: [UInt8]

  /// - Precondition: both sides positive, 1 or 3 channels, `pixels` of that size.
  public init(width: Int, height: Int, channels: Int, pixels: [UInt8]) {
    precondition(width > 0 && height > 0, "an image of \(width)×\(height) has no pixels")
    precondition(channels == 1 || channels == 3, "\(channels) channels: 1 is grey, 3 is RGB")
    precondition(pixels.count == width * height * channels, "\(pixels.count) bytes for another size")
    self.width = width
    self.height = height
    self.channels = channels
    self.pixels = pixels
  }

  /// The image as the bytes of a PNG file, with `text` (keyword, value) in front of the image data.
  ///
  /// - Throws: if a side exceeds libpng's limit of a million pixels.
  public func encoded(text: [(key: String, value: String)] = []) throws(PNGError) -> [UInt8] {
    // libpng reports errors by longjmp, which must not cross Swift; its simplified API doesn't let one out.
    var image = png_image()
    image.version = UInt32(PNG_IMAGE_VERSION)
    image.width = UInt32(width)
    image.height = UInt32(height)
    image.format = Self.format(channels: channels)
    defer { png_image_free(&image) }
    // Once for the size, once for the bytes.
    var size = 0
    guard png_image_write_to_memory(&image, nil, &size, 0, pixels, 0, nil) != 0 else {
      throw PNGError(reason: Self.message(of: image))
    }
    var bytes = [UInt8](repeating: 0, count: size)
    guard png_image_write_to_memory(&image, &bytes, &size, 0, pixels, 0, nil) != 0 else {
      throw PNGError(reason: Self.message(of: image))
    }
    return PNGChunks.inserting(text: text, into: bytes)
  }

  /// Writes the image to `path`, all or nothing.
  public func write(to path: String, text: [(key: String, value: String)] = []) throws(FileError) {
    let bytes: [UInt8]
    do {
      bytes = try encoded(text: text)
    } catch {
      throw error.fileError(path, width: width, height: height)
    }
    try writeDurably(path, bytes)
  }

  /// The image in the bytes of a PNG file: grey or RGB of at most 8 bits, palettes as RGB.
  ///
  /// - Parameters:
  ///   - onWhite: whether transparency is laid on white (in linear light) and 16 bits are rounded to 8; both are
  ///     refused otherwise.
  ///   - maximumPixelCount: bounds what a few bytes of hostile header can make us allocate.
  public static func decode(
    _ bytes: [UInt8], onWhite: Bool = false, maximumPixelCount: Int = 1 << 28
  ) throws(PNGError) -> PNGImage {
    var image = png_image()
    image.version = UInt32(PNG_IMAGE_VERSION)
    defer { png_image_free(&image) }
    return try bytes.span.bytes.withUnsafeBytes { (source) throws(PNGError) in
      guard png_image_begin_read_from_memory(&image, source.baseAddress, source.count) != 0 else {
        throw PNGError(reason: message(of: image))
      }
      let found = image.format
      let special = UInt32(PNG_FORMAT_FLAG_ALPHA) | UInt32(PNG_FORMAT_FLAG_LINEAR)
      guard onWhite || found & special == 0 else {
        throw PNGError(reason: "it has transparency or 16 bits", remedy: "convert it to 8-bit grey or RGB")
      }
      let channels = found & UInt32(PNG_FORMAT_FLAG_COLOR) == 0 ? 1 : 3
      image.format = format(channels: channels)
      let (width, height) = (Int(image.width), Int(image.height))
      guard width * height <= maximumPixelCount else {
        throw PNGError(
          reason: "\(width)×\(height) is more than \(maximumPixelCount) pixels", remedy: "scale it down")
      }
      var pixels = [UInt8](repeating: 0, count: width * height * channels)
      // 16 bits without a stated gamma are sRGB, as every program writes them; libpng would take them for linear.
      image.flags |= UInt32(PNG_IMAGE_FLAG_16BIT_sRGB)
      var white = png_color(red: 255, green: 255, blue: 255)
      guard png_image_finish_read(&image, &white, &pixels, 0, nil) != 0 else {
        throw PNGError(reason: message(of: image))
      }
      return PNGImage(width: width, height: height, channels: channels, pixels: pixels)
    }
  }

  private static func format(channels: Int) -> UInt32 {
    channels == 1 ? UInt32(PNG_FORMAT_GRAY) : UInt32(PNG_FORMAT_RGB)
  }

  private static func message(of image: png_image) -> String {
    withUnsafeBytes(of: image.message) { String(decoding: $0.prefix(while: { $0 != 0 }), as: UTF8.self) }
  }
}

/// Why an image can't be made into a PNG file, or a PNG file into an image.
public struct PNGError: Error, Equatable, Sendable, CustomStringConvertible {
  public let reason: String
  /// What to do about it, where another copy would be no better.
  public let remedy: String?

  init(reason: String, remedy: String? = nil) { (self.reason, self.remedy) = (reason, remedy) }

  public var description: String { "unusable PNG image: \(reason)" }

  /// The same of a file that was to hold an image.
  func fileError(_ path: String, width: Int, height: Int) -> FileError {
    FileError(
      .cannotCreate, path, "can't hold an image of \(width)×\(height) (\(reason))",
      remedy: "make the picture smaller: fewer images, or another number of columns")
  }
}
