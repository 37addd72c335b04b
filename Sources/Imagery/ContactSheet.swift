import Kernels

/// Many images of one size as one picture, in reading order.
public enum ContactSheet {
  /// The grey of gaps and empty cells: told from the black ground of digits without outshining them.
  public static let background: UInt8 = 48

  /// Images of a height, a width and channels; otherwise as below.
  public static func image(
    pixels: [UInt8], height: Int, width: Int, channels: Int, columns: Int, padding: Int = 2, scale: Int? = nil
  ) -> PNGImage {
    image(
      pixels: pixels, of: ImageShape(height: height, width: width, channels: channels), columns: columns,
      padding: padding, scale: scale)
  }

  /// - Parameters:
  ///   - pixels: [count, height, width, channels], row-major, at least one image.
  ///   - order: which image comes into each cell, nil for an empty cell; by default as they are.
  ///   - columns: images in a row; a sheet of fewer images is only as wide as they are.
  ///   - padding: pixels around and between the images, whatever the scale.
  ///   - scale: side of the square that each pixel becomes; nil for what makes images of about 64 pixels a side.
  public static func image(
    pixels: [UInt8], of shape: ImageShape, order: [Int?]? = nil, columns: Int, padding: Int = 2,
    scale: Int? = nil
  ) -> PNGImage {
    let (height, width, channels) = (shape.height, shape.width, shape.channels)
    let side = max(height, width)
    let scale = scale ?? max(1, (64 + side / 2) / side)
    precondition(columns > 0 && scale > 0 && padding >= 0, "columns and scale are at least 1")
    precondition(!pixels.isEmpty && pixels.count.isMultiple(of: shape.count), "not a whole number of images")
    let order = order ?? Array(0..<pixels.count / shape.count)
    let count = order.count
    let columns = min(columns, count)
    let rows = (count + columns - 1) / columns
    let cellWidth = width * scale + padding
    let cellHeight = height * scale + padding
    let sheetWidth = columns * cellWidth + padding
    let sheetHeight = rows * cellHeight + padding
    var sheet = [UInt8](repeating: background, count: sheetWidth * sheetHeight * channels)
    for (cell, index) in order.enumerated() {
      guard let index else { continue }
      let top = padding + cell / columns * cellHeight
      let left = padding + cell % columns * cellWidth
      for y in 0..<height * scale {
        let source = (index * height + y / scale) * width * channels
        let target = ((top + y) * sheetWidth + left) * channels
        for x in 0..<width * scale {
          for channel in 0..<channels {
            sheet[target + x * channels + channel] = pixels[source + x / scale * channels + channel]
          }
        }
      }
    }
    return PNGImage(width: sheetWidth, height: sheetHeight, channels: channels, pixels: sheet)
  }
}
