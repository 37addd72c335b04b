import Imagery
import Training

let (train, test) = try ImageDataset.loadBoth("synthetic")

let trainer = try Trainer(output: "outputs/mine", train: train, test: test, preset: .tiny, steps: 1000)
