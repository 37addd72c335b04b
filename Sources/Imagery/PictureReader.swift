import Files

/// Reads JPEG and PNG files, told apart by content, as small RGB squares.
public struct PictureReader: Sendable {
  /// Pixels of the largest picture that is decoded: bounds what a few bytes of hostile header can make us do.
  public static let maximumPixelCount = 1 << 26
  /// Bytes of the largest file that is read.
  public static let maximumFileSize = 1 << 28

  public let side: Int
  /// Nil on a system without libturbojpeg, where only JPEG files are refused.
  private let decoder: JPEGDecoder?

  /// - Parameter library: the name of libturbojpeg.
  public init(side: Int, library: String = JPEGDecoder.libraryName) {
    precondition(side > 0)
    self.side = side
    decoder = JPEGDecoder(library: library)
  }

  public struct Square: Sendable, Equatable {
    /// [side, side, 3], row-major.
    public let pixels: [UInt8]
    /// Whether the picture has fewer pixels than the square.
    public let isEnlarged: Bool
    /// What is odd about the file but harms no pixel; nil for most.
    public let note: String?
  }

  /// The centre square of a picture, turned as EXIF says. Transparency is laid on white. Colours are taken for
  /// sRGB, whatever profile is attached.
  ///
  /// - Throws: `FileError` if the file can't be used; `MissingJPEGLibrary`.
  public func square(_ path: String) throws -> Square { try square(FilePath(path)) }

  /// The same by a path of bytes, as a directory lists it.
  public func square(_ path: FilePath) throws -> Square {
    let bytes = try readFile(path, maximumSize: Self.maximumFileSize)
    switch PictureFormat(bytes) {
    case .jpeg: return try jpegSquare(bytes, path)
    case .png: return try pngSquare(bytes, path)
    case let other:
      let (problem, remedy) = PictureFormat.problem(other)
      throw FileError(.malformed, path.description, problem, remedy: remedy)
    }
  }

  private func jpegSquare(_ bytes: [UInt8], _ path: FilePath) throws -> Square {
    guard let decoder else { throw MissingJPEGLibrary(path: path.description) }
    let picture: JPEGDecoder.Picture
    do throws(JPEGDecoder.Failure) {
      // What is left to the filter is a reduction to half or less, which hides how the decoder reduced.
      picture = try decoder.decode(bytes, shortSide: 2 * side, maximumPixelCount: Self.maximumPixelCount)
    } catch {
      throw FileError(
        .malformed, path.description, "can't be decoded (\(error.reason))", remedy: error.remedy)
    }
    return Square(
      pixels: SquareResizer.centreSquare(
        picture.pixels, height: picture.height, width: picture.width, channels: 3, side: side,
        orientation: Orientation(jpeg: JPEGSegments(bytes).bytes)),
      isEnlarged: min(picture.fullHeight, picture.fullWidth) < side,
      note: picture.hasStrayBytes
        ? "'\(path)' holds stray bytes between its parts; its picture is whole" : nil)
  }

  private func pngSquare(_ bytes: [UInt8], _ path: FilePath) throws(FileError) -> Square {
    let picture: PNGImage
    do throws(PNGError) {
      picture = try PNGImage.decode(bytes, onWhite: true, maximumPixelCount: Self.maximumPixelCount)
    } catch {
      throw FileError(
        .malformed, path.description, "can't be decoded (\(error.reason))",
        remedy: error.remedy ?? "get the file again from its source")
    }
    return Square(
      pixels: SquareResizer.centreSquare(
        picture.pixels, height: picture.height, width: picture.width, channels: picture.channels, side: side,
        orientation: Orientation(png: bytes)),
      isEnlarged: min(picture.height, picture.width) < side, note: nil)
  }
}

/// A JPEG file was met on a system that can't decode it.
public struct MissingJPEGLibrary: Error, CustomStringConvertible, Equatable {
  public let path: String

  public var description: String {
    "'\(path)' is a JPEG file, and this system has no \(JPEGDecoder.libraryName) to decode it; install that "
      + "(Debian, Ubuntu: apt-get install libturbojpeg0; macOS: brew install jpeg-turbo), or convert the "
      + "pictures to PNG"
  }
}
