import Imagery
import Training

let (train, test) = try ImageDataset.loadBoth("synthetic")
