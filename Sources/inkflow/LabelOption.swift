import ArgumentParser
import Network
import Sampling

/// The class to draw, for conditional models.
struct LabelOption: ParsableArguments {
  @Option(
    help:
      "The class of all images, by name or number, of a model trained with --class-conditional; all gives image number i the class i modulo their number. (default: the images' own; of samples, all; of evaluate, as the test images have them)"
  )
  var label: String?

  @Option(
    help:
      "How far the class is exaggerated, w in v = v_none + w * (v_class - v_none), where v_none is the velocity for no class; 1 is the class as it was learnt. (default: 1)"
  )
  var guidance: Double?

  func validate() throws { try require("guidance", guidance, in: 0...100) }

  /// The flow, guided as asked.
  func guide(_ flow: TrainedFlow) throws(ConfigurationError) -> TrainedFlow {
    try guidance.map { (value) throws(ConfigurationError) in try flow.guided(by: value) } ?? flow
  }

  /// The classes asked for, of which image number i has the i-th modulo their count; nil for a flow without classes.
  func classes(for flow: TrainedFlow) throws(ConfigurationError) -> [Int]? {
    guard let present = flow.presentClasses else {
      guard let label else { return nil }
      throw ConfigurationError("--label \(label): the model was trained without classes")
    }
    guard let label, label != "all" else { return present }
    let names = flow.classNames ?? present.map(String.init)
    // A name before a number: folders may be called by numbers of their own.
    for candidates in [
      present.filter { names[$0] == label }, present.filter { names[$0].lowercased() == label.lowercased() },
      present.filter { $0 == Int(label) },
    ] where candidates.count == 1 { return candidates }
    throw ConfigurationError(
      "--label \(label): the model's classes are "
        + present.map { names[$0] == "\($0)" ? names[$0] : "\($0) (\(names[$0]))" }.joined(separator: ", "))
  }

  /// The class of each sample of these numbers; nil for a flow without classes.
  func labels(drawing numbers: Range<Int>, for flow: TrainedFlow) throws(ConfigurationError) -> [Int]? {
    try classes(for: flow).map { classes in numbers.map { classes[$0 % classes.count] } }
  }

  /// The class of each of some images: their own, or the one asked for; nil for a flow without classes.
  func labels(of own: [Int]?, count: Int, for flow: TrainedFlow) throws(ConfigurationError) -> [Int]? {
    guard let classes = try classes(for: flow) else { return nil }
    if label != nil && classes.count == 1 { return Array(repeating: classes[0], count: count) }
    guard label == nil, let own else {
      throw ConfigurationError(
        "the model has classes, and the images have "
          + (label == nil ? "no labels" : "one class each, not all") + "; pass --label with one class")
    }
    guard let wrong = own.first(where: { !classes.contains($0) }) else { return own }
    throw ConfigurationError(
      "an image has label \(wrong), which is no class of the model's; pass --label with one of its own")
  }

  /// The places of each class's samples, where several classes are drawn.
  func rows(_ labels: [Int]?) -> [[Int]]? {
    guard let labels, Set(labels).count > 1 else { return nil }
    return Set(labels).sorted().map { label in labels.indices.filter { labels[$0] == label } }
  }
}

extension Report {
  /// The class of each image of a conditional flow.
  mutating func add(labels: [Int]?, _ option: LabelOption, otherwise: String) {
    add("labels", labels, as: option.label ?? otherwise)
  }
}
