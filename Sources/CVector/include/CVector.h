#ifndef CVECTOR_H
#define CVECTOR_H

#include <stdbool.h>
#include <stddef.h>

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

/// c + a·b in one instruction, rounded once. (Swift's own `addingProduct` on a vector is a loop over its lanes, which
/// the optimiser makes a vector operation again only while the function is small.) Without FMA in the target the
/// fused form would be a library call a lane.
static inline InkflowLanes inkflow_adding_product(InkflowLanes c, InkflowLanes a, InkflowLanes b) {
#if INKFLOW_HAS_FMA
  return __builtin_elementwise_fma(a, b, c);
#else
  return c + a * b;
#endif
}

/// The instruction set this build needs, for messages and for the checkpoint: "x86_64 avx512" and the like.
const char *inkflow_build_flavour(void);

/// Whether the CPU that runs now has the vector instructions the build uses. A build for a newer CPU
/// would otherwise die of SIGILL somewhere in the middle of a run.
bool inkflow_cpu_is_sufficient(void);

/// Asks for the cache line of an address that will be read soon; it need not be a valid one.
static inline void inkflow_prefetch(const float *address) { __builtin_prefetch(address); }

/// Tells the CPU that the thread only waits for another one.
static inline void inkflow_spin_hint(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/// Asks the system to back this memory, which begins on a page, with huge pages where it has them. Advice: nothing
/// but the time depends on the answer.
void inkflow_advise_huge_pages(void *memory, size_t bytes);

#endif
