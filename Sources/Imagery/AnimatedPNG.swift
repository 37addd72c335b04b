import Files

/// Pictures of one size shown one after the other, over and over, in one file: APNG (PNG specification, third
/// edition, sections 4.9 and 11.3.6). Whatever knows PNG but not APNG shows the last frame, where these films arrive.
///
/// Every frame is encoded as a PNG file, whose compressed data is then taken over: that of the last one as IDAT, which is no
/// part of the film, and all as fdAT.
public struct AnimatedPNG: Equatable, Sendable {
  public let frames: [PNGImage]
  public let secondsPerFrame: Double
  /// How long the last frame stays.
  public let lastFrameSeconds: Double

  /// The format counts in 16 bits: here in milliseconds.
  private static let maximumSeconds = 65.535

  /// - Parameter lastFrameSeconds: nil for as long as the others.
  /// - Precondition: at least one frame, all of one size and number of channels, times from 0 to 65.535 s.
  public init(frames: [PNGImage], secondsPerFrame: Double, lastFrameSeconds: Double? = nil) {
    precondition(!frames.isEmpty, "an animation without frames")
    let first = frames[0]
    precondition(
      frames.allSatisfy { ($0.width, $0.height, $0.channels) == (first.width, first.height, first.channels) },
      "the frames differ in size or channels")
    let lastFrameSeconds = lastFrameSeconds ?? secondsPerFrame
    precondition(
      [secondsPerFrame, lastFrameSeconds].allSatisfy { (0...Self.maximumSeconds).contains($0) },
      "a frame can stay from 0 to \(Self.maximumSeconds) s")
    self.frames = frames
    self.secondsPerFrame = secondsPerFrame
    self.lastFrameSeconds = lastFrameSeconds
  }

  /// The animation as the bytes of a file, with `text` (keyword, value) in front of the image data.
  ///
  /// - Throws: if a side exceeds libpng's limit of a million pixels.
  public func encoded(text: [(key: String, value: String)] = []) throws(PNGError) -> [UInt8] {
    let still = try frames[frames.count - 1].encoded(text: text)
    let chunks = PNGChunks.chunks(of: still)
    let head = chunks.prefix { $0.type != "IDAT" }
    var file = Array(still[..<(head.last?.range.upperBound ?? 0)])
    // 0 plays: without end.
    file += PNGChunks.chunk("acTL", UInt32(frames.count).bigEndianBytes + UInt32(0).bigEndianBytes)
    for chunk in chunks where chunk.type == "IDAT" { file += still[chunk.range] }
    // fcTL and fdAT are numbered together.
    var sequence: UInt32 = 0
    for index in frames.indices {
      let png = try index == frames.count - 1 ? still : frames[index].encoded()
      file += control(frame: index, sequence: &sequence)
      for chunk in PNGChunks.chunks(of: png) where chunk.type == "IDAT" {
        file += PNGChunks.chunk("fdAT", sequence.bigEndianBytes + png[chunk.data])
        sequence += 1
      }
    }
    return file + PNGChunks.chunk("IEND", [])
  }

  /// Writes the animation to `path`, all or nothing.
  public func write(to path: String, text: [(key: String, value: String)] = []) throws(FileError) {
    let bytes: [UInt8]
    do {
      bytes = try encoded(text: text)
    } catch {
      throw error.fileError(path, width: frames[0].width, height: frames[0].height)
    }
    try writeDurably(path, bytes)
  }

  /// fcTL: the frame covers the whole picture, replaces what was there and stays for its time.
  private func control(frame index: Int, sequence: inout UInt32) -> [UInt8] {
    defer { sequence += 1 }
    let seconds = index == frames.count - 1 ? lastFrameSeconds : secondsPerFrame
    let milliseconds = UInt16((seconds * 1000).rounded())
    let numbers = [sequence, UInt32(frames[index].width), UInt32(frames[index].height), 0, 0]
    return PNGChunks.chunk(
      "fcTL",
      numbers.flatMap(\.bigEndianBytes)
        + [UInt8(milliseconds >> 8), UInt8(milliseconds & 0xFF), UInt8(1000 >> 8), UInt8(1000 & 0xFF), 0, 0])
  }
}
