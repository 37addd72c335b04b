extension Philox {
  /// Standard normal variates by Box and Muller's transform (1958): element e depends on (seed, purpose, step,
  /// index, e) alone.
  ///
  /// Block b gives elements 4b … 4b + 3: words (0, 1) the first two, words (2, 3) the others, each pair as
  /// √(−2 ln u)·(cos 2πw, sin 2πw) with u = (word + ½)·2⁻³² in (0, 1] and w = (word >> 8)·2⁻²⁴ in [0, 1).
  package func fillNormals(_ values: consuming MutableSpan<Float>) {
    let count = values.count
    let values = values.pointer
    let pairs = laneCount  // 4 elements a block, so a vector of pairs comes from half as many blocks.
    var (radius, turns) = (Lanes(repeating: 0), Lanes(repeating: 0))
    var first = 0
    while first < count {
      for block in 0..<pairs / 2 {
        let words = self[UInt32(first / 4 + block)]
        radius[2 * block] = (Float(words[0]) + 0.5) * 0x1p-32
        turns[2 * block] = Float(words[1] >> 8) * 0x1p-24
        radius[2 * block + 1] = (Float(words[2]) + 0.5) * 0x1p-32
        turns[2 * block + 1] = Float(words[3] >> 8) * 0x1p-24
      }
      let length = (Lanes(repeating: -2) * log(radius)).squareRoot()
      let (cosine, sine) = cosineSineOfTurns(turns)
      let (x, y) = (length * cosine, length * sine)
      for pair in 0..<min(pairs, (count - first + 1) / 2) {
        values[first + 2 * pair] = x[pair]
        if first + 2 * pair + 1 < count { values[first + 2 * pair + 1] = y[pair] }
      }
      first += 2 * pairs
    }
  }
}
