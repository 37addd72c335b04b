/// Elementary functions on vectors, our own: libm's differ between versions, and the same seed must give the
/// same bits. Polynomials in Cephes' manner (Moshier, single precision: expf, logf, sinf/cosf); the tests
/// state the error in ulp against Double.
///
/// Transparent, here and in what uses it: asked to inline them always, the compiler still called them for each vector.
@_transparent
package func exp(_ x: Lanes) -> Lanes {
  let (r, p, exponent) = exponentialParts(x)
  let power = (Lanes(repeating: 1) + r).addingProduct(p, r * r)
  return unsafeBitCast(unsafeBitCast(power, to: Bits.self) &+ exponent, to: Lanes.self)
}

/// e^x − 1, with all digits near 0 too: 2^n·(e^r − 1) + (2^n − 1).
@_transparent
package func expMinusOne(_ x: Lanes) -> Lanes {
  let (r, p, exponent) = exponentialParts(x)
  let one = Lanes(repeating: 1)
  let scale = unsafeBitCast(unsafeBitCast(one, to: Bits.self) &+ exponent, to: Lanes.self)
  return (scale - one).addingProduct(scale, r.addingProduct(p, r * r))
}

/// r, p and n·2²³ of e^x = 2^n·e^r = 2^n·(1 + r + p·r²), n = round(x / ln 2), |r| ≤ ln 2 / 2. Past ±87 the power is held
/// at about e^±87. (`clamped` and `pointwiseMin` would go lane by lane; NaN stays NaN here.)
@_transparent
private func exponentialParts(_ x: Lanes) -> (r: Lanes, p: Lanes, exponent: Bits) {
  let (low, high) = (Lanes(repeating: -87.33), Lanes(repeating: 88.37))
  let x = x.replacing(with: low, where: x .< low).replacing(with: high, where: x .> high)
  // Adding 1.5·2²³ rounds to an integer and leaves it in the low mantissa bits.
  let magic = Lanes(repeating: 12_582_912)
  let shifted = magic.addingProduct(x, Lanes(repeating: 1.442_695_04))
  let n = shifted - magic
  var r = x.addingProduct(n, Lanes(repeating: -0.693_359_375))
  r = r.addingProduct(n, Lanes(repeating: 2.121_944_4e-4))
  var p = Lanes(repeating: 1.987_569_15e-4)
  p = Lanes(repeating: 1.398_199_95e-3).addingProduct(p, r)
  p = Lanes(repeating: 8.333_451_91e-3).addingProduct(p, r)
  p = Lanes(repeating: 4.166_579_59e-2).addingProduct(p, r)
  p = Lanes(repeating: 1.666_666_55e-1).addingProduct(p, r)
  p = Lanes(repeating: 5.000_000_12e-1).addingProduct(p, r)
  return (r, p, unsafeBitCast(shifted, to: Bits.self) &<< 23)
}

/// 1 / (1 + e^−x).
@_transparent
package func sigmoid(_ x: Lanes) -> Lanes {
  Lanes(repeating: 1) / (Lanes(repeating: 1) + exp(-x))
}

/// The natural logarithm of positive, normal x.
@inline(__always)
package func log(_ x: Lanes) -> Lanes {
  // x = 2^e · m with m in [√½, √2).
  let bits = unsafeBitCast(x, to: Bits.self)
  let sqrtHalf = Bits(repeating: 0x3F35_04F3)
  let e = (bits &- sqrtHalf) &>> 23
  let m = unsafeBitCast(bits &- (e &<< 23), to: Lanes.self) - Lanes(repeating: 1)
  let exponent = Lanes(e)
  let z = m * m
  var p = Lanes(repeating: 7.037_683_6e-2)
  p = Lanes(repeating: -1.151_461_03e-1).addingProduct(p, m)
  p = Lanes(repeating: 1.167_699_87e-1).addingProduct(p, m)
  p = Lanes(repeating: -1.242_014_08e-1).addingProduct(p, m)
  p = Lanes(repeating: 1.424_932_27e-1).addingProduct(p, m)
  p = Lanes(repeating: -1.666_805_76e-1).addingProduct(p, m)
  p = Lanes(repeating: 2.000_071_47e-1).addingProduct(p, m)
  p = Lanes(repeating: -2.499_999_39e-1).addingProduct(p, m)
  p = Lanes(repeating: 3.333_333_11e-1).addingProduct(p, m)
  var y = p * m * z
  y = y.addingProduct(exponent, Lanes(repeating: -2.121_944_4e-4))
  y = y.addingProduct(z, Lanes(repeating: -0.5))
  return (m + y).addingProduct(exponent, Lanes(repeating: 0.693_359_375))
}

/// (cos 2πu, sin 2πu) for u in [0, 1).
@inline(__always)
package func cosineSineOfTurns(_ u: Lanes) -> (cosine: Lanes, sine: Lanes) {
  // To the nearest quarter turn: 2πu = q·π/2 + r, |r| ≤ π/4.
  let magic = Lanes(repeating: 12_582_912)
  let shifted = magic.addingProduct(u, Lanes(repeating: 4))
  let quarter = unsafeBitCast(shifted, to: Bits.self)
  let r = (u - (shifted - magic) * Lanes(repeating: 0.25)) * Lanes(repeating: 2 * Float.pi)
  let z = r * r
  var s = Lanes(repeating: -1.951_529_59e-4)
  s = Lanes(repeating: 8.332_160_87e-3).addingProduct(s, z)
  s = Lanes(repeating: -1.666_665_46e-1).addingProduct(s, z)
  s = r.addingProduct(s * z, r)
  var c = Lanes(repeating: 2.443_315_71e-5)
  c = Lanes(repeating: -1.388_731_63e-3).addingProduct(c, z)
  c = Lanes(repeating: 4.166_664_57e-2).addingProduct(c, z)
  c = (Lanes(repeating: 1) - z * Lanes(repeating: 0.5)).addingProduct(c, z * z)
  let swap = (quarter & 1) .== 1
  let (cosine, sine) = (c.replacing(with: s, where: swap), s.replacing(with: c, where: swap))
  let one = Bits(repeating: 1)
  let cosineSign = ((quarter &+ one) & 2) &<< 30
  let sineSign = (quarter & 2) &<< 30
  return (
    unsafeBitCast(unsafeBitCast(cosine, to: Bits.self) ^ cosineSign, to: Lanes.self),
    unsafeBitCast(unsafeBitCast(sine, to: Bits.self) ^ sineSign, to: Lanes.self)
  )
}
