import Imagery
import Network

extension ImageDataset {
  /// The name of each class, by its label: empty for a label below the largest that no image has.
  ///
  /// - Parameter test: whose labels must be among them.
  /// - Throws: `ConfigurationError` where a conditional flow can't be trained on them.
  func classes(beside test: ImageDataset) throws(ConfigurationError) -> [String] {
    guard let labels, let testLabels = test.labels else {
      throw ConfigurationError(
        "'\(name)' has no labels for its \(labels == nil ? "training" : "test") images, which --class-conditional "
          + "needs; give them as an IDX file beside the images, or leave out --class-conditional")
    }
    let present = Set(labels)
    guard present.count > 1, let largest = present.max() else {
      throw ConfigurationError(
        "all training images of '\(name)' have label \(labels[0]): there are no classes to tell apart; leave out "
          + "--class-conditional")
    }
    if let stranger = testLabels.first(where: { !present.contains($0) }) {
      throw ConfigurationError(
        "a test image of '\(name)' has label \(stranger), which no training image has; mend the labels, or leave out "
          + "--class-conditional")
    }
    return (0...largest).map { label in
      guard present.contains(label) else { return "" }
      return classNames.flatMap { Int(label) < $0.count ? $0[Int(label)] : nil } ?? "\(label)"
    }
  }
}
