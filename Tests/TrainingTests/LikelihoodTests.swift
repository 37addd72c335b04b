import Flow
import Foundation
import Imagery
import Kernels
import Network
import Sampling
import Testing

/// A network's derivatives, and the likelihoods made of them.
@Suite struct LikelihoodTests {
  private static let configuration = UNetConfiguration(
    sampleHeight: 8, sampleWidth: 8, inputChannels: 1, outputChannels: 1, blockOutputChannels: [8, 16],
    layersPerBlock: 1, attentionLevels: [false, true], normGroupCount: 4)

  /// Wide enough for Winograd's algorithm on any vectors.
  private static var wide: UNetConfiguration {
    var configuration = configuration
    (configuration.sampleHeight, configuration.sampleWidth) = (28, 20)
    configuration.blockOutputChannels = [32, 96]
    return configuration
  }

  private func field(_ flow: TrainedFlow, threads: Int, capacity: Int, probeCount: Int) -> FlowField {
    flow.field(
      capacity: capacity, labels: flow.classCount.map { classes in (0..<capacity).map { $0 % classes } },
      probeCount: probeCount, on: WorkerPool(threadCount: threads))
  }

  private func normals(_ count: Int, seed: UInt64) -> [Double] {
    let arena = Arena(count: count)
    Philox(seed: seed, purpose: .samplingNoise).fillNormals(arena.mutable(arena.all))
    let values = arena[arena.all]
    return values.indices.map { Double(values[$0]) }
  }

  private func differentiate(
    _ field: FlowField, _ states: [Double], times: [Double], samples: [Int], probes: [Double],
    probeCount: Int
  ) throws -> (velocities: [Double], forms: [Double]) {
    var velocities = states.map { _ in Double.nan }
    var forms = [Double](repeating: .nan, count: times.count * probeCount)
    var velocitySpan = velocities.mutableSpan
    var formSpan = forms.mutableSpan
    try field.evaluate(
      states.span, times: times.span, samples: samples.span, probes: probes.span, into: &velocitySpan,
      quadraticForms: &formSpan)
    return (velocities, forms)
  }

  /// zᵀ(∂u/∂x)z against central differences of zᵀu along z.
  @Test(arguments: [nil, 3]) func derivativesByDifferences(classCount: Int?) throws {
    var configuration = Self.configuration
    configuration.classCount = classCount
    let (count, probeCount, d) = (5, 3, configuration.shape.count)
    let network = field(try randomFlow(configuration), threads: 2, capacity: count, probeCount: probeCount)
    let states = normals(count * d, seed: 1)
    let probes = (0..<count).flatMap { image in
      DivergenceProbes.random(count: probeCount, seed: 2).values(sample: image, dimension: d)
    }
    let (times, samples) = ([0, 0.3, 0.6, 0.9, 1.0], Array(0..<count))
    let (velocities, forms) = try differentiate(
      network, states, times: times, samples: samples, probes: probes, probeCount: probeCount)

    func velocity(_ states: [Double]) throws -> [Double] {
      var result = states.map { _ in Double.nan }
      var span = result.mutableSpan
      try network.evaluate(states.span, times: times.span, samples: samples.span, into: &span)
      return result
    }
    #expect(try velocity(states) == velocities)
    let h = 3e-3
    let scale = (forms.reduce(0) { $0 + $1 * $1 } / Double(forms.count)).squareRoot()
    #expect(scale > 1)
    for probe in 0..<probeCount {
      func z(_ i: Int) -> Double { probes[(i / d * probeCount + probe) * d + i % d] }
      let ahead = try velocity(states.indices.map { states[$0] + h * z($0) })
      let behind = try velocity(states.indices.map { states[$0] - h * z($0) })
      for row in 0..<count {
        let difference =
          (row * d..<(row + 1) * d).reduce(0) { $0 + z($1) * (ahead[$1] - behind[$1]) } / (2 * h)
        let form = forms[row * probeCount + probe]
        #expect(abs(form - difference) < 1e-2 * scale, "\(form), by differences \(difference)")
      }
    }
  }

  /// Bits depend neither on threads nor on neighbours.
  @Test(arguments: [Self.configuration, Self.wide]) func derivativesAloneAndAmongOthers(
    _ configuration: UNetConfiguration
  ) throws {
    let flow = try randomFlow(configuration)
    let (count, probeCount, d) = (11, 2, configuration.shape.count)
    let (states, probes) = (normals(count * d, seed: 3), normals(count * probeCount * d, seed: 4))
    let times = (0..<count).map { Double($0) / 10 }
    func run(_ rows: [Int], threads: Int) throws -> (velocities: [Double], forms: [Double]) {
      try differentiate(
        field(flow, threads: threads, capacity: count, probeCount: probeCount),
        rows.flatMap { states[$0 * d..<($0 + 1) * d] }, times: rows.map { times[$0] }, samples: rows,
        probes: probes, probeCount: probeCount)
    }
    let all = try run(Array(0..<count), threads: 1)
    #expect(all.forms.allSatisfy(\.isFinite) && Set(all.forms).count == count * probeCount)
    for threads in 2...3 {
      let same = try run(Array(0..<count), threads: threads)
      #expect(same.forms == all.forms && same.velocities == all.velocities)
    }
    for threads in 1...3 {
      for rows in [[7], [2, 9], [0, 3, 4, 5, 10]] {
        let some = try run(rows, threads: threads)
        #expect(some.forms == rows.flatMap { all.forms[$0 * probeCount..<($0 + 1) * probeCount] })
        #expect(some.velocities == rows.flatMap { all.velocities[$0 * d..<($0 + 1) * d] })
      }
    }
  }

