import Files
import Foundation
import Imagery
import Testing

@Suite struct IDXTests {
  let scratch: Scratch
  init() throws { scratch = try Scratch() }

  /// Larger than the reader's buffer, so that chunks have to be joined.
  let data = noise(50 * 60 * 70)
  let shape: [UInt32] = [50, 60, 70]

  private func error(_ bytes: [UInt8]) throws -> FileError? {
    let path = try scratch.file("x", bytes)
    do {
      let array = try IDXFile.read(path)
      Issue.record("read \(array.dimensions)")
      return nil
    } catch {
      return error
    }
  }

  /// What a repository with large files holds until these are fetched.
  @Test func aPointerOfGitLFSIsCalledSo() throws {
    let pointer = Array("version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 34\n".utf8)
    let found = try #require(try error(pointer))
    #expect(
      found.kind == .malformed && found.problem.contains("Git LFS") && found.remedy.contains("git lfs pull"))
  }

  @Test func readsRawAndGzipByContent() throws {
    let plain = idx(shape, data)
    let expected = IDXArray(dimensions: [50, 60, 70], bytes: data)
    #expect(try IDXFile.read(scratch.file("raw.gz", plain)) == expected)
    #expect(try IDXFile.read(scratch.file("compressed", gzip(plain))) == expected)
    #expect(try IDXFile.dimensions(of: scratch.path + "/compressed") == [50, 60, 70])
    #expect(try IDXFile.dimensions(of: scratch.file("text", Array("hello".utf8))) == nil)
    #expect(try IDXFile.dimensions(of: scratch.file("short", [0, 0])) == nil)
  }

  @Test(arguments: [[3], [2, 3, 4], [2, 3, 4, 3], [0, 28, 28]])
  func writesTheBytesOfTheFormat(dimensions: [Int]) throws {
    let bytes = noise(dimensions.reduce(1, *))
    let path = scratch.path + "/array"
    try IDXFile.write(IDXArray(dimensions: dimensions, bytes: bytes), to: path)
    #expect(
      try Array(Data(contentsOf: URL(fileURLWithPath: path))) == idx(dimensions.map(UInt32.init), bytes))
    #expect(try IDXFile.read(path) == IDXArray(dimensions: dimensions, bytes: bytes))
    #expect(try scratch.names == ["array"])
  }

  @Test func joinsConcatenatedMembersAndAllowsTrailingZeros() throws {
    let plain = idx(shape, data)
    let expected = IDXArray(dimensions: [50, 60, 70], bytes: data)
    for cut in [1, 4, 16, 70_000] {
      let members = gzip(Array(plain[..<cut])) + gzip([]) + gzip(Array(plain[cut...]))
      #expect(try IDXFile.read(scratch.file("members", members)) == expected)
      let padded = members + [UInt8](repeating: 0, count: 100_000)
      #expect(try IDXFile.read(scratch.file("padded", padded)) == expected)
    }
  }

  @Test func refusesOtherTrailingBytes() throws {
    let file = gzip(idx([4], [1, 2, 3, 4]))
    #expect(try error(file + [7])?.problem.contains("other bytes after") == true)
    #expect(try error(file + [0, 0, 7])?.problem.contains("other bytes after") == true)
    #expect(try error(file + file)?.problem.contains("holds more than") == true)
    #expect(try error(file + [0x1F, 0x8B])?.problem.contains("cut short") == true)
    #expect(try error(file + [0x1F, 0x8C])?.kind == .malformed)
  }

  /// Files of many buffers, whose end may lie anywhere in one; and bgzip ends its files by a member without content.
  @Test func theEndOfLongFilesIsCheckedToo() throws {
    let file = gzip(idx(shape, data))
    #expect(file.count > 200_000)
    #expect(try error(file + [0, 7])?.problem.contains("other bytes after") == true)
    #expect(try error(file + [UInt8](repeating: 0, count: 100_000) + [7])?.kind == .malformed)
    let path = try scratch.file("bgzip", file + gzip([]))
    #expect(try IDXFile.read(path).bytes == data)
  }

  @Test func refusesOneByteMoreOrLess() throws {
    for more in [true, false] {
      let bytes = more ? data + [0] : data.dropLast()
      let problem = more ? "holds more than" : "announces"
      #expect(try error(idx(shape, Array(bytes)))?.problem.contains(problem) == true)
      #expect(try error(gzip(idx(shape, Array(bytes))))?.problem.contains(problem) == true)
    }
  }

  @Test func refusesEveryTruncation() throws {
    let plain = idx([2, 3], noise(6))
    let packed = gzip(plain)
    for file in [plain, packed] {
      for length in 0..<file.count {
        let error = try #require(try error(Array(file[..<length])))
        #expect(error.kind == .malformed)
        #expect(error.exitStatus == 65)
      }
    }
  }

  /// A damaged file is refused: in the data by gzip's CRC, elsewhere by structure. Bytes 3 to 9 of the gzip
  /// header (flags, time, system) may change without changing the content.
  @Test func refusesEveryFlippedByteOfTheCompressedData() throws {
    let packed = gzip(idx([2, 3], noise(6)))
    for index in 10..<packed.count {
      var damaged = packed
      damaged[index] ^= 0x55
      #expect(try error(damaged)?.kind == .malformed, "byte \(index)")
    }
  }

  @Test func refusesHeadersThatAnnounceTooMuch() throws {
    let huge = UInt32.max
    #expect(try error(idx([huge, huge, huge], []))?.problem.contains("overflows") == true)
    #expect(try error(idx([huge, huge, 0], []))?.problem.contains("overflows") == true)
    #expect(try error(idx([1 << 16, 1 << 16, 2], []))?.problem.contains("limit") == true)
    // Below the limit, but not in a file of this size: refused before memory is taken for it.
    #expect(try error(idx([1 << 31], [1]))?.problem.contains("can hold") == true)
    #expect(try error(gzip(idx([1 << 31], [1])))?.problem.contains("can hold") == true)
  }

  /// Four megabytes of zeros behind a header of six bytes: the reader stops at the seventh.
  @Test func aBombStopsAtWhatItAnnounced() throws {
    let bomb = gzip(idx([6], [UInt8](repeating: 0, count: 4 << 20)))
    #expect(bomb.count < 5_000)
    #expect(try error(bomb)?.problem.contains("holds more than the 6 bytes") == true)
  }

  @Test func refusesOtherTypesRanksAndFormats() throws {
    let bad = [
      idx([1], [0], type: 0x0A), idx([], [0]), idx([1, 1, 1, 1, 1], [0]), [1, 0, 8, 1, 0, 0, 0, 0],
      Array("not a data set".utf8), [],
    ]
    for bytes in bad { #expect(try error(bytes)?.problem.contains("is not IDX") == true) }
  }

  @Test func anAbsentFileIsMissingAndADirectoryIsMalformed() throws {
    let absent = #expect(throws: FileError.self) { try IDXFile.read(scratch.path + "/absent") }
    #expect(absent?.kind == .missing)
    #expect(absent?.exitStatus == 66)
    #expect(absent?.description.contains("/absent' can't be opened") == true)
    let directory = #expect(throws: FileError.self) { try IDXFile.read(scratch.path) }
    #expect(directory?.kind == .malformed)
  }
}
