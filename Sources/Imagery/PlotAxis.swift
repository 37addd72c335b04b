import Foundation

extension Plot {
  /// One axis of all panels: its range, what it measures, and whether equal distances are equal ratios.
  public struct Axis: Sendable {
    public let range: ClosedRange<Double>
    public let label: String?
    public let isLogarithmic: Bool

    /// - Precondition: a finite range that isn't empty, positive if it is logarithmic.
    public init(_ range: ClosedRange<Double>, label: String? = nil, isLogarithmic: Bool = false) {
      precondition(
        range.lowerBound < range.upperBound && (range.upperBound - range.lowerBound).isFinite
          && (!isLogarithmic || range.lowerBound > 0), "an axis needs a range")
      self.range = range
      self.label = label
      self.isLogarithmic = isLogarithmic
    }

    /// Where a value lies: 0 at the beginning of the axis, 1 at its end.
    func place(_ value: Double) -> Double {
      func scale(_ value: Double) -> Double { isLogarithmic ? log(value) : value }
      let (low, high) = (scale(range.lowerBound), scale(range.upperBound))
      return (scale(value) - low) / (high - low)
    }

    package var ticks: Ticks { isLogarithmic ? Plot.logarithmicTicks(range) : Plot.ticks(range) }
  }

  /// Marks on an axis.
  package struct Ticks {
    /// The marks with numbers, and the short ones between them.
    package let values: [Double]
    package var minor: [Double] = []
    /// Decimals of the numbers; nil for as many as each needs.
    let digits: Int?

    package func text(_ value: Double) -> String {
      guard value != 0 else { return String(format: "%.\(digits ?? 0)f", 0.0) }
      let power = Int(log10(abs(value)).rounded(.down))
      if digits == nil, abs(power) > 4 {
        let mantissa = (value / pow(10, Double(power))).rounded()
        return (mantissa == 1 ? "" : String(format: "%.0f·", mantissa)) + "10" + Self.raised(power)
      }
      return String(format: "%.\(digits ?? max(0, -power))f", value).replacingOccurrences(of: "-", with: "−")
    }

    private static func raised(_ power: Int) -> String {
      let digits: [Character: Character] = [
        "-": "⁻", "0": "⁰", "1": "¹", "2": "²", "3": "³", "4": "⁴", "5": "⁵", "6": "⁶", "7": "⁷", "8": "⁸",
        "9": "⁹",
      ]
      return String("\(power)".map { digits[$0] ?? $0 })
    }
  }

  /// Round numbers in a range, four to nine of them: multiples of 1, 2 or 5 times a power of ten.
  package static func ticks(_ range: ClosedRange<Double>) -> Ticks {
    let span = range.upperBound - range.lowerBound
    precondition(span > 0 && span.isFinite, "an axis needs a range")
    let power = pow(10, (log10(span / 4)).rounded(.down))
    let step = [5, 2, 1].map { $0 * power }.first { span / $0 >= 3.99 } ?? power
    let first = (range.lowerBound / step - 1e-9).rounded(.up)
    let last = (range.upperBound / step + 1e-9).rounded(.down)
    let values = stride(from: first, through: last, by: 1).map { $0 * step }
    return Ticks(values: values, digits: max(0, Int(-log10(step).rounded(.down))))
  }

  /// Powers of ten, at most about nine; 1, 2 and 5 times these where the range is less than two decades, and round numbers
  /// where it is less than a third of one.
  package static func logarithmicTicks(_ range: ClosedRange<Double>) -> Ticks {
    let decades = log10(range.upperBound / range.lowerBound)
    guard decades > 0.34 else { return ticks(range) }
    let powers =
      Int(log10(range.lowerBound).rounded(.down))...Int(log10(range.upperBound).rounded(.up))
    let inside = range.lowerBound * (1 - 1e-9)...range.upperBound * (1 + 1e-9)
    func values(_ mantissas: [Double], by step: Int = 1) -> [Double] {
      powers.filter { $0.isMultiple(of: step) }.flatMap { power in
        // A quotient, as 1e-3 is the nearest number to a thousandth and 10 to the -3 may not be.
        mantissas.map { power < 0 ? $0 / pow(10, Double(-power)) : $0 * pow(10, Double(power)) }
      }.filter { inside.contains($0) }
    }
    let step = Int((decades / 9).rounded(.up))
    return Ticks(
      values: decades < 2 ? values([1, 2, 5]) : values([1], by: step),
      minor: values(step > 1 ? [1] : Array(stride(from: 1, through: 9, by: 1))), digits: nil)
  }
}
