import Foundation

/// A progressive JPEG file of 128×96 pixels, subsampled 4:2:0, quality 90, made by TurboJPEG's `tjCompress2`: four
/// quadrants of one colour each.
enum JPEGFixture {
  static let (width, height) = (128, 96)
  /// Top left, top right, bottom left, bottom right.
  static let colours: [[UInt8]] = [[200, 30, 30], [30, 160, 60], [40, 60, 210], [230, 220, 120]]

  static let bytes: [UInt8] = {
    let text = """
      /9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQ
      ERMUFRUVDA8XGBYUGBIUFRT/2wBDAQMEBAUEBQkFBQkUDQsNFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU
      FBQUFBQUFBQUFBQUFBT/wgARCABgAIADAREAAhEBAxEB/8QAFgABAQEAAAAAAAAAAAAAAAAAAAYI/8QAGAEBAQEBAQAAAAAA
      AAAAAAAAAAgGAQf/2gAMAwEAAhADEAAAAYDMe4gAACn7IQAAAmOV6AAAKfshAAACY5XoAAAp+yEAAAJjlegAACn7IQAAAmOV
      6AAAKfshAAACY5XoAAAp+yEAAAIujtcAAANeSjrwAABkOrsgAAANeSjrwAABkOrsgAAANeSjrwAABkOrsgAAANeSjrwAABkO
      rsgAAANeSjrwAABkOrsgAAANeSjrwAAB/8QAFBABAAAAAAAAAAAAAAAAAAAAcP/aAAgBAQABBQJA/8QAFBEBAAAAAAAAAAAA
      AAAAAAAAcP/aAAgBAwEBPwFA/8QAFBEBAAAAAAAAAAAAAAAAAAAAcP/aAAgBAgEBPwFA/8QAFBABAAAAAAAAAAAAAAAAAAAA
      cP/aAAgBAQAGPwJA/8QAFBABAAAAAAAAAAAAAAAAAAAAcP/aAAgBAQABPyFA/9oADAMBAAIAAwAAABD/AP8A/wBJJJL/AP8A
      /wBJJJL/AP8A/wBJJJL/AP8A/wBJJJL/AP8A/wBJJJL/AP8A/wBJJJIkkkltttskkkltttskkkltttskkkltttskkkltttsk
      kkltttv/xAAUEQEAAAAAAAAAAAAAAAAAAABw/9oACAEDAQE/EED/xAAUEQEAAAAAAAAAAAAAAAAAAABw/9oACAECAQE/EED/
      xAAUEAEAAAAAAAAAAAAAAAAAAABw/9oACAEBAAE/EED/2Q==
      """
    guard let data = Data(base64Encoded: text, options: .ignoreUnknownCharacters) else {
      preconditionFailure("the fixture is not base 64")
    }
    return [UInt8](data)
  }()

  /// The file with an EXIF segment after its first marker.
  static func turned(_ orientation: UInt16) -> [UInt8] {
    bytes[..<2] + OrientationTests.exif(OrientationTests.tiff(orientation, bigEndian: true)) + bytes[2...]
  }
}
