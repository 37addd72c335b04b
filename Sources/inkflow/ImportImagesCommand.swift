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
      The pictures lie in FOLDER/class/, however deep, or in FOLDER itself if they have no classes. Each is turned as \
      its EXIF data say, cut to its centre square, and resized (a triangle filter in linear light). Grey and CMYK become \
      RGB, transparency white. Every tenth picture of a class is for testing; but if FOLDER holds the folders train \
      and test (or val), with classes or without, each is its own split. Of val and test, test is taken. A file that \
      can't be used is named and left out. The classes' names go to classes.json. JPEG files need libturbojpeg \
      (apt-get install libturbojpeg0).
      """)

  @Argument(help: "The folder of the pictures.")
  var folder: String

  @Option(help: "Height and width of the images.")
  var size = 64

  @Option(help: "The data set's directory, which must be new or empty.")
  var output: String

  @Flag(help: "Print what was done as one JSON object.")
  var json = false

  func validate() throws { try require("size", size, in: 8...1024) }

  func run() throws {
    try requireNoFiles(in: output)
    let pictures = try PictureFolder(folder)
    for note in pictures.notes { Terminal.note("note: \(note)") }
    var progress = ProgressLine()
    let total = pictures.entries.count
    let images: ImportedImages
    do {
      images = try ImportedImages(
        pictures, reader: PictureReader(side: size),
        progress: { try progress.show("\($0)/\(total) files", fraction: Double($0) / Double(total)) },
        onSkip: { Terminal.note("left out: \($0)") }, onNote: { Terminal.note("note: \($0)") })
    } catch let error as MissingJPEGLibrary {
      throw RunError(message: error.description, status: 69)
    }
    try images.write(to: output)
    var report = Report()
    report.add("folder", folder)
    report.add("output", output)
    report.add("size", images.side, as: "\(size)×\(size)×3")
    report.add("train", images.count(of: .train))
    report.add("test", images.count(of: .test))
    report.add("enlarged", images.enlargedCount)
    let skipped = images.skipped.map { file in
      var row = Report()
      row.add("path", file.path)
      row.add("reason", file.problem)
      return row
    }
    report.add("skipped", skipped, as: "\(skipped.count) files left out")
    report.add("passed_over", pictures.passedOver.map(\.description), as: Self.byName(pictures.passedOver))
    report.add("notes", pictures.notes + images.notes, as: "")
    report.add(
      "classes",
      images.classes?.map { part in
        var row = Report()
        row.add("name", part.name)
        row.add("label", part.label)
        row.add("train_count", part.trainCount)
        row.add("test_count", part.testCount)
        return row
      })
    report.notes = ["train with: inkflow train \(output) --preset \(preset.rawValue) --minutes 20"]
    try Terminal.print(report, json: json)
  }

  /// "4: .DS_Store (3), Thumbs.db"
  private static func byName(_ paths: [FilePath]) -> String {
    let counts = Dictionary(grouping: paths, by: \.name).sorted { $0.key < $1.key }
    let names = counts.map { $1.count == 1 ? "\($0)" : "\($0) (\($1.count))" }
    return paths.isEmpty ? "nothing" : "\(paths.count): \(names.joined(separator: ", "))"
  }

  /// Of images nearest in size.
  private var preset: UNetConfiguration.Preset { size < 48 ? .color32 : size < 96 ? .color64 : .color128 }
}
