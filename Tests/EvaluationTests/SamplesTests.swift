import Evaluation
import Flow
import Foundation
import Imagery
import Kernels
import Network
import Sampling
import Testing
import Training

@Suite struct SamplesTests {
  /// Beside a plain loop; more training images than a block has, and more images than a task.
  @Test(arguments: [(1, 1, 1, 1), (70, 1030, 5, 3), (3, 2049, 7, 1)])
  func nearestImages(count: Int, trainCount: Int, height: Int, width: Int) throws {
    var train = bars(trainCount, height: height, width: width, seed: 1, split: .train)
    // Twice over: an image that is there twice is no farther neighbour of itself.
    let half = train.pixels.prefix(trainCount / 2 * height * width)
    if !half.isEmpty {
      train = ImageDataset(
        name: "twice", split: .train,
        pixels: [UInt8](half + train.pixels.prefix(train.pixels.count - half.count)),
        height: height, width: width, channels: 1, labels: nil)
    }
    var pixels = bars(count, height: height, width: width, seed: 2, split: .test).pixels
    // The last image is a copy of the last training image.
    pixels.replaceSubrange(
      (count - 1) * height * width..<pixels.count, with: train.pixels.suffix(height * width))
    for threads in [1, 3] {
      let nearest = try NearestImages(to: pixels, in: train, on: WorkerPool(threadCount: threads))
      for image in 0..<count {
        func distance(_ other: Int) -> Double {
          let squares = (0..<height * width).reduce(0) { sum, i in
            let difference =
              Int(pixels[image * height * width + i]) - Int(train.pixels[other * height * width + i])
            return sum + difference * difference
          }
          return (Double(squares) / Double(height * width)).squareRoot()
        }
        #expect(nearest.distances[image] == (0..<trainCount).map(distance).min())
        #expect(nearest.distances[image] == distance(nearest.numbers[image]))
        let next = (0..<trainCount).map(distance).filter { $0 > nearest.distances[image] }.min()
        let share = nearest.distances[image] == 0 ? 0 : next.map { nearest.distances[image] / $0 } ?? 1
        #expect(abs(nearest.shares[image] - share) < 1e-12)
      }
      #expect(nearest.distances[count - 1] == 0)
    }
  }

