import Files
import Imagery
import Kernels

/// The class of each sample of a conditional flow, by the sample's number. How many are drawn changes no sample's class.
public struct SampleLabels: Sendable {
  /// Sample number i has the i-th modulo their count.
  private let order: [Int]
  /// Tells two of them apart, and may stand in a file's name.
  let name: String

  /// Each class in turn.
  public init(cycling classes: [Int]) {
    precondition(!classes.isEmpty, "no classes")
    self.init(classes, classes.count == 1 ? "label-\(classes[0])" : "labels-in-turn")
  }

  /// Classes in the proportions of some images, in which they are to be compared with them; nil where none of the images
  /// is of these classes.
  ///
  /// - Parameter classes: that the flow knows.
  public init?(as images: ImageDataset, of classes: [Int]) {
    let labels = (images.labels ?? []).map(Int.init).filter(classes.contains)
    if labels.isEmpty { return nil }
    // Not in the images' order, whose beginning may be of one class. The last step but one: the floor has the last.
    let order = Philox(seed: 0, purpose: .resampling, step: .max - 1).permutation(labels.count)
    self.init(order.map { labels[Int($0)] }, "labels-as-\(images.split.rawValue)")
  }

  private init(_ order: [Int], _ name: String) {
    self.order = order
    self.name = name + (name.hasPrefix("labels") ? "-" + hexadecimal(crc32(order.span.bytes)) : "")
  }

  /// The class of all samples, if they are of one.
  public var only: Int? { Set(order).count == 1 ? order[0] : nil }
  /// Those that are drawn, in ascending order.
  public var classes: [Int] { Set(order).sorted() }

  public func of(_ numbers: Range<Int>) -> [Int] { numbers.map { order[$0 % order.count] } }
}
