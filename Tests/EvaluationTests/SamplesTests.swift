import Evaluation
import Foundation
import Imagery
import Kernels
import Network
import Sampling
import Testing

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
        let next = (0..<trainCount).map(distance).filter { $0 > nearest.distances[image] }.min() ?? .infinity
        #expect(abs(nearest.shares[image] - nearest.distances[image] / next) < 1e-12)
      }
      #expect(nearest.distances[count - 1] == 0)
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
          of: flow, count, seed: seed, solver: .fixed(.euler, steps: 1), classes: nil, on: pool
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
          of: flow, 300, seed: 2, solver: .fixed(.euler, steps: 1), classes: nil, on: pool,
          progress: { if $0 > 250 { throw Ended() } })
      }
    }
  }
}
