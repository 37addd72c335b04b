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
    return decoded(text)
  }()

  /// The file with an EXIF segment after its first marker.
  static func turned(_ orientation: UInt16) -> [UInt8] {
    bytes[..<2] + OrientationTests.exif(OrientationTests.tiff(orientation, bigEndian: true)) + bytes[2...]
  }

  /// Files of 32×32 pixels, quality 90, made by libjpeg's `jpeg_write_scanlines` with Adobe's marker: four quadrants of
  /// the inks C, M, Y, K, of which 255 is none.
  static let inks: [[UInt8]] = [
    [200, 100, 50, 255], [255, 255, 0, 128], [30, 220, 240, 255], [255, 255, 255, 64],
  ]

  static let cmyk = decoded(
    """
    /9j/7gAOQWRvYmUAZAAAAAAA/9sAQwADAgIDAgIDAwMDBAMDBAUIBQUEBAUKBwcGCAwKDAwLCgsLDQ4SEA0OEQ4LCxAWEBETFBUV
    FQwPFxgWFBgSFBUU/8AAFAgAIAAgBEMRAE0RAFkRAEsRAP/EABkAAQADAQEAAAAAAAAAAAAAAAAHCAkKBv/EABQQAQAAAAAAAAAA
    AAAAAAAAAAD/2gAOBEMATQBZAEsAAD8AuAjRS9qmALJtnlemVgArYxhWFapgCybZ5XplYAOadELqAapgDpYS89QwBAHNOiF5dv8A
    ADpYS89QwBAH/9k=
    """)

  static let ycck = decoded(
    """
    /9j/7gAOQWRvYmUAZAAAAAAC/9sAQwADAgIDAgIDAwMDBAMDBAUIBQUEBAUKBwcGCAwKDAwLCgsLDQ4SEA0OEQ4LCxAWEBETFBUV
    FQwPFxgWFBgSFBUU/9sAQwEDBAQFBAUJBQUJFA0LDRQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQU
    FBQUFBQU/8AAFAgAIAAgBAERAAIRAQMRAQQRAP/EABcAAQEBAQAAAAAAAAAAAAAAAAAJCAT/xAAUEAEAAAAAAAAAAAAAAAAAAAAA
    /8QAFwEBAQEBAAAAAAAAAAAAAAAAAAcJCP/EABQRAQAAAAAAAAAAAAAAAAAAAAD/2gAOBAEAAhEDEQQAAD8A6Fwc3qpgCd7uNWEr
    ABRBw4k6qYAne7jVhKwAajYeNO1UwBg9cGfiAIA3gh7QNf4AYPXBn4gCAP/Z
    """)

  private static func decoded(_ text: String) -> [UInt8] {
    guard let data = Data(base64Encoded: text, options: .ignoreUnknownCharacters) else {
      preconditionFailure("the fixture is not base 64")
    }
    return [UInt8](data)
  }
}
