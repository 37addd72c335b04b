/// The size of one image, channels last: [height, width, channels], row-major.
public struct ImageShape: Sendable, Equatable {
  public let height: Int
  public let width: Int
  public let channels: Int

  /// - Precondition: all positive.
  public init(height: Int, width: Int, channels: Int) {
    precondition(height > 0 && width > 0 && channels > 0)
    self.height = height
    self.width = width
    self.channels = channels
  }

  public var pixels: Int { height * width }
  /// Numbers of one image.
  public var count: Int { pixels * channels }

  /// With the border of one pixel that a 3×3 convolution reads, after rounding up to the tiles of four that
  /// Winograd's algorithm computes: the image begins at pixel (1, 1), everything around it is zero.
  package var padded: ImageShape {
    ImageShape(height: (height + 3) / 4 * 4 + 2, width: (width + 3) / 4 * 4 + 2, channels: channels)
  }

  package func with(channels: Int) -> ImageShape {
    ImageShape(height: height, width: width, channels: channels)
  }

  /// After an upsampling by two.
  package var doubled: ImageShape { ImageShape(height: 2 * height, width: 2 * width, channels: channels) }

  /// After a 3×3 convolution of stride 2 with a border of one: half the size, rounded up.
  package var halved: ImageShape {
    ImageShape(height: (height + 1) / 2, width: (width + 1) / 2, channels: channels)
  }
}