  @Test func logDensitiesAloneAndAmongOthers() throws {
    // A field of the order of its input, as trained ones are.
    let flow = try randomFlow(Self.configuration, scale: 0.1) { $0 == "conv_out.weight" }
    let d = Self.configuration.shape.count
    let data = normals(70 * d, seed: 6).map { Float($0) }
    let solver = Solver.adaptive(rtol: 1e-2, atol: 1e-2)
    func logDensities(_ rows: Range<Int>, threads: Int, seed: UInt64 = 1) throws -> [Double] {
      var shares: [Double] = []
      let estimates = try flow.logDensities(
        of: Array(data[rows.lowerBound * d..<rows.upperBound * d]), numbers: rows,
        probes: .random(count: 2, seed: seed), solver: solver, on: WorkerPool(threadCount: threads)
      ) { shares.append($0) }
      #expect(abs((shares.last ?? 0) - 1) < 1e-9 && shares == shares.sorted())
      #expect(estimates.evaluations.count == rows.count)
      return estimates.values
    }
    let all = try logDensities(0..<70, threads: 2)
    #expect(Set(all).count == 70)
    for threads in 1...3 {
      for rows in [5..<6, 60..<69] { #expect(try logDensities(rows, threads: threads) == Array(all[rows])) }
    }
    #expect(try logDensities(5..<6, threads: 1, seed: 2) != [all[5]])
  }

  /// An untrained network is the zero field, whose bits are known: 7 + ½ log₂ 2π + E[x²]/(2 ln 2).
  private func bitsOfTheZeroField(_ images: ImageDataset, _ numbers: Range<Int>) throws -> (Double, Double) {
    let configuration = UNetConfiguration(
      .tiny, height: images.height, width: images.width, channels: images.channels)
    let unet = try UNet(configuration)
    let flow = TrainedFlow(unet, Weights(reading: unet.initialParameters(seed: 0)))
    let data = images.dequantized(numbers, seed: 3, draw: 0)
    let estimates = try flow.logDensities(
      of: data, numbers: numbers, probes: .random(seed: 3), solver: .adaptive(rtol: 1e-3, atol: 1e-3),
      on: WorkerPool(threadCount: 2))
    let bits = estimates.values.map {
      Likelihood.bitsPerDimension(logDensity: $0, dimension: images.imageSize)
    }
    let energy = data.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(data.count)
    return (
      bits.reduce(0, +) / Double(numbers.count), 7 + log2(2 * .pi) / 2 + energy / (2 * log(2))
    )
  }

  @Test func zeroField() throws {
    let (bits, expected) = try bitsOfTheZeroField(SyntheticStrokes.make(split: .test), 0..<40)
    #expect(abs(bits - expected) < 1e-9)
  }

  /// The known answer, where MNIST is at hand.
  @Test(.enabled(if: FileManager.default.fileExists(atPath: mnist))) func zeroFieldOnMNIST() throws {
    let images = try ImageDataset.load(mnist, split: .test)
    let (bits, expected) = try bitsOfTheZeroField(images, 0..<64)
    #expect(abs(bits - expected) < 1e-9)
    #expect(abs(bits - 8.99) < 0.02)
  }

  /// Signs and normals of the right moments, each image, draw and seed its own.
  @Test(arguments: DivergenceProbes.Distribution.allCases)
  func probes(_ distribution: DivergenceProbes.Distribution) {
    func values(count: Int = 1, seed: UInt64, draw: Int = 0, sample: Int = 3) -> [Double] {
      DivergenceProbes.random(distribution, count: count, seed: seed, draw: draw)
        .values(sample: sample, dimension: 10_000)
    }
    let both = values(count: 2, seed: 1)
    let count = Double(both.count)
    let mean = both.reduce(0, +) / count
    let square = both.reduce(0) { $0 + $1 * $1 } / count
    #expect(both.count == 20_000 && abs(mean) < 4 / count.squareRoot() && abs(square - 1) < 0.05)
    #expect(Set(both).count == 2 || distribution == .gaussian)
    let first = Array(both[..<10_000])
    #expect(values(seed: 1) == first)
    for other in [values(seed: 2), values(seed: 1, draw: 1), values(seed: 1, sample: 4)] {
      #expect(other != first)
    }
  }

  /// The mean over the axes is the trace itself.
  @Test(arguments: [1, 2, 5]) func axes(dimension d: Int) {
    let values = DivergenceProbes.axes(dimension: d).values(sample: 3, dimension: d)
    let matrix = (0..<d * d).map { Double($0 * $0 % 7) - 3 }
    let forms = (0..<d).map { probe in
      (0..<d * d).reduce(0.0) {
        $0 + values[probe * d + $1 / d] * matrix[$1] * values[probe * d + $1 % d]
      }
    }
    let trace = (0..<d).reduce(0) { $0 + matrix[$1 * (d + 1)] }
    #expect(abs(forms.reduce(0, +) / Double(d) - trace) < 1e-12)
  }
}

/// MNIST where this repository's tests look for data sets, INKFLOW_DATA or beside the repository.
private let mnist: String = {
  let package = (0..<3).reduce(URL(fileURLWithPath: #filePath)) { url, _ in url.deletingLastPathComponent() }
  let directory =
    ProcessInfo.processInfo.environment["INKFLOW_DATA"] ?? package.path + "/../shared/datasets"
  return directory + "/mnist"
}()
