import Foundation
import Imagery
import Testing

/// Along the flow from the command line: trajectories, animations, inversion, interpolation.
@Suite(.serialized) struct JourneyTests {
  private func bytes(_ path: String) throws -> [UInt8] {
    Array(try Data(contentsOf: URL(fileURLWithPath: path)))
  }

  /// A data set and a model trained on it, briefly.
  private func prepare(_ directory: String, steps: Int) throws {
    for arguments in [
      ["synthesize", "data", "--count", "200"],
      ["train", "data", "--output", "run", "--preset", "tiny", "--steps", "\(steps)", "--batch-size", "8"],
    ] {
      let result = try Command.run(arguments, in: directory)
      #expect(result.status == 0, "\(result.errors)")
    }
  }

  /// Runs a command that must succeed, and returns its JSON.
  private func report(_ arguments: [String], in directory: String) throws -> [String: Any] {
    let result = try Command.run(arguments + ["--json"], in: directory)
    #expect(result.status == 0, "\(arguments): \(result.errors)")
    return try object(result.output)
  }

  private func picture(_ path: String) throws -> PNGImage { try PNGImage.decode(try bytes(path)) }

  /// The cell of a sheet of 28×28 pictures, without its gaps.
  private func cell(_ sheet: PNGImage, row: Int, column: Int, scale: Int) -> [UInt8] {
    let pitch = 28 * scale + 2
    let (top, left) = (2 + row * pitch, 2 + column * pitch)
    var pixels: [UInt8] = []
    for y in 0..<28 {
      for x in 0..<28 { pixels.append(sheet.pixels[(top + y * scale) * sheet.width + left + x * scale]) }
    }
    return pixels
  }

  @Test func journeys() throws {
    try withTemporaryDirectory { directory in
      try prepare(directory, steps: 60)
      try trajectoriesAndAnimations(in: directory)
      try inversions(in: directory)
      try interpolations(in: directory)
    }
  }

