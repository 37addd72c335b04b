import ArgumentParser
import Files
import Foundation
import Imagery

struct SynthesizeCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "synthesize",
    abstract: "Write the built-in data set, ten classes of drawn strokes, as IDX files.")

  @Argument(help: "The directory for the files, which must be new or empty.")
  var directory: String

  @Option(help: "Training images; a tenth as many for testing.")
  var count = SyntheticStrokes.standardCount(of: .train)

  @Option(help: "Seed of the strokes.")
  var seed: UInt64 = 0

  func validate() throws {
    try require("count", count, in: 10...1_000_000)
  }

  func run() throws {
    try writeDirectoryDurably(directory) { (directory) throws(FileError) in
      for (split, count) in [(ImageDataset.Split.train, count), (.test, count / 10)] {
        let data = SyntheticStrokes.make(count: count, seed: seed, split: split)
        let path = directory.appendingPath(split.filePrefix)
        try IDXFile.write(
          IDXArray(dimensions: [data.count, data.height, data.width], bytes: data.pixels),
          to: path + "-images-idx3-ubyte")
        try IDXFile.write(
          IDXArray(dimensions: [data.count], bytes: data.labels ?? []), to: path + "-labels-idx1-ubyte")
      }
      try ClassNames.write(SyntheticStrokes.classNames, in: directory)
    }
    let classes = SyntheticStrokes.classNames.enumerated().map { "\($0)  \($1)" }
    try Terminal.print(
      (["wrote \(count) training and \(count / 10) test images to '\(directory)', of the classes"] + classes)
        .joined(separator: "\n  "))
  }
}