  /// Distances that differ by a few units where a product of two images is of 27 bits, three more than a Float holds; and
  /// with one training image.
  @Test func nearestOfLargeImages() throws {
    let (side, channels) = (64, 3)
    let size = side * side * channels
    var pixels = bars(2, height: side, width: side, channels: channels, seed: 1, split: .test).pixels.map {
      $0 | 128
    }
    // Image number i differs from the first image in `squares[i]` pixels by 1, and from the second far more.
    let squares = (0..<40).map { 300 + $0 * 17 % 40 }
    let train = ImageDataset(
      name: "near", split: .train,
      pixels: squares.flatMap { count in
        pixels.prefix(size).enumerated().map { ($0 + count) % size < count ? $1 - 1 : $1 }
      }, height: side, width: side, channels: channels, labels: nil)
    for i in size..<2 * size { pixels[i] = pixels[i - size] + UInt8(i % 2) }
    let nearest = try NearestImages(to: pixels, in: train, on: WorkerPool(threadCount: 2))
    for image in 0..<2 {
      let distances = squares.indices.map { number in
        (0..<size).reduce(0) { sum, i in
          let difference = Int(pixels[image * size + i]) - Int(train.pixels[number * size + i])
          return sum + difference * difference
        }
      }
      let (least, ascending) = (distances.min(), Set(distances).sorted())
      #expect(distances[nearest.numbers[image]] == least)
      #expect(
        abs(nearest.shares[image] - (Double(ascending[0]) / Double(ascending[1])).squareRoot()) < 1e-12)
    }
    let lone = ImageDataset(
      name: "lone", split: .train, pixels: Array(train.pixels.prefix(size)), height: side, width: side,
      channels: channels, labels: nil)
    let pool = WorkerPool(threadCount: 1)
    #expect(try NearestImages(to: pixels, in: lone, on: pool).shares == [1, 1])
    #expect(try NearestImages(to: lone.pixels, in: lone, on: pool).shares == [0])
  }

  /// In the proportions of the images, whatever the count; only of classes that the flow knows.
  @Test func labelsAsOfImages() throws {
    let images = ImageDataset(
      name: "some", split: .test, pixels: Array(repeating: 0, count: 90), height: 1, width: 1, channels: 1,
      labels: (0..<90).map { $0 < 60 ? 0 : $0 < 80 ? 1 : 2 })
    let labels = try #require(SampleLabels(as: images, of: [0, 1, 2]))
    let drawn = labels.of(0..<180)
    #expect((0..<3).map { label in drawn.count { $0 == label } } == [120, 40, 20])
    #expect(labels.of(20..<50) == Array(drawn[20..<50]))
    // No block of one class, as the images have them.
    #expect(Set(drawn.prefix(40)).count == 3)
    #expect(labels.classes == [0, 1, 2] && labels.only == nil)
    let known = try #require(SampleLabels(as: images, of: [1, 2]))
    #expect(known.of(0..<30).count { $0 == 1 } == 20 && known.classes == [1, 2])
    #expect(SampleLabels(as: images, of: [3]) == nil)
    #expect(SampleLabels(as: images, of: [2])?.only == 2)
    #expect(SampleLabels(cycling: [4, 6]).of(1..<4) == [6, 4, 6] && SampleLabels(cycling: [4]).only == 4)
  }

  /// The same weights in another network, and other classes, are other samples.
  @Test func namesTellFlowsApart() throws {
    try withTemporaryDirectory { directory in
      var configuration = UNetConfiguration(
        sampleHeight: 8, sampleWidth: 8, inputChannels: 1, outputChannels: 1, blockOutputChannels: [8, 8],
        layersPerBlock: 1, attentionLevels: [false, false], normGroupCount: 4, classCount: 3)
      let parameters = try UNet(configuration).initialParameters(seed: 1)
      // An untrained network's last weights are 0, and so is its output.
      var values = parameters.mutable(parameters.all)
      for i in values.indices { values[i] += 0.1 * Float(i % 7 - 3) }
      let weights = Weights(reading: parameters)
      let (store, pool, solver) = (
        SampleStore(directory), WorkerPool(threadCount: 2), Solver.fixed(.euler, steps: 1)
      )
      func draw(_ labels: SampleLabels) throws -> [UInt8] {
        let flow = TrainedFlow(try UNet(configuration), weights)
        let drawn = try store.samples(of: flow, 8, seed: 0, solver: solver, labels: labels, on: pool).pixels
        let anew = try flow.sample(0..<8, seed: 0, solver: solver, labels: labels.of(0..<8), on: pool)
        #expect(drawn == anew.pixels)
        return drawn
      }
      let first = try draw(SampleLabels(cycling: [0, 1, 2]))
      configuration.normGroupCount = 8
      #expect(try draw(SampleLabels(cycling: [0, 1, 2])) != first)
      configuration.normGroupCount = 4
      _ = try draw(SampleLabels(cycling: [1, 2]))
      let images = bars(9, height: 8, seed: 3, split: .test)
      _ = try draw(try #require(SampleLabels(as: images, of: [0, 1, 2])))
      _ = try draw(try #require(SampleLabels(as: images, of: [0, 1])))
      let names = try FileManager.default.contentsOfDirectory(atPath: directory)
      #expect(names.count == 5)
      let build = RunRecord.currentBuild.replacing(" ", with: "-")
      #expect(names.allSatisfy { $0.contains("-\(build)-format-") })
    }
  }

  /// What was drawn is read again, also for fewer; what is damaged or missing is drawn anew, with the same bytes.
  @Test func partsAreReused() throws {
    try withTemporaryDirectory { directory in
      let unet = try UNet(
        UNetConfiguration(
          sampleHeight: 8, sampleWidth: 8, inputChannels: 1, outputChannels: 1, blockOutputChannels: [8, 8],
          layersPerBlock: 1, attentionLevels: [false, false], normGroupCount: 4))
      let flow = TrainedFlow(unet, Weights(reading: unet.initialParameters(seed: 1)))
      let (store, pool) = (SampleStore(directory), WorkerPool(threadCount: 2))
      func draw(_ count: Int, seed: UInt64 = 0) throws -> [UInt8] {
        try store.samples(
          of: flow, count, seed: seed, solver: .fixed(.euler, steps: 1), labels: nil, on: pool
        ).pixels
      }
      let drawn = try draw(260)
      #expect(drawn.count == 260 * 64)
      #expect(drawn == (try flow.sample(0..<260, seed: 0, solver: .fixed(.euler, steps: 1), on: pool)).pixels)
      let name = try #require(FileManager.default.contentsOfDirectory(atPath: directory).first)
      let path = directory + "/" + name + "/part-0000"
      func number(_ file: String) throws -> Int? {
        try FileManager.default.attributesOfItem(atPath: path + file)[.systemFileNumber] as? Int
      }
      let files = ["0.idx", "0.json", "1.idx", "1.json"]
      let before = try files.map(number)
      #expect(try draw(260) == drawn)
      #expect(try draw(255)[...] == drawn.prefix(255 * 64))
      #expect(try files.map(number) == before)
      #expect(try draw(260, seed: 1) != drawn)

      var bytes = try Data(contentsOf: URL(fileURLWithPath: path + "0.idx"))
      bytes[bytes.count - 1] ^= 1
      try bytes.write(to: URL(fileURLWithPath: path + "0.idx"))
      try Data("[".utf8).write(to: URL(fileURLWithPath: path + "1.json"))
      #expect(try draw(260) == drawn)
      try FileManager.default.removeItem(atPath: path + "1.idx")
      #expect(try draw(260) == drawn)
      // A part of ten images does not do for twenty.
      #expect(try draw(270).prefix(260 * 64) == drawn[...])

      struct Ended: Error {}
      #expect(throws: Ended.self) {
        try store.samples(
          of: flow, 300, seed: 2, solver: .fixed(.euler, steps: 1), labels: nil, on: pool,
          progress: { if $0 > 250 { throw Ended() } })
      }
    }
  }
}
