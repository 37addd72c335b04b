import Files
import Sampling
import Training

/// A model that isn't there is a `FileError`, which says what, where and what to do.
func describeMissingModel(_ path: String) -> String {
  do throws(FileError) {
    _ = try TrainedFlow(path)
    return "'\(path)' is there"
  } catch {
    return error.kind == .missing ? "not found: \(error)" : "not usable: \(error)"
  }
}
