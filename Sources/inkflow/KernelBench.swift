import Kernels

/// The median time of a call, in seconds, over at least `runs` calls and `total` seconds, after one
/// warm-up.
func medianSeconds(runs: Int = 5, atLeast total: Double = 0.2, _ body: () -> Void) -> Double {
  func measure() -> Double {
    let start = ContinuousClock.now
    body()
    return (ContinuousClock.now - start) / .seconds(1)
  }
  _ = measure()
  var times: [Double] = []
  var measured = 0.0
  while times.count < runs || measured < total {
    times.append(measure())
    measured += times[times.count - 1]
  }
  return times.sorted()[times.count / 2]
}

/// What this machine can do at best.
struct Machine {
  /// GFLOP/s.
  let peakOfOneCore: Double
  /// GFLOP/s on all threads.
  let peak: Double
  /// GB/s, read and write, on all threads.
  let copyBandwidth: Double

  var report: Report {
    var report = Report()
    report.add("peak_of_one_core", peakOfOneCore, digits: 0)
    report.add("peak", peak, digits: 0)
    report.add("copy_bandwidth", copyBandwidth, digits: 0)
    return report
  }

  init(_ pool: WorkerPool) {
    let iterations = 2_000_000
    let work = Double(iterations * operationsPerIteration) * 1e-9
    let sink = Arena(count: 16 * pool.threadCount)
    @Sendable func spin(_ task: Int) {
      fill(
        sink.mutable(sink.all.part(task, length: 16)), with: spinMultiplyAdds(iterations: iterations))
    }
    peakOfOneCore = work / medianSeconds { spin(0) }
    peak =
      work * Double(pool.threadCount) / medianSeconds { pool.run(pool.threadCount) { task, _ in spin(task) } }
    let length = 16 << 20
    let (source, destination) = (Arena(count: length), Arena(count: length))
    let part = length / pool.threadCount
    copyBandwidth =
      Double(2 * 4 * part * pool.threadCount) * 1e-9
      / medianSeconds {
        pool.run(pool.threadCount) { task, _ in
          copy(
            source[source.all.part(task, length: part)],
            into: destination.mutable(destination.all.part(task, length: part)))
        }
      }
  }
}

/// One convolution's three passes over as many images as the network takes together, on one core; GFLOP/s in terms of
/// the direct sum.
struct Layer {
  let shape: String
  let forward: Double
  let inputGradient: Double
  let weightGradient: Double

  func report(peak: Double) -> Report {
    var row = Report()
    row.add("shape", shape)
    for (name, rate) in [
      ("forward", forward), ("input_gradient", inputGradient), ("weight_gradient", weightGradient),
    ] {
      row.add(name, rate, as: "\(Terminal.fixed(rate, 0)) (\(Terminal.fixed(100 * rate / peak, 0)) %)")
    }
    return row
  }

  init(_ side: Int, _ input: Int, _ output: Int, count: Int, precision: Precision) {
    let convolution = Convolution3x3(
      input: ImageShape(height: side, width: side, channels: input), outputChannels: output,
      precision: precision)
    func arena(_ count: Int, seed: UInt64) -> Arena {
      let arena = Arena(count: count)
      Philox(seed: seed, purpose: .initialization).fillNormals(arena.mutable(arena.all))
      return arena
    }
    let x = arena(count * convolution.input.padded.count, seed: 1)
    let dy = arena(count * convolution.output.padded.count, seed: 2)
    let weights = arena(convolution.weightCount, seed: 3)
    let bias = arena(output, seed: 4)
    // All layers that are measured have prepared weights, Winograd's.
    let forwardWeights = Arena(count: convolution.forwardWeightCount ?? 0)
    convolution.prepareForward(weights[weights.all], into: forwardWeights.mutable(forwardWeights.all))
    let backwardWeights = Arena(count: convolution.backwardWeightCount)
    convolution.prepareBackward(weights[weights.all], into: backwardWeights.mutable(backwardWeights.all))
    let y = Arena(count: count * convolution.output.count)
    let dx = Arena(count: count * convolution.input.count)
    let dw = Arena(count: convolution.weightCount)
    let scratch = Arena(count: convolution.scratchCount)
    let work = 2e-9 * Double(count * convolution.output.pixels * convolution.weightCount)
    shape = "\(side)² \(input)→\(output)"
    forward =
      work
      / medianSeconds {
        convolution.forward(
          x[x.all], count: count, weights: forwardWeights[forwardWeights.all], bias: bias[bias.all],
          into: y.mutable(y.all), scratch: scratch.mutable(scratch.all))
      }
    inputGradient =
      work
      / medianSeconds {
        convolution.inputGradient(
          dy[dy.all], count: count, weights: backwardWeights[backwardWeights.all], into: dx.mutable(dx.all),
          scratch: scratch.mutable(scratch.all))
      }
    weightGradient =
      work
      / medianSeconds {
        convolution.addWeightGradient(
          x[x.all], dy[dy.all], count: count, into: dw.mutable(dw.all), scratch: scratch.mutable(scratch.all))
      }
  }
}
