import Files
import Foundation
import Imagery
import Testing

@Suite struct AnimatedPNGTests {
  private func frames(_ count: Int, width: Int = 40, height: Int = 30, channels: Int = 3) -> [PNGImage] {
    let size = width * height * channels
    let pixels = noise(count * size)
    return (0..<count).map { index in
      PNGImage(
        width: width, height: height, channels: channels,
        pixels: Array(pixels[index * size..<(index + 1) * size]))
    }
  }

  /// Order, numbers and contents of the chunks, by the specification.
  @Test(arguments: [1, 3]) func chunksAreInOrder(channels: Int) throws {
    let animation = AnimatedPNG(
      frames: frames(3, channels: channels), secondsPerFrame: 0.05, lastFrameSeconds: 1.5)
    let chunks = pngChunks(try animation.encoded(text: [("seed", "7")]))
    // libpng may cut the data of a picture into several chunks.
    var types: [String] = []
    for type in chunks.map(\.type) where !["gAMA", "sRGB"].contains(type) && type != types.last {
      types.append(type)
    }
    #expect(
      types == [
        "IHDR", "tEXt", "acTL", "IDAT", "fcTL", "fdAT", "fcTL", "fdAT", "fcTL", "fdAT", "IEND",
      ])
    #expect(chunks.first { $0.type == "acTL" }?.data == bigEndianBytes(3) + bigEndianBytes(0))

    let numbered = chunks.filter { ["fcTL", "fdAT"].contains($0.type) }
    #expect(numbered.map { bigEndian($0.data[..<4]) } == (0..<UInt32(numbered.count)).map { $0 })
    let controls = chunks.filter { $0.type == "fcTL" }.map(\.data)
    let times: [UInt32] = [50, 50, 1500]
    for (control, milliseconds) in zip(controls, times) {
      let box: [UInt32] = [40, 30, 0, 0]
      // Delay as a fraction of two 16-bit numbers; dispose: none; blend: replace.
      var expected = box.flatMap { bigEndianBytes($0) }
      expected += bigEndianBytes(milliseconds << 16 | 1000) + [0, 0]
      #expect(Array(control[4...]) == expected)
    }
  }

  /// The last frame is what a reader without APNG sees; all, with fdAT taken as IDAT, are whole pictures.
  @Test(arguments: [1, 3]) func everyFrameDecodes(channels: Int) throws {
    // Large enough that libpng writes more than one IDAT.
    let frames = frames(3, width: 130, height: 120, channels: channels)
    let bytes = try AnimatedPNG(frames: frames, secondsPerFrame: 0.1).encoded()
    #expect(try PNGImage.decode(bytes) == frames[2])
    let chunks = pngChunks(bytes)
    #expect(chunks.filter { $0.type == "IDAT" }.count > 1)
    #expect(chunks.first { $0.type == "acTL" }?.data == bigEndianBytes(3) + bigEndianBytes(0))
    let starts = chunks.indices.filter { chunks[$0].type == "fcTL" }
    for index in 0..<3 {
      let data = chunks[starts[index]...].dropFirst().prefix { $0.type == "fdAT" }
      var png = bytes[..<8] + pngChunk("IHDR", chunks[0].data)
      for chunk in data { png += pngChunk("IDAT", Array(chunk.data[4...])) }
      png += pngChunk("IEND", [])
      #expect(try PNGImage.decode(Array(png)) == frames[index])
    }
  }

  @Test func oneFrameIsAnAnimationToo() throws {
    let frames = frames(1)
    let bytes = try AnimatedPNG(frames: frames, secondsPerFrame: 2).encoded()
    #expect(try PNGImage.decode(bytes) == frames[0])
    #expect(pngChunks(bytes).filter { $0.type == "fcTL" }.count == 1)
  }

  @Test func writesAFile() throws {
    let scratch = try Scratch()
    let animation = AnimatedPNG(frames: frames(2), secondsPerFrame: 0.1)
    try animation.write(to: scratch.path + "/a.png", text: [("seed", "0")])
    let bytes = Array(try Data(contentsOf: URL(fileURLWithPath: scratch.path + "/a.png")))
    #expect(bytes == (try animation.encoded(text: [("seed", "0")])))
    #expect(try scratch.names == ["a.png"])
    let error = #expect(throws: FileError.self) { try animation.write(to: "/nowhere/a.png") }
    #expect(error?.kind == .cannotCreate)
  }

  @Test func refusesFramesTooLargeForTheLibrary() throws {
    let scratch = try Scratch()
    let tall = PNGImage(
      width: 1, height: 1_000_001, channels: 1, pixels: [UInt8](repeating: 0, count: 1_000_001))
    let error = #expect(throws: FileError.self) {
      try AnimatedPNG(frames: [tall], secondsPerFrame: 1).write(to: scratch.path + "/a.png")
    }
    #expect(error?.kind == .cannotCreate)
    #expect(try scratch.names == [])
  }

  @Test func framesOfTwoSizesTrap() async {
    await #expect(processExitsWith: .failure) {
      let frames = [2, 3].map {
        PNGImage(width: $0, height: 1, channels: 1, pixels: [UInt8](repeating: 0, count: $0))
      }
      _ = AnimatedPNG(frames: frames, secondsPerFrame: 0.1)
    }
  }
}
