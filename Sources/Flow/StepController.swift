import Foundation

/// When an error is small enough.
struct Tolerance {
  /// Relative, at least 100 ulp of 1 as in SciPy.
  let rtol: Double
  /// Absolute.
  let atol: Double

  init(rtol: Double, atol: Double) {
    precondition(rtol >= 0 && rtol.isFinite, "rtol is \(rtol); it must be finite and not negative")
    precondition(atol > 0 && atol.isFinite, "atol is \(atol); it must be finite and positive")
    self.rtol = max(rtol, 100 * .ulpOfOne)
    self.atol = atol
  }

  /// The error allowed in a component of this magnitude.
  func scale(_ magnitude: Double) -> Double { atol + rtol * magnitude }
}

/// The step sizes of one group of samples: SciPy 1.17's rules (`RungeKutta._step_impl` in
/// integrate/_ivp/rk.py), which are those of Hairer, Nørsett & Wanner, section II.4.
struct StepController {
  let end: Double
  /// +1 or −1.
  let direction: Double
  /// −1/(order of the error estimate + 1).
  let exponent: Double
  private(set) var time: Double
  /// |h| of the next attempt.
  private(set) var size: Double
  /// Rejections since the last accepted step.
  private(set) var rejections = 0
  private(set) var acceptedCount = 0
  private(set) var rejectedCount = 0

  init(from start: Double, to end: Double, size: Double, errorOrder: Int) {
    time = start
    self.end = end
    self.size = size
    direction = end < start ? -1 : 1
    exponent = -1 / Double(errorOrder + 1)
  }

  var isFinished: Bool { time == end }

  /// The step to attempt next. The last one is clamped to the end.
  ///
  /// - Throws: `SolverError.stepUnderflow` when rejections led below 10 ulp of the time.
  mutating func nextStep(samples: Range<Int>) throws(SolverError) -> Step {
    let ulp = direction > 0 ? time.nextUp - time : time - time.nextDown
    let minimum = 10 * ulp
    if rejections == 0 {
      size = max(size, minimum)
    } else if size < minimum {
      throw .stepUnderflow(samples: samples, time: time, step: size)
    }
    let proposed = time + direction * size
    let step = Step(start: time, end: direction * (proposed - end) > 0 ? end : proposed)
    size = abs(step.size)
    return step
  }

  /// Whether an attempt is accepted, and the next size. An error that is not a number is rejected.
  mutating func judge(_ step: Step, errorNorm: Double) -> Bool {
    let safety = 0.9
    let factor = safety * pow(errorNorm, exponent)
    guard errorNorm < 1 else {
      size *= .maximum(0.2, factor)  // which prefers a number to NaN
      rejections += 1
      rejectedCount += 1
      return false
    }
    // No growth right after a rejection. (0 to a negative power is infinite: growth is then 10.)
    size *= min(rejections > 0 ? 1 : 10, factor)
    time = step.end
    rejections = 0
    acceptedCount += 1
    return true
  }
}
