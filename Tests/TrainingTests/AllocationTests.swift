#if canImport(Glibc)
  import AllocationCounter
  import Flow
  import Imagery
  import Kernels
  import Network
  import Sampling
  import Testing
  import Training

  /// Warm runs take no memory from the heap. Counted on the calling thread, which does the same work as the others.
  @Suite struct AllocationTests {
    /// All kinds of layers, wide enough for Winograd's algorithm on any vectors.
    private static let configuration = UNetConfiguration(
      sampleHeight: 16, sampleWidth: 16, inputChannels: 1, outputChannels: 1, blockOutputChannels: [32, 64],
      layersPerBlock: 1, attentionLevels: [false, true], normGroupCount: 4)

    private func allocations(_ body: () throws -> Void) rethrows -> Int {
      let before = inkflow_allocations_of_this_thread()
      try body()
      return inkflow_allocations_of_this_thread() - before
    }

    @Test func theCounterCounts() {
      var arrays: [[Int]] = []
      arrays.reserveCapacity(8)
      #expect(allocations { for i in 1...5 { arrays.append(Array(repeating: i, count: i)) } } == 5)
      #expect(allocations { _ = Arena(count: 1 << 20) } >= 1)
    }

    @Test(arguments: [1, 2, 3], TrainingSettings.Optimizer.allCases)
    func trainingStep(threads: Int, optimizer: TrainingSettings.Optimizer) throws {
      let pool = WorkerPool(threadCount: threads)
      let unet = try UNet(Self.configuration)
      var settings = TrainingSettings(recipe: .rectifiedFlow, steps: 100)
      settings.averageDecay = 0.999
      settings.optimizer = optimizer
      let state = TrainingState(
        from: Weights(reading: unet.initialParameters(seed: 1)), settings: settings)
      let data = ImageDataset(
        name: "ramp", split: .train, pixels: (0..<19 * 256).map { UInt8(truncatingIfNeeded: $0) }, height: 16,
        width: 16, channels: 1, labels: nil)
      let engine = LossEngine(network: unet, pool: pool, maximumBatchSize: 19)
      let examples: any ExampleSource = ImageExamples(data, dequantize: true)
      let rows = (0..<19).map { UInt32($0) }
      let tasks = UpdateTasks(
        engine.plan.parameters, count: engine.plan.count, settings: settings, pool: pool)
      func step() {
        engine.parametersChanged(state.parameters)
        let batch = Batch(
          source: examples, rows: rows[...], seed: 0, draws: .training(step: state.step), times: .stratified)
        let norm = engine.lossAndGradient(batch, parameters: state.parameters).gradientNorm
        state.update(settings, gradient: engine.gradient, norm: norm, tasks: tasks, pool: pool)
      }
      step()
      #expect(allocations { for _ in 0..<3 { step() } } == 0)
    }

    /// Few images, whose layers the threads share, and many.
    @Test(arguments: [1, 2, 3], [nil, 3]) func evaluation(threads: Int, classCount: Int?) throws {
      var configuration = Self.configuration
      configuration.classCount = classCount
      let field = try randomFlow(configuration).field(
        capacity: 19, labels: classCount.map { classes in (0..<19).map { $0 % classes } },
        on: WorkerPool(threadCount: threads))
      for count in [1, 2, 19] {
        let states = [Double](repeating: 0.5, count: count * configuration.shape.count)
        let (times, samples) = (Array(repeating: 0.3, count: count), Array(0..<count))
        var velocities = states
        func evaluate() throws {
          var span = velocities.mutableSpan
          try field.evaluate(states.span, times: times.span, samples: samples.span, into: &span)
        }
        try evaluate()
        #expect(try allocations { for _ in 0..<3 { try evaluate() } } == 0, "\(count) images")
        #expect(velocities != states)
      }
    }
  }
#endif
