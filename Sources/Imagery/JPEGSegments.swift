/// The segments of a JPEG file up to its first scan (ITU T.81, annex B): FF, a marker, two bytes of length that count
/// themselves, and the data.
struct JPEGSegments {
  /// The file without the stray bytes that some writers leave between these segments.
  let bytes: [UInt8]
  let strayByteCount: Int
  /// Whether the frame is one that every decoder knows: baseline, extended or progressive, of 8 bits and by Huffman's
  /// codes. True where the file has no frame.
  let isOrdinary: Bool

  init(_ file: [UInt8]) {
    var (bytes, strayByteCount, isOrdinary) = (Array(file.prefix(2)), 0, true)
    var offset = 2
    while true {
      // FF 00 is no marker, and any number of FF may precede one.
      var place = offset
      while place + 1 < file.count && (file[place] != 0xFF || [0, 0xFF].contains(file[place + 1])) {
        place += 1
      }
      guard place + 3 < file.count else { break }
      if file[offset..<place].contains(where: { $0 != 0xFF }) { strayByteCount += place - offset }
      offset = place
      let marker = file[place + 1]
      // The first scan, or the end.
      if [0xD9, 0xDA].contains(marker) { break }
      let hasLength = marker != 0x01 && !(0xD0...0xD8).contains(marker)
      let end = place + 2 + (hasLength ? Int(file[place + 2]) << 8 | Int(file[place + 3]) : 0)
      guard end > place + 1 && end <= file.count else { break }
      if (0xC0...0xCF).contains(marker) && ![0xC4, 0xC8, 0xCC].contains(marker) && place + 4 < end {
        isOrdinary = (0xC0...0xC2).contains(marker) && file[place + 4] == 8
      }
      bytes += file[place..<end]
      offset = end
    }
    self.bytes = strayByteCount == 0 ? file : bytes + file[offset...]
    (self.strayByteCount, self.isOrdinary) = (strayByteCount, isOrdinary)
  }
}
