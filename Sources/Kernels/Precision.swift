import CVector

/// The format of the numbers that are multiplied in Winograd's products, in 1×1 convolutions and in attention's linear
/// layers. Their sums, the transforms and all other arithmetic are Float32 in each, weights and moments too.
///
/// bf16 has Float32's range and 8 significant bits. Whether its products take less time than Float32's depends on the CPU, as
/// `inkflow bench --precision` tells: half on an EPYC, twice as much on one Xeon (`docs/figures.md`). An output of a 3×3
/// convolution is then off by 2 to 3 % in root mean square, which Winograd's transforms make of the 0.2 % of a rounding
/// (`PrecisionTests`).
public enum Precision: String, Codable, Sendable, CaseIterable {
  case float32
  /// Both gradients multiply bf16 numbers; the forward pass stays exact.
  case bfloat16Gradients = "bfloat16-gradients"
  case bfloat16

  /// `bfloat16` on CPUs where that is faster, else `float32`: what recipe `quick` trains in. The distances of its samples after
  /// equal steps are the same within the error of few seeds (`docs/figures.md`).
  public static var fastest: Precision { inkflow_bfloat16_is_fast() ? .bfloat16 : .float32 }

  var narrowsForward: Bool { self == .bfloat16 }
  var narrowsGradients: Bool { self != .float32 }

  /// Whether this build has the instruction for it.
  package var isAvailable: Bool { self == .float32 || hasBFloat16 }
}
