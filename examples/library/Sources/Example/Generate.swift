import Sampling
import Training

/// Draws four images of a trained model: a run, a checkpoint or a diffusers directory. The same ones each time.
func generate(from model: String, to sheet: String) throws {
  let flow = try TrainedFlow(model)
  let images = try flow.sample(4, seed: 0)
  try images.sheet(columns: 4).write(to: sheet)
}
