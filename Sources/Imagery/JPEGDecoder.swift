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

  /// Why a file can't be decoded.
  public struct Failure: Error, Equatable, Sendable {
    public let reason: String
  }

  /// An RGB picture, [height, width, 3], row-major, perhaps smaller than the file's own width and height.
  public struct Picture: Sendable {
    public let width: Int
    public let height: Int
    public let pixels: [UInt8]
    public let fullWidth: Int
    public let fullHeight: Int
  }

  /// Decodes a file; grey becomes RGB. Damage that the library could paint over, as missing data, is an error too.
  ///
  /// A large picture comes at 1/2, 1/4 or 1/8 of its size, which saves most of the work: the library then leaves
  /// out the highest frequencies of each 8×8 block.
  ///
  /// - Parameters:
  ///   - shortSide: the least that the shorter side may have, where the file has so much.
  ///   - maximumPixelCount: refuses more, by the header.
  public func decode(
    _ bytes: [UInt8], shortSide: Int, maximumPixelCount: Int
  ) throws(Failure) -> Picture {
    guard let handle = functions.tjInitDecompress() else { throw Failure(reason: "no memory for a decoder") }
    defer { _ = functions.tjDestroy(handle) }
    func check(_ status: Int32) throws(Failure) {
      guard status == 0 else { throw Failure(reason: String(cString: functions.tjGetErrorStr2(handle))) }
    }
    var (width, height, subsampling, colourSpace) = (Int32(0), Int32(0), Int32(0), Int32(0))
    try check(
      functions.tjDecompressHeader3(
        handle, bytes, UInt(bytes.count), &width, &height, &subsampling, &colourSpace))
    let (fullWidth, fullHeight) = (Int(width), Int(height))
    guard fullWidth > 0 && fullHeight > 0 && fullWidth * fullHeight <= maximumPixelCount else {
      throw Failure(
        reason: "\(fullWidth)×\(fullHeight) is more than \(maximumPixelCount) pixels; scale it down")
    }
    // The scales whose transforms are as fast as the whole one's.
    let divisor = [8, 4, 2].first { min(fullWidth, fullHeight) / $0 >= shortSide } ?? 1
    let (scaledWidth, scaledHeight) = (
      (fullWidth + divisor - 1) / divisor, (fullHeight + divisor - 1) / divisor
    )
    var pixels = [UInt8](repeating: 0, count: scaledWidth * scaledHeight * 3)
    try check(
      functions.tjDecompress2(
        handle, bytes, UInt(bytes.count), &pixels, Int32(scaledWidth), 0, Int32(scaledHeight),
        Int32(INKFLOW_TJPF_RGB), Int32(INKFLOW_TJFLAG_LIMITSCANS)))
    return Picture(
      width: scaledWidth, height: scaledHeight, pixels: pixels, fullWidth: fullWidth, fullHeight: fullHeight)
  }
}
