#ifndef CVECTOR_H
#define CVECTOR_H

#include <stdbool.h>

// What the compiler was told about this CPU, as types and constants that Swift imports and folds at
// compile time. The widest vector of the target is the unit of every kernel.
#if defined(__AVX512F__)
#define INKFLOW_LANES 16
#else
#define INKFLOW_LANES 8
#endif

#if defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define INKFLOW_HAS_FMA 1
#else
#define INKFLOW_HAS_FMA 0
#endif

typedef float InkflowLanes __attribute__((ext_vector_type(INKFLOW_LANES)));

/// The instruction set this build needs, for messages and for the checkpoint: "x86_64 avx512" and the like.
const char *inkflow_build_flavour(void);

/// Whether the CPU that runs now has every instruction the build may use. A build for a newer CPU
/// would otherwise die of SIGILL somewhere in the middle of a run.
bool inkflow_cpu_is_sufficient(void);

#endif
