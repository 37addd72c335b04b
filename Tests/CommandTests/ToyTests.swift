import Foundation
import Imagery
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite struct ToyTests {
  /// The title of a plot, which must be well-formed XML.
  private func plotTitle(_ svg: Data) throws -> String {
    let parser = XMLParser(data: svg)
    try #require(parser.parse(), "\(String(describing: parser.parserError))")
    let title = String(decoding: svg, as: UTF8.self).firstMatch(of: /<title>(.*)<\/title>/)
    return String(try #require(title).1)
  }

  /// A short run: its files, its figures, and the same ones on any number of threads.
  @Test func trainsAndDraws() throws {
    try withTemporaryDirectory { directory in
      var reference: [String: Any]?
      var pictures: [String: Data] = [:]
      for threads in 1...2 {
        let result = try Command.run(
          [
            "toy", "--steps", "60", "--output", "out\(threads)", "--threads", "\(threads)", "--reflow", "1",
            "--json",
          ], in: directory)
        #expect(result.status == 0, "\(result.errors)")
        let found = try object(result.output)
        #expect(
          Set(found.keys).isSuperset(of: [
            "dataset", "objective", "network", "activation", "parameters", "steps", "batch_size",
            "learning_rate", "fixed_draw", "seed", "training_seconds", "loss", "summed_loss",
            "held_out_loss", "exact_loss", "likelihood", "density_integral", "reflow", "output", "pictures",
            "seconds",
          ]), "\(found.keys)")
        #expect(found["parameters"] as? Int == 8706)
        #expect(found["network"] as? String == "3-64-64-64-2")
        let names = try #require(found["pictures"] as? [String])
        #expect(
          Set(names) == [
            "data.svg", "flow_matching.svg", "field.svg", "trajectories.svg", "density.svg",
            "particles.png", "reflow.svg",
          ])
        for name in names {
          let data = try Data(contentsOf: URL(fileURLWithPath: "\(directory)/out\(threads)/\(name)"))
          if name.hasSuffix(".svg") {
            #expect(try plotTitle(data).isEmpty == false && data.count > 5000, "\(name)")
          } else {
            let image = try PNGImage.decode([UInt8](data))
            #expect(image.channels == 3 && image.width > 300 && Set(image.pixels).count > 20, "\(name)")
          }
          if let other = pictures[name] { #expect(data == other, "\(name)") }
          pictures[name] = data
        }
        let (loss, summed) = (found["loss"] as? Double, found["summed_loss"] as? Double)
        #expect(summed == loss.map { 2 * $0 })
        let likelihood = try #require(found["likelihood"] as? [String: Any])
        // log p of the data's own density: −log 2 − log(2πe·0.05²).
        let exact = try #require(likelihood["exact"] as? Double)
        #expect(abs(exact - 2.46) < 0.1)
        #expect(try #require(likelihood["mean"] as? Double) < exact)
        // Between single points' solves; between the means it is 9e-6, as errors of either sign cancel.
        #expect(try #require(likelihood["difference"] as? Double) > 5e-5)
        #expect((found["reflow"] as? [Any])?.count == 2)
        if let reference {
          for key in ["loss", "held_out_loss", "density_integral"] {
            #expect(found[key] as? Double == reference[key] as? Double, "\(key)")
          }
          #expect(
            likelihood["mean"] as? Double == (reference["likelihood"] as? [String: Any])?["mean"] as? Double)
        }
        reference = found
      }
    }
  }

  @Test func printsWhatItFound() throws {
    try withTemporaryDirectory { directory in
      let result = try Command.run(
        ["toy", "checkerboard", "--steps", "30", "--fixed-draw", "--activation", "silu"], in: directory)
      #expect(result.status == 0, "\(result.errors)")
      for (name, value) in [
        ("dataset", "checkerboard"), ("network", "3-64-64-64-2"), ("activation", "silu"),
        ("parameters", "8706"), ("steps", "30"), ("fixed draw", "yes"), ("output", "outputs/toy"),
      ] {
        #expect(result.value(name) == value, "\(name) in: \(result.output)")
      }
      let loss = try #require(result.value("loss").flatMap { Double($0) })
      let summed = try #require(result.value("summed loss").flatMap { Double($0) })
      #expect(abs(summed - 2 * loss) < 1.6e-4)
      #expect(result.value("held out loss").flatMap { Double($0) } != nil)
      let likelihood = try #require(result.value("likelihood"))
      #expect(likelihood.contains(" ± ") && likelihood.contains("-2.0794 on the same 2000 points"))
      #expect(result.value("pictures")?.contains("density.svg") == true)
      #expect(
        result.output.contains("summed loss: over components, as some tutorials print it"),
        "\(result.output)")
      #expect(FileManager.default.fileExists(atPath: directory + "/outputs/toy/density.svg"))
    }
  }

  @Test func objectiveLikelihood() throws {
    try withTemporaryDirectory { directory in
      let result = try Command.run(
        ["toy", "moons", "--steps", "12", "--objective", "likelihood", "--json"], in: directory)
      #expect(result.status == 0, "\(result.errors)")
      let found = try object(result.output)
      #expect(found["objective"] as? String == "likelihood")
      #expect(found["summed_loss"] == nil && found["exact_loss"] == nil)
    }
  }

  @Test func comparesTheObjectives() throws {
    try withTemporaryDirectory { directory in
      let arguments = ["toy", "moons", "--compare", "--steps", "60", "--output", "out"]
      let text = try Command.run(arguments, in: directory)
      #expect(text.status == 0, "\(text.errors)")
      let rows = text.table("curves")
      #expect(rows.map { $0["objective"] } == ["flow-matching", "likelihood"], "\(text.output)")
      #expect(rows.map { $0["steps"] } == ["60", "6"])
      #expect(rows.allSatisfy { $0["seconds until"] != nil && $0["evaluations until"] != nil })
      #expect(rows.contains { $0["best"] == text.value("target") })
      #expect(text.value("picture") == "out/compare.svg")
      let found = try object(try Command.run(arguments + ["--json"], in: directory).output)
      let curves = try #require(found["curves"] as? [[String: Any]])
      #expect(curves.map { $0["objective"] as? String } == ["flow-matching", "likelihood"])
      #expect(curves.map { $0["steps"] as? Int } == [60, 6])
      // An example goes through the network once, or twice in each of eight steps.
      let evaluations = curves.compactMap { ($0["evaluations"] as? [Int])?.last }
      #expect(evaluations == [15_360, 24_576])
      let best = curves.compactMap { ($0["log_likelihoods"] as? [Double])?.max() }
      #expect(found["target"] as? Double == best.min())
      let data = try Data(contentsOf: URL(fileURLWithPath: directory + "/out/compare.svg"))
      #expect(try plotTitle(data) == "moons: time to a likelihood")
    }
  }

  @Test func badInput() throws {
    try withTemporaryDirectory { directory in
      for (arguments, status, part) in [
        (["toy", "mnist"], 64, "mnist"), (["toy", "--steps", "0"], 64, "--steps"),
        (["toy", "--batch-size", "0"], 64, "--batch-size"),
        (["toy", "--learning-rate", "0"], 64, "--learning-rate"),
        (["toy", "--activation", "gelu"], 64, "gelu"), (["toy", "--reflow", "0"], 64, "--reflow"),
        (["toy", "--objective", "likelihood", "--fixed-draw"], 64, "--fixed-draw"),
        (["toy", "--objective", "likelihood", "--reflow", "1"], 64, "--reflow"),
        (["toy", "--compare", "--objective", "likelihood"], 64, "--objective"),
        (["toy", "--compare", "--fixed-draw"], 64, "--fixed-draw"),
        (["toy", "--compare", "--reflow", "2"], 64, "--reflow"),
        (["toy", "--output", "/proc/nowhere", "--steps", "1"], 73, "/proc/nowhere"),
      ] as [([String], Int32, String)] {
        let result = try Command.run(arguments, in: directory)
        #expect(result.status == status, "\(arguments): \(result.status), \(result.errors)")
        #expect(result.errors.contains(part), "\(arguments): \(result.errors)")
      }
    }
  }
}
