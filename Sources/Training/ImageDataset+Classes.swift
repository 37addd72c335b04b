import Imagery
import Network

extension ImageDataset {
  /// The name of each class, by its label: empty for a label below the largest that no image has.
  ///
  /// - Parameters:
  ///   - test: whose labels must be among them.
  ///   - purpose: what needs them: "--class-conditional".
  /// - Throws: `ConfigurationError` where they can't be learnt.
  package func classes(beside test: ImageDataset, for purpose: String) throws(ConfigurationError) -> [String]
  {
    guard let labels, let testLabels = test.labels else {
      throw ConfigurationError(
        "'\(name)' has no labels for its \(labels == nil ? "training" : "test") images, but \(purpose) needs them; "
          + "give them as an IDX file beside the images")
    }
    let present = Set(labels)
    guard present.count > 1, let largest = present.max() else {
      throw ConfigurationError(
        "all training images of '\(name)' have label \(labels[0]), but \(purpose) needs classes to tell apart"
      )
    }
    if let stranger = testLabels.first(where: { !present.contains($0) }) {
      throw ConfigurationError(
        "a test image of '\(name)' has label \(stranger), which no training image has, but \(purpose) needs the same "
          + "classes in both; mend the labels")
    }
    return (0...largest).map { label in
      guard present.contains(label) else { return "" }
      let name = classNames.flatMap { Int(label) < $0.count ? $0[Int(label)] : nil } ?? ""
      return name.isEmpty ? "\(label)" : name
    }
  }
}
