import Kernels

extension UNet {
  /// Gives the weights of v(x, t) that the same network needs for −v(x, 1 − t): the flow that others train from data to
  /// noise becomes ours, from noise to data.
  ///
  /// The last layer changes its sign. The embedding's first layer W reads c(a) = [cos a | sin a] at the angles a = w·1000t
  /// of t; of the reversed time they are A − a with A = w·1000, and
  ///
  ///     cos(A − a) = cos A · cos a + sin A · sin a,    sin(A − a) = sin A · cos a − cos A · sin a,
  ///
  /// so that for each frequency the two rows of W that read its cosine and sine change into
  ///
  ///     W_cos · cos A + W_sin · sin A    and    W_cos · sin A − W_sin · cos A.
  package func reverseTime(of parameters: Arena) {
    let end = Arena(count: 1)
    let sinusoids = Arena(count: configuration.blockOutputChannels[0])
    fill(end.mutable(end.all), with: timeScale)
    sinusoidalEmbedding(
      end[end.all], frequencyShift: configuration.frequencyShift, cosineFirst: configuration.flipSinToCos,
      into: sinusoids.mutable(sinusoids.all))
    let atEnd = sinusoids[sinusoids.all]
    let half = atEnd.count / 2
    for parameter in self.parameters {
      var values = parameters.mutable(parameter.slice)
      if parameter.name.hasPrefix("conv_out.") {
        for i in values.indices { values[i] = -values[i] }
      } else if parameter.name == "time_embedding.linear_1.weight" {
        let (width, count) = (values.count / (2 * half), half)
        for k in 0..<count {
          let (cosineRow, sineRow) = configuration.flipSinToCos ? (k, count + k) : (count + k, k)
          let (cosine, sine) = (Double(atEnd[cosineRow]), Double(atEnd[sineRow]))
          for column in 0..<width {
            let (i, j) = (cosineRow * width + column, sineRow * width + column)
            let (c, s) = (Double(values[i]), Double(values[j]))
            values[i] = Float(c * cosine + s * sine)
            values[j] = Float(c * sine - s * cosine)
          }
        }
      }
    }
  }
}
