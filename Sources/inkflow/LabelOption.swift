import ArgumentParser
import Network
import Sampling

/// The class to draw, for conditional models.
struct LabelOption: ParsableArguments {
  @Option(help: "The class of all images, for a model that was trained with classes.")
  var label: Int?

  /// The class of each of `count` samples, or nil for a flow without classes.
  ///
  /// - Parameter own: the samples' own classes, if they have any: taken where no --label is given.
  func labels(
    count: Int, for flow: TrainedFlow, own: [Int]? = nil
  ) throws(ConfigurationError) -> [Int]? {
    guard let classes = flow.classCount else {
      guard let label else { return nil }
      throw ConfigurationError("--label \(label): the model was trained without classes")
    }
    guard let labels = label.map({ Array(repeating: $0, count: count) }) ?? own else {
      throw ConfigurationError(
        "the model has \(classes) classes; pass --label with one from 0 to \(classes - 1)")
    }
    guard let wrong = labels.first(where: { !(0..<classes).contains($0) }) else { return labels }
    throw ConfigurationError(
      label == nil
        ? "an image has label \(wrong), but the model's classes are 0 to \(classes - 1); pass --label"
        : "--label \(wrong): the model's classes are 0 to \(classes - 1)")
  }
}
