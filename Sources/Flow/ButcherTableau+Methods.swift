extension ButcherTableau {
  /// Euler's method: one evaluation a step.
  public static let euler = ButcherTableau(
    name: "euler", order: 1, source: "Euler 1768, Institutionum calculi integralis, vol. 1",
    nodes: [0], coefficients: [[]], weights: [1])

  /// The explicit midpoint rule: two evaluations a step.
  public static let midpoint = ButcherTableau(
    name: "midpoint", order: 2, source: "Runge 1895, Math. Ann. 46, 167–178",
    nodes: [0, 0.5], coefficients: [[], [0.5]], weights: [0, 1])

  /// Heun's method, the explicit trapezoidal rule: two evaluations a step.
  public static let heun = ButcherTableau(
    name: "heun", order: 2, source: "Heun 1900, Z. Math. Phys. 45, 23–38",
    nodes: [0, 1], coefficients: [[], [1]], weights: [0.5, 0.5])

  /// The classical method of order 4: four evaluations a step.
  public static let rk4 = ButcherTableau(
    name: "rk4", order: 4, source: "Kutta 1901, Z. Math. Phys. 46, 435–453",
    nodes: [0, 0.5, 0.5, 1],
    coefficients: [[], [0.5], [0, 0.5], [0, 0, 1]],
    weights: [1.0 / 6, 1.0 / 3, 1.0 / 3, 1.0 / 6])

  /// Dormand and Prince's pair of orders 5 and 4, whose seventh stage is the next step's first: six
  /// evaluations a step. The result of order 5 is the one kept (local extrapolation). Dense output has
  /// order 4, with the optimal node of Shampine 1986.
  public static let dormandPrince = ButcherTableau(
    name: "rk45", order: 5,
    source: "Dormand & Prince 1980, J. Comput. Appl. Math. 6, 19–26; Shampine 1986, Math. Comp. 46, "
      + "135–150; in the form of SciPy 1.17, integrate/_ivp/rk.py",
    nodes: [0, 1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1, 1],
    coefficients: [
      [],
      [1.0 / 5],
      [3.0 / 40, 9.0 / 40],
      [44.0 / 45, -56.0 / 15, 32.0 / 9],
      [19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729],
      [9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656],
      [35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84],
    ],
    weights: [35.0 / 384, 0, 500.0 / 1113, 125.0 / 192, -2187.0 / 6784, 11.0 / 84, 0],
    embedded: EmbeddedMethod(
      order: 4,
      errorWeights: [
        -71.0 / 57600, 0, 71.0 / 16695, -71.0 / 1920, 17253.0 / 339200, -22.0 / 525, 1.0 / 40,
      ],
      interpolation: [
        [
          1, -8_048_581_381.0 / 2_820_520_608, 8_663_915_743.0 / 2_820_520_608,
          -12_715_105_075.0 / 11_282_082_432,
        ],
        [0, 0, 0, 0],
        [
          0, 131_558_114_200.0 / 32_700_410_799, -68_118_460_800.0 / 10_900_136_933,
          87_487_479_700.0 / 32_700_410_799,
        ],
        [
          0, -1_754_552_775.0 / 470_086_768, 14_199_869_525.0 / 1_410_260_304,
          -10_690_763_975.0 / 1_880_347_072,
        ],
        [
          0, 127_303_824_393.0 / 49_829_197_408, -318_862_633_887.0 / 49_829_197_408,
          701_980_252_875.0 / 199_316_789_632,
        ],
        [
          0, -282_668_133.0 / 205_662_961, 2_019_193_451.0 / 616_988_883,
          -1_453_857_185.0 / 822_651_844,
        ],
        [0, 40_617_522.0 / 29_380_423, -110_615_467.0 / 29_380_423, 69_997_945.0 / 29_380_423],
      ]))
}
