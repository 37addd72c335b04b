import Flow
import Network
import Sampling

/// Images of a trained model, [count, height, width, channels], about −1 to 1: the same for the same seed.
func generate(model directory: String, count: Int, seed: UInt64) throws -> [Float] {
  let model = try Model(directory: directory)
  let sampler = Sampler(model: model, threads: 2)
  return try sampler.sample(0..<count, seed: seed, solver: .adaptive(rtol: 1e-3, atol: 1e-3)).values
}
