import Files
import Foundation
import Kernels
import Network

/// A trained flow: a network with the weights that training found. It is a value that never changes; sampling,
/// inversion and likelihoods are functions of it and of a solver.
///
/// A flow is opened from a run, a checkpoint or a diffusers directory (`init(_:)` in Training), or handed out by a
/// trainer as a snapshot of what it has learnt so far.
public struct TrainedFlow: Sendable {
  package let network: any FlowNetwork
  package let weights: Weights
  /// Texts that go with the weights: of which step of which run they are, whether they are averaged.
  public let notes: [String: String]
  /// Where it was read from: a checkpoint's file, or a directory.
  public let path: String?
  /// Whether it was trained on pixels with noise of one grey level, as likelihoods need it; nil if that isn't known. A grey
  /// level k is then the interval from k/128 − 1 to (k + 1)/128 − 1; else it is the number k/127.5 − 1.
  public let isDequantized: Bool?
  /// What was assumed or converted when it was opened; nil where its files say that it is a flow as Inkflow trains it.
  public let remark: String?

  /// How far the class asked for is exaggerated: v = v_∅ + guidance·(v_c − v_∅), where v_∅ is the velocity for no class
  /// (Ho & Salimans 2022, with w = guidance − 1). 1 is the class as it was learnt, 0 no class.
  public private(set) var guidance = 1.0
  /// Evaluations of the network that one of the field takes: two where v_∅ is needed too.
  var networkEvaluations: Int { guidance == 1 ? 1 : 2 }

  /// Of the numbers that the network's convolutions multiply when the flow is evaluated, however it was trained.
  public private(set) var precision = Precision.float32

  package init(
    _ network: any FlowNetwork, _ weights: Weights, notes: [String: String] = [:], path: String? = nil,
    isDequantized: Bool? = nil, remark: String? = nil
  ) {
    precondition(weights.all.count == network.plan.parameters.count, "weights of another network")
    self.network = network
    self.weights = weights
    self.notes = notes
    self.path = path
    self.isDequantized = isDequantized
    self.remark = remark
  }

  /// Bytes of pixels as the flow knows them, about −1...1: of dequantised ones the middle of each grey level.
  public func values(ofPixels pixels: [UInt8]) -> [Float] {
    isDequantized ?? false
      ? pixels.map { (Float($0) + 0.5) / 128 - 1 } : pixels.map { Float($0) / 127.5 - 1 }
  }

  /// Of one sample: an image, or a point of d numbers as one pixel with d channels.
  public var shape: ImageShape { network.shape }
  /// Classes of a conditional flow, which wants a label for each sample; nil for one without.
  public var classCount: Int? { network.classCount }
  /// Of the note with the names of the classes: a list of texts as JSON, as a name may hold any character.
  static package let classNamesKey = "classes"

  /// The name of each class of a conditional flow, by its label, if they have names; empty for one without examples.
  public var classNames: [String]? {
    notes[Self.classNamesKey].flatMap { try? JSONDecoder().decode([String].self, from: Data($0.utf8)) }
  }

  /// The classes of a conditional flow that had examples to learn from.
  public var presentClasses: [Int]? {
    let names = classNames
    return classCount.map { count in (0..<count).filter { names?[$0].isEmpty != true } }
  }

  /// The same flow, guided: each evaluation of its field then runs the network twice, with the class and without.
  ///
  /// - Throws: `ConfigurationError` where the flow hasn't learnt what no class looks like.
  public func guided(by guidance: Double) throws(ConfigurationError) -> TrainedFlow {
    var flow = self
    guard network.unconditionalClass != nil || classCount != nil && guidance == 1 else {
      throw ConfigurationError(
        classCount == nil
          ? "--guidance \(guidance): the model was trained without classes"
          : "--guidance \(guidance): the model was trained without --label-dropout, so it doesn't know images of no "
            + "class")
    }
    flow.guidance = guidance
    return flow
  }

  /// The same flow, evaluated with another precision.
  ///
  /// - Throws: `ConfigurationError` where the CPU lacks the instruction for it.
  public func evaluated(in precision: Precision) throws(ConfigurationError) -> TrainedFlow {
    try precision.requireAvailable()
    var flow = self
    flow.precision = precision
    return flow
  }

  /// Numbers that training found.
  public var parameterCount: Int { network.parameterCount }
  /// The configuration of a flow of images, whose network is a UNet.
  public var configuration: UNetConfiguration? { (network as? UNet)?.configuration }
  /// CRC-32 of the weights as they lie in memory: tells two flows apart.
  public var checksum: UInt32 { crc32(weights[weights.all].bytes) }
}
