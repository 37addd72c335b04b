import Kernels
import Network
import Testing
import Training

@Suite struct UpdateTasksTests {
  /// Each parameter is moved once, by one optimiser.
  @Test(arguments: UNetConfiguration.Preset.allCases, TrainingSettings.Optimizer.allCases)
  func tasksCoverTheParametersOnce(
    preset: UNetConfiguration.Preset, optimizer: TrainingSettings.Optimizer
  ) throws {
    let (side, channels) = preset.standardImage
    let plan = try UNet(UNetConfiguration(preset, height: side, width: side, channels: channels)).plan
      .parameters
    var settings = TrainingSettings(recipe: .quick, steps: 10)
    settings.optimizer = optimizer
    let tasks = UpdateTasks(
      plan.parameters, count: plan.count, settings: settings, pool: WorkerPool(threadCount: 1))
    var matrices: [Slice] = []
    var slices: [Slice] = []
    for index in 0..<tasks.count {
      switch tasks[index] {
      case .muon(let matrix):
        matrices.append(matrix.slice)
        slices.append(matrix.slice)
      case .adamW(let slice): slices.append(slice)
      }
    }
    var end = 0
    for slice in slices.sorted(by: { $0.offset < $1.offset }) {
      #expect(slice.offset == end && slice.count > 0)
      end = slice.offset + slice.count
    }
    #expect(end == plan.count)

    let names = plan.parameters.filter { matrices.contains($0.slice) }.map(\.name)
    let expected = plan.parameters.map(\.name).filter { name in
      name.contains("conv") && name.hasSuffix(".weight") && !name.contains("norm")
        && !name.contains("conv_shortcut") && !["conv_in.weight", "conv_out.weight"].contains(name)
    }
    #expect(names == (optimizer == .muon ? expected : []))
  }
}
