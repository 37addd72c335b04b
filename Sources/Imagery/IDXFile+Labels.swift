import Files

extension IDXFile {
  /// Whether an array can be the labels of images: one number for each, as QMNIST has it eight, or in a column.
  static func areLabels(_ header: Header) -> Bool {
    let shape = header.dimensions
    return shape.count == 1 || shape.count == 2 && (shape[1] == 1 || isQMNIST(header))
  }

  /// QMNIST (Yadav and Bottou 2019) has eight 32-bit ints for each image; the class is the first.
  private static func isQMNIST(_ header: Header) -> Bool {
    header.type == .int32 && header.dimensions.count == 2 && header.dimensions[1] == 8
  }

  /// Reads labels of any type of ints.
  ///
  /// - Parameter onNote: is told what had to be chosen.
  /// - Returns: nil where the file's numbers can't be labels, which are 0 to 255 here.
  /// - Throws: `FileError` if the file is broken or holds another number of labels than `count`.
  static func readLabels(
    _ path: FilePath, for count: Int, of images: FilePath, onNote: (String) -> Void
  ) throws(FileError) -> [UInt8]? {
    func leftOut(_ what: String) -> [UInt8]? {
      onNote(
        "'\(path)' holds \(what), and a label is a whole number from 0 to 255: its labels are left out, and the "
          + "images used without any")
      return nil
    }
    if let type = try header(of: path)?.type, !type.isInteger { return leftOut(type.text) }
    let (header, bytes) = try content(path) { $0.type.isInteger }
    guard areLabels(header), header.dimensions[0] == count else {
      throw FileError(
        .malformed, path.description,
        "has dimensions \(header.dimensions) for \(count) images in '\(images)'",
        remedy: "give one label per image, or remove the file to go without labels")
    }
    if header.type == .unsignedBytes { return bytes }
    let (size, columns) = (header.type.size, header.dimensions.dropFirst().first ?? 1)
    var labels: [UInt8] = []
    for row in 0..<count {
      let number = bytes[row * columns * size..<(row * columns + 1) * size]
      // The first byte, the highest, has the sign.
      let value = number.dropFirst().reduce(Int(Int8(bitPattern: number[number.startIndex]))) {
        $0 << 8 | Int($1)
      }
      guard let label = UInt8(exactly: value) else { return leftOut("the number \(value)") }
      labels.append(label)
    }
    onNote(
      "the labels in '\(path)' are \(header.type.text), read as bytes"
        + (isQMNIST(header) ? "; of QMNIST's eight numbers for each image, the first is the class" : ""))
    return labels
  }
}
