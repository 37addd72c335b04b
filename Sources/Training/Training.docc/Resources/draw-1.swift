import Sampling
import Training

let flow = try TrainedFlow("outputs/demo")
