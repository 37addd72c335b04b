import Files
import Training

/// A model that isn't there is a `FileError`, which says what, where and what to do.
func describeMissingModel(_ path: String) -> String {
  do {
    _ = try TrainedFlow(path)
    return "'\(path)' is there"
  } catch let error as FileError where error.kind == .missing {
    return "not found: \(error)"
  } catch {
    return "something else: \(error)"
  }
}