  private func trajectoriesAndAnimations(in directory: String) throws {
    let plain = ["sample", "run", "--count", "9", "--seed", "3"]
    let before = try report(plain + ["--idx", "plain", "--output", "plain.png"], in: directory)
    let after = try report(
      plain + [
        "--idx", "watched", "--output", "watched.png", "--trajectory", "strip.png", "--animate", "film.png",
      ], in: directory)
    #expect(try bytes(directory + "/watched") == bytes(directory + "/plain"))
    #expect(try bytes(directory + "/watched.png") == bytes(directory + "/plain.png"))
    #expect(after["evaluations"] as? [Int] == before["evaluations"] as? [Int])
    #expect(after["trajectory"] as? String == "strip.png" && after["animation"] as? String == "film.png")

    // Eight samples, a row of states and one of means each, at eleven times.
    let strip = try picture(directory + "/strip.png")
    #expect((strip.width, strip.height) == (11 * 58 + 2, 16 * 58 + 2))
    let samples = try IDXFile.read(directory + "/plain").bytes
    for sample in 0..<8 {
      // At t = 1 the state is the sample, and so is what is expected of it.
      for row in [2 * sample, 2 * sample + 1] {
        #expect(
          cell(strip, row: row, column: 10, scale: 2) == Array(samples[sample * 784..<(sample + 1) * 784]))
      }
    }
    // A reader without APNG sees where the film ends: the samples.
    let film = try bytes(directory + "/film.png")
    #expect(film.matches(of: "fcTL") == 40)
    let still = try PNGImage.decode(film)
    #expect((still.width, still.height) == (3 * 58 + 2, 3 * 58 + 2))
    #expect(cell(still, row: 0, column: 1, scale: 2) != cell(still, row: 0, column: 0, scale: 2))
    #expect(cell(still, row: 0, column: 0, scale: 2) == Array(samples[..<784]))
  }

  /// What the issue asks of a trained model: at 1e-5 the way back is good to 1e-4.
  private func inversions(in directory: String) throws {
    let inverted = try report(
      ["invert", "run", "data", "--count", "3", "--first", "2", "--output", "inverted.png"], in: directory)
    let residual = try #require(inverted["residual"] as? Double)
    #expect(residual > 0 && residual < 1e-4, "\(residual)")
    #expect((inverted["residuals"] as? [Double])?.count == 3)
    #expect(
      Set(inverted.keys).isSuperset(of: [
        "output", "checkpoint", "weights", "images", "first", "count", "rtol", "atol", "residual",
        "residuals",
        "tightenings", "noise_scale", "noise_evaluations", "reconstruction_evaluations", "solver_seconds",
      ]))
    let sheet = try picture(directory + "/inverted.png")
    #expect((sheet.width, sheet.height) == (3 * 58 + 2, 3 * 58 + 2))
    let data = try ImageDataset.load(directory + "/data", split: .test)
    for column in 0..<3 {
      let image = Array(data.pixels[(2 + column) * 784..<(3 + column) * 784])
      #expect(cell(sheet, row: 0, column: column, scale: 2) == image)
      #expect(cell(sheet, row: 1, column: column, scale: 2) != image)
      #expect(cell(sheet, row: 2, column: column, scale: 2) == image)
    }
    let loose = try report(
      ["invert", "run", "data", "--count", "3", "--first", "2", "--rtol", "1e-2", "--atol", "1e-2"],
      in: directory)
    #expect(try #require(loose["residual"] as? Double) > residual)
    #expect(FileManager.default.fileExists(atPath: directory + "/run/inversion.svg"))

    // The same picture from a file of its own: the same noise, and so the same residual.
    let image = PNGImage(
      width: 28, height: 28, channels: 1, pixels: Array(data.pixels[2 * 784..<3 * 784]))
    try image.write(to: directory + "/image.png")
    let one = try report(
      ["invert", "run", "image.png", "--rtol", "1e-2", "--atol", "1e-2", "--threads", "1"], in: directory)
    #expect((one["residuals"] as? [Double])?.first == (loose["residuals"] as? [Double])?.first)
    // By default as many as there are, where these are few.
    let rest = try report(
      ["invert", "run", "data", "--first", "18", "--rtol", "0.1", "--atol", "0.1"], in: directory)
    #expect((rest["residuals"] as? [Double])?.count == 2)
    // More than fit side by side, in rows of three kinds.
    _ = try report(
      ["invert", "run", "data", "--count", "18", "--rtol", "0.1", "--atol", "0.1", "--output", "many.png"],
      in: directory)
    let many = try picture(directory + "/many.png")
    #expect((many.width, many.height) == (16 * 58 + 2, 6 * 58 + 2))
    let last = Array(data.pixels[17 * 784..<18 * 784])
    #expect(cell(many, row: 3, column: 1, scale: 2) == last)
    #expect(cell(many, row: 3, column: 2, scale: 2).allSatisfy { $0 == ContactSheet.background })
  }

  private func interpolations(in directory: String) throws {
    let arguments = [
      "interpolate", "run", "--from", "4", "--rows", "2", "--frames", "3", "--seed", "3", "--output",
      "between.png", "--animate", "there.png",
    ]
    let between = try report(arguments, in: directory)
    #expect((between["evaluations"] as? [Int])?.count == 6 && between["to"] as? Int == 6)
    #expect(
      Set(between.keys) == [
        "output", "animation", "checkpoint", "weights", "ends", "from", "to", "rows", "frames", "solver",
        "evaluations", "solver_seconds",
      ])
    let sheet = try picture(directory + "/between.png")
    #expect((sheet.width, sheet.height) == (3 * 58 + 2, 2 * 58 + 2))
    // The ends are samples 4 and 6, and 5 and 7, of the same seed.
    let samples = try IDXFile.read(directory + "/plain").bytes
    for (number, row, column) in [(4, 0, 0), (6, 0, 2), (5, 1, 0), (7, 1, 2)] {
      #expect(
        cell(sheet, row: row, column: column, scale: 2)
          == Array(samples[number * 784..<(number + 1) * 784]))
    }
    // There and back: frames 0, 1, 2, 1.
    #expect(try bytes(directory + "/there.png").matches(of: "fcTL") == 4)

    // Between images: the ends are the images again, as far as the tolerance reaches.
    _ = try report(
      [
        "interpolate", "run", "--dataset", "data", "--split", "train", "--from", "1", "--to", "7", "--frames",
        "4", "--rtol", "1e-6", "--atol", "1e-6", "--output", "images.png",
      ], in: directory)
    let images = try picture(directory + "/images.png")
    let data = try ImageDataset.load(directory + "/data", split: .train)
    for (number, column) in [(1, 0), (7, 3)] {
      #expect(
        cell(images, row: 0, column: column, scale: 2)
          == Array(data.pixels[number * 784..<(number + 1) * 784]))
    }
  }

  @Test func badInputIsRefusedWithTheRightStatus() throws {
    try withTemporaryDirectory { directory in
      try prepare(directory, steps: 1)
      try PNGImage(width: 9, height: 9, channels: 1, pixels: Array(repeating: 1, count: 81))
        .write(to: directory + "/small.png")
      let cases: [([String], Int32, String)] = [
        (["sample", "run", "--solver", "euler", "--trajectory", "a.png"], 64, "--trajectory"),
        (["sample", "run", "--solver", "rk4", "--animate", "a.png"], 64, "rk45"),
        (["sample", "run", "--count", "2000", "--animate", "a.png"], 64, "1000"),
        (["sample", "run", "--trajectory", "/nowhere/a.png"], 73, "/nowhere"),
        (["sample", "run", "--animate", "/nowhere/a.png"], 73, "/nowhere"),
        (["invert", "run"], 64, "images"),
        (["invert", "nowhere", "data"], 66, "'nowhere'"),
        (["invert", "run", "nowhere"], 66, "nowhere"),
        (["invert", "run", "small.png"], 78, "9×9×1"),
        (["invert", "run", "run/run.json"], 65, "PNG"),
        (["invert", "run", "small.png", "--count", "2"], 64, "one image"),
        (["invert", "run", "small.png", "--split", "test"], 64, "one image"),
        (["invert", "run", "data", "--count", "0"], 64, "--count"),
        (["invert", "run", "data", "--first", "20"], 78, "0 to 19"),
        (["invert", "run", "data", "--split", "validation"], 64, "validation"),
        (["invert", "run", "data", "--atol", "0"], 64, "--atol"),
        (["invert", "run", "data", "--label", "1"], 78, "without classes"),
        (["invert", "run", "data", "--output", "/nowhere/a.png"], 73, "/nowhere"),
        (["interpolate", "run", "--frames", "1"], 64, "--frames"),
        (["interpolate", "run", "--rows", "0"], 64, "--rows"),
        (["interpolate", "run", "--rows", "1000", "--frames", "1000"], 64, "20000"),
        (["interpolate", "run", "--from", "-1"], 64, "--from"),
        (["interpolate", "run", "--split", "test"], 64, "--dataset"),
        (["interpolate", "run", "--dataset", "data", "--seed", "1"], 64, "--seed"),
        (["interpolate", "run", "--dataset", "data", "--to", "20"], 78, "image 20"),
        (["interpolate", "run", "--solver", "euler", "--atol", "1"], 64, "--atol"),
        (["interpolate", "run", "--label", "1"], 78, "without classes"),
      ]
      for (arguments, status, part) in cases {
        let result = try Command.run(arguments, in: directory)
        #expect(result.status == status, "\(arguments): \(result.status), \(result.errors)")
        #expect(result.errors.contains(part), "\(arguments): \(result.errors)")
      }
      #expect(!FileManager.default.fileExists(atPath: directory + "/a.png"))
    }
  }
}

extension [UInt8] {
  /// How often four letters occur.
  fileprivate func matches(of name: String) -> Int {
    let letters = Array(name.utf8)
    return indices.dropLast(letters.count - 1).count { self[$0...].starts(with: letters) }
  }
}
