/// A set's region of space, as the union of a ball around each of its points that reaches to the point's k-th nearest
/// neighbour in the set (Kynkäänniemi, Karras, Laine, Lehtinen & Aila 2019, "Improved precision and recall metric").
///
/// The precision of samples is the share of them within the data's region, the recall the share of the data within the
/// samples' region.
public struct Region: Sendable {
  private let points: FeatureSet
  /// [count] Squared radii.
  private let radii: [Double]

  /// - Parameters:
  ///   - points: more than `neighbours`.
  ///   - neighbours: k.
  public init(of points: FeatureSet, neighbours: Int = 3, forEach: ForEachNumber) rethrows {
    precondition(points.count > neighbours && neighbours > 0, "too few points for \(neighbours) neighbours")
    self.points = points
    radii = try forEach(points.count) { row in
      // Ascending; the last is the largest of the nearest so far.
      var nearest = Array(repeating: Double.infinity, count: neighbours)
      for other in 0..<points.count where other != row {
        let distance = points.squaredDistance(row, points, other)
        guard distance < nearest[neighbours - 1] else { continue }
        var place = neighbours - 1
        while place > 0 && nearest[place - 1] > distance {
          nearest[place] = nearest[place - 1]
          place -= 1
        }
        nearest[place] = distance
      }
      return nearest[neighbours - 1]
    }
  }

  /// The share of another set's points that lie in the region.
  public func share(of others: FeatureSet, forEach: ForEachNumber) rethrows -> Double {
    let (points, radii) = (points, radii)
    let inside = try forEach(others.count) { row in
      for i in 0..<points.count where points.squaredDistance(i, others, row) <= radii[i] { return 1 }
      return 0
    }
    return inside.reduce(0, +) / Double(others.count)
  }
}
