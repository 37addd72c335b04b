import CTurboJPEG

/// Decodes JPEG files by libturbojpeg, which is looked for at run time.
public struct JPEGDecoder: Sendable {
  #if os(macOS)
    public static let libraryName = "libturbojpeg.0.dylib"
  #else
    public static let libraryName = "libturbojpeg.so.0"
  #endif

  private let functions: inkflow_turbojpeg

  /// Nil if this system lacks the library.
  public init?(library: String = Self.libraryName) {
    guard let functions = inkflow_open_turbojpeg(library) else { return nil }
    self.functions = functions.pointee
  }

  /// Why a file can't be decoded, and what to do about it.
  public struct Failure: Error, Equatable, Sendable {
    public let reason: String
    public let remedy: String
  }

  /// An RGB picture, [height, width, 3], row-major, perhaps smaller than the file's own width and height.
  public struct Picture: Sendable {
    public let width: Int
    public let height: Int
    public let pixels: [UInt8]
    public let fullWidth: Int
    public let fullHeight: Int
    /// Whether the file has bytes that belong to nothing, which harm no pixel.
    public let hasStrayBytes: Bool
  }

  /// Decodes a file; grey becomes RGB, as do CMYK and YCCK, by their inks' light and without a profile. Damage that the
  /// library could paint over, as missing data, is an error too; stray bytes between segments or before the end are not.
  ///
  /// A large picture comes at 1/2, 1/4 or 1/8 of its size, which saves most of the work: the library then leaves
  /// out the highest frequencies of each 8×8 block.
  ///
  /// - Parameters:
  ///   - shortSide: the least that the shorter side may have, where the file has so much.
  ///   - maximumPixelCount: refuses more, by the header.
  public func decode(
    _ file: [UInt8], shortSide: Int, maximumPixelCount: Int
  ) throws(Failure) -> Picture {
    guard let handle = functions.tjInitDecompress() else {
      throw Failure(reason: "no memory for a decoder", remedy: "run again when more memory is free")
    }
    defer { _ = functions.tjDestroy(handle) }
    let segments = JPEGSegments(file)
    let bytes = segments.bytes
    func check(_ status: Int32) throws(Failure) {
      guard status != 0 else { return }
      let reason = String(cString: functions.tjGetErrorStr2(handle))
      throw Failure(
        reason: reason,
        remedy: segments.isOrdinary && !reason.contains("scans")
          ? "get the file again from its source"
          : "convert it to an ordinary JPEG file or PNG, or leave it out")
    }
    var (width, height, subsampling, colourSpace) = (Int32(0), Int32(0), Int32(0), Int32(0))
    try check(
      functions.tjDecompressHeader3(
        handle, bytes, UInt(bytes.count), &width, &height, &subsampling, &colourSpace))
    let (fullWidth, fullHeight) = (Int(width), Int(height))
    // A file of tables alone passes for one of 0×0.
    guard fullWidth > 0 && fullHeight > 0 else {
      throw Failure(reason: "it holds no picture", remedy: "get the file again from its source")
    }
    guard fullWidth * fullHeight <= maximumPixelCount else {
      throw Failure(
        reason: "\(fullWidth)×\(fullHeight) is more than \(maximumPixelCount) pixels", remedy: "scale it down"
      )
    }
    // The scales whose transforms are as fast as the whole one's.
    let divisor = [8, 4, 2].first { min(fullWidth, fullHeight) / $0 >= shortSide } ?? 1
    let (scaledWidth, scaledHeight) = (
      (fullWidth + divisor - 1) / divisor, (fullHeight + divisor - 1) / divisor
    )
    let isOfInks = [INKFLOW_TJCS_CMYK, INKFLOW_TJCS_YCCK].contains { colourSpace == $0 }
    var pixels = [UInt8](repeating: 0, count: scaledWidth * scaledHeight * (isOfInks ? 4 : 3))
    let status = functions.tjDecompress2(
      handle, bytes, UInt(bytes.count), &pixels, Int32(scaledWidth), 0, Int32(scaledHeight),
      Int32(isOfInks ? INKFLOW_TJPF_CMYK : INKFLOW_TJPF_RGB), Int32(INKFLOW_TJFLAG_LIMITSCANS))
    // The library says its first warning: all was well up to the marker of the image's end.
    let endsLate =
      status != 0
      && String(cString: functions.tjGetErrorStr2(handle)).contains("extraneous bytes before marker 0xd9")
    if !endsLate { try check(status) }
    return Picture(
      width: scaledWidth, height: scaledHeight, pixels: isOfInks ? Self.light(ofInks: pixels) : pixels,
      fullWidth: fullWidth, fullHeight: fullHeight, hasStrayBytes: endsLate || segments.strayByteCount > 0)
  }

  /// RGB of CMYK as JPEG files have it: inverted, 255 for no ink, as Adobe's programs write it and browsers read it.
  private static func light(ofInks inks: [UInt8]) -> [UInt8] {
    var light: [UInt8] = []
    light.reserveCapacity(inks.count / 4 * 3)
    for pixel in stride(from: 0, to: inks.count, by: 4) {
      let black = Int(inks[pixel + 3])
      for ink in inks[pixel..<pixel + 3] { light.append(UInt8((Int(ink) * black + 127) / 255)) }
    }
    return light
  }
}
