import Sampling
import Training

let flow = try TrainedFlow("outputs/demo")
let images = try flow.sample(16)
try images.sheet(columns: 4).write(to: "sheet.png")
