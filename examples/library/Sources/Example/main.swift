import Foundation
import Imagery

// Eight steps on the built-in strokes, then a sheet of four pictures, in a directory that must not hold a run yet.
let directory = CommandLine.arguments.dropFirst().first ?? NSTemporaryDirectory() + UUID().uuidString
try learn("synthetic", steps: 8, into: directory)
let values = try generate(model: directory + "/model", count: 4, seed: 0)
let sheet = ContactSheet.image(
  pixels: Pixels.bytes(values.span), height: 28, width: 28, channels: 1, columns: 4)
try sheet.write(to: directory + "/sheet.png")
print("drew \(directory)/sheet.png")
