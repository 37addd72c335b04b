import Sampling
import Training

let flow = try TrainedFlow("outputs/demo")
let images = try flow.sample(16)
