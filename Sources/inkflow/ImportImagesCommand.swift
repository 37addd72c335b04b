import ArgumentParser
import Files
import Foundation
import Imagery
import Network

struct ImportImagesCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "import-images",
    abstract: "Make a data set of a folder of JPEG and PNG pictures.",
    discussion: """
      The pictures lie in FOLDER/class/, or in FOLDER itself if they have no classes. Each is turned as its EXIF \
      data say, cut to its centre square, and resized (a triangle filter in linear light). Grey becomes RGB, \
      transparency white. Every tenth picture of a class is for testing. A file that can't be used is named and \
      left out. JPEG files need libturbojpeg (apt-get install libturbojpeg0).
      """)

  @Argument(help: "The folder of the pictures.")
  var folder: String

  @Option(help: "Height and width of the images.")
  var size = 64

  @Option(help: "The data set's directory, which must be new or empty.")
  var output: String

  @Flag(help: "Print what was done as one JSON object.")
  var json = false

  func validate() throws {
    try require((8...1024).contains(size), "--size must be from 8 to 1024.")
  }

  func run() throws {
    try requireNoFiles(in: output)
    let pictures = try PictureFolder(folder)
    var progress = ProgressLine()
    let total = pictures.entries.count
    let images: ImportedImages
    do {
      images = try ImportedImages(
        pictures, reader: PictureReader(side: size),
        progress: { progress.show("\($0)/\(total) files", fraction: Double($0) / Double(total)) },
        onSkip: { Terminal.note("left out: \($0)") })
    } catch let error as MissingJPEGLibrary {
      throw RunError(message: error.description, status: 69)
    }
    progress.finish()
    try images.write(to: output)
    let summary = Summary(folder: folder, output: output, images)
    print(json ? try jsonText(summary) : summary.text)
  }

  private struct Summary: Encodable {
    let folder: String
    let output: String
    let size: Int
    let train: Int
    let test: Int
    let enlarged: Int
    let classes: [ImportedImages.ImageClass]?
    let skipped: [Skipped]

    struct Skipped: Encodable {
      let path: String
      let reason: String
    }

    init(folder: String, output: String, _ images: ImportedImages) {
      self.folder = folder
      self.output = output
      size = images.side
      train = images.count(of: .train)
      test = images.count(of: .test)
      enlarged = images.enlargedCount
      classes = images.classes
      skipped = images.skipped.map { Skipped(path: $0.path, reason: $0.problem) }
    }

    /// Of images nearest in size.
    private var preset: UNetConfiguration.Preset { size < 48 ? .color32 : size < 96 ? .color64 : .color128 }

    var text: String {
      var lines = [
        "wrote \(train) training and \(test) test images of \(size)×\(size)×3 to '\(output)'; "
          + "\(skipped.count) files left out, \(enlarged) pictures enlarged"
      ]
      for part in classes ?? [] {
        lines.append("  \(part.label)  \(part.name): \(part.trainCount) + \(part.testCount)")
      }
      lines.append("train with: inkflow train \(output) --preset \(preset.rawValue) --minutes 20")
      return lines.joined(separator: "\n")
    }
  }
}
