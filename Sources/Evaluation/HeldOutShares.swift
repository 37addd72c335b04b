import Foundation

/// How near test images are to training images, by which samples are told to repeat these.
///
/// A sample is nearer than held out if its distance to the nearest training image is a smaller part of that to the next
/// one (`NearestImages.shares`) than of all but one in 1000 test images, or if it is a copy. Test images may be copies of
/// training images themselves, as a few of Fashion-MNIST nearly are: these set no limit, but an honest model may draw as
/// many.
public struct HeldOutShares: Sendable {
  public let count: Int
  /// Test images that are exact copies of training images.
  public let copies: Int
  /// Test images below the limit, with all copies.
  private let rank: Int
  private let limit: Double

  /// - Parameter shares: of test images, at least one.
  public init(_ shares: [Double]) {
    precondition(!shares.isEmpty, "no test images")
    count = shares.count
    copies = shares.count { $0 == 0 }
    rank = copies + (count - copies) / 1000
    // Where all are copies, nothing but a copy is nearer.
    limit = rank < count ? shares.sorted()[rank] : 0
  }

  /// The share of the samples of an honest model that are nearer in the mean: such a sample is as likely to have any place
  /// among the test images as any other.
  public var expected: Double { Double(rank + 1) / Double(count + 1) }

  /// How many are nearer.
  public func nearer(_ shares: [Double]) -> Int { shares.count { $0 == 0 || $0 < limit } }

  /// How probable it is that so many of the samples of an honest model, or more, are nearer.
  ///
  /// Then at most `rank` of the nearer + rank smallest of all count + samples shares are of test images, which are drawn
  /// from these without repetition: a hypergeometric distribution. (A binomial one would take the limit for exact, which
  /// is that of one test image among few.)
  func probability(of nearer: Int, among samples: Int) -> Double {
    if rank == count || nearer == 0 { return 1 }
    let smallest = nearer + rank
    func logChoices(_ n: Int, _ k: Int) -> Double {
      lgamma(Double(n + 1)) - lgamma(Double(k + 1)) - lgamma(Double(n - k + 1))
    }
    let all = logChoices(count + samples, smallest)
    return (0...rank).reduce(0) { sum, k in
      guard smallest - k <= samples else { return sum }
      return sum + exp(logChoices(count, k) + logChoices(samples, smallest - k) - all)
    }
  }

  /// Whether so many are nearer that the model repeats training images: too many for chance, and enough to matter.
  public func tellsRepetition(by nearer: Int, among samples: Int) -> Bool {
    Double(nearer) / Double(samples) > expected + 0.02 && probability(of: nearer, among: samples) < 1e-3
  }
}
