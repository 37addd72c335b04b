import Foundation

/// Which figure is far from its floor, and what usually helps, in a sentence.
public struct Verdict: Sendable, CustomStringConvertible {
  public let description: String

  /// - Parameters:
  ///   - all: of each solver, at least one.
  ///   - floor: of training images.
  ///   - accuracy: the classifier's, on test images of the classes that were asked for.
  ///   - canBeGuided: whether the flow isn't guided yet and knows images of no class.
  public init(
    on all: [SolverScores], floor: QualityScores, heldOut: HeldOutShares, accuracy: Double, canBeGuided: Bool
  ) {
    guard let best = all.min(by: { $0.frechet < $1.frechet }) else {
      preconditionFailure("nothing was scored")
    }
    description =
      Self.repetition(all, heldOut) ?? Self.wrongClasses(best, accuracy, canBeGuided)
      ?? Self.distance(best, all, floor)
  }

  private static func repetition(_ all: [SolverScores], _ heldOut: HeldOutShares) -> String? {
    let copiers = all.filter {
      heldOut.tellsRepetition(by: $0.nearer.reduce(0, +), among: $0.sampleCount)
    }
    guard let worst = copiers.max(by: { $0.nearerThanHeldOut < $1.nearerThanHeldOut }) else { return nil }
    return
      "\(percent(worst.nearerThanHeldOut)) of the samples are copies of training images, or nearly, where an "
      + "honest model has \(percent(heldOut.expected)): the model has learnt them by heart; give it more images, or fewer "
      + "steps"
  }

  /// The classifier errs too, about a tenth of the images of some data: samples can't be expected to do better.
  private static func wrongClasses(_ best: SolverScores, _ accuracy: Double, _ canBeGuided: Bool) -> String? {
    guard let agreement = best.labelAgreement, agreement < 0.9 * accuracy else { return nil }
    return
      "only \(percent(agreement)) of the samples are taken for the class asked for, and \(percent(accuracy)) of the "
      + "test images: train longer" + (canBeGuided ? ", or pass --guidance 2" : "")
  }

  private static func distance(
    _ best: SolverScores, _ all: [SolverScores], _ floor: QualityScores
  ) -> String {
    let (precision, recall) = (best.mean(\.precision), best.mean(\.recall))
    let (strange, missing) = (floor.precision - precision, floor.recall - recall)
    if best.frechet - floor.frechet < max(3 * best.frechetError, floor.frechet), max(strange, missing) < 0.05
    {
      return "the samples can hardly be told from as many training images by these figures"
    }
    // Of a floor of 0 there are no multiples.
    func text(_ scores: SolverScores) -> String {
      floor.frechet > 0
        ? String(format: "%.1f times its floor", scores.frechet / floor.frechet)
        : String(format: "%.3f, its floor 0,", scores.frechet)
    }
    let fewer = all.filter { ($0.evaluations ?? 0) < best.evaluations ?? 0 }
    if let coarse = fewer.max(by: { $0.frechet < $1.frechet }), coarse.frechet > 1.5 * best.frechet {
      return "the distance is \(text(best)) at \(best.name), \(text(coarse)) at \(coarse.name): more "
        + "evaluations help there; where they no longer do, training longer does"
    }
    let far = "the distance is \(text(best))"
    if strange >= 0.05 && 2 * strange >= missing {
      return "\(far), and \(percent(1 - precision)) of the samples lie where no test image does (floor "
        + "\(percent(1 - floor.precision))): if a model drew them, training longer usually helps"
    }
    if missing >= 0.05 {
      return "\(far), and \(percent(1 - recall)) of the test images lie where no sample does (floor "
        + "\(percent(1 - floor.recall))): the model leaves kinds out; training longer or a larger --preset usually helps"
    }
    return "\(far): training longer usually helps, then more evaluations"
  }

  /// Whole numbers, with a decimal below 1.
  private static func percent(_ share: Double) -> String {
    String(format: share > 0 && share < 0.01 ? "%.1f %%" : "%.0f %%", 100 * share)
  }
}
