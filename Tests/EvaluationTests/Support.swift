import Foundation
import Imagery
import TestSupport

/// Passes a directory of its own, which is gone afterwards.
func withTemporaryDirectory(_ body: (String) throws -> Void) throws {
  let directory = FileManager.default.temporaryDirectory.appending(path: "inkflow-\(UUID())").path
  try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
  defer { try? FileManager.default.removeItem(atPath: directory) }
  try body(directory)
}

/// Images of three classes that are easy to tell apart: noise, brighter in one third of the rows.
func bars(
  _ count: Int, height: Int = 12, width: Int = 8, channels: Int = 1, seed: UInt64, split: ImageDataset.Split
) -> ImageDataset {
  var random = TestRandom(seed: seed)
  var pixels: [UInt8] = []
  for image in 0..<count {
    for y in 0..<height {
      let base: Double = 3 * y / height == image % 3 ? 150 : 0
      for _ in 0..<width * channels { pixels.append(UInt8(base + 60 * random.uniform())) }
    }
  }
  return ImageDataset(
    name: "bars", split: split, pixels: pixels, height: height, width: width, channels: channels,
    labels: (0..<count).map { UInt8($0 % 3) })
}
