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

// Products of bf16 numbers, which are the upper halves of Float32 ones: an instruction that multiplies two pairs a lane.
#if defined(__AVX512BF16__)
#define INKFLOW_HAS_BFLOAT16 1
#elif defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
#include <arm_neon.h>
#define INKFLOW_HAS_BFLOAT16 1
#else
#define INKFLOW_HAS_BFLOAT16 0
#endif

typedef unsigned InkflowWords __attribute__((ext_vector_type(INKFLOW_LANES)));
typedef unsigned short InkflowHalves __attribute__((ext_vector_type(INKFLOW_LANES)));

/// Each lane rounded to the nearest bf16 number, of two such the even one.
static inline InkflowHalves inkflow_narrowed(InkflowLanes v) {
#if INKFLOW_HAS_BFLOAT16
  typedef __bf16 Numbers __attribute__((ext_vector_type(INKFLOW_LANES)));
  union {
    Numbers numbers;
    InkflowHalves bits;
  } narrowed = {.numbers = __builtin_convertvector(v, Numbers)};
  return narrowed.bits;
#else
  // By hand, of finite numbers: the compiler's way is a library call a lane, which older libraries lack.
  union {
    InkflowLanes lanes;
    InkflowWords words;
  } bits = {.lanes = v};
  return __builtin_convertvector((bits.words + 0x7fff + (bits.words >> 16 & 1)) >> 16, InkflowHalves);
#endif
}

/// The lanes of two vectors as pairs of bf16 numbers, in each lane's place one: the first in the lower half.
static inline InkflowLanes inkflow_pairs(InkflowLanes first, InkflowLanes second) {
  union {
    InkflowWords words;
    InkflowLanes lanes;
  } pairs = {.words = __builtin_convertvector(inkflow_narrowed(first), InkflowWords) |
                      __builtin_convertvector(inkflow_narrowed(second), InkflowWords) << 16};
  return pairs.lanes;
}

/// c + a₁·b₁ + a₂·b₂ in each lane, of pairs a and b. Without the instruction in the target it is computed in Float32, for
/// the tests alone: a user is told that the CPU lacks it.
static inline InkflowLanes inkflow_adding_pair_products(InkflowLanes c, InkflowLanes a, InkflowLanes b) {
#if defined(__AVX512BF16__)
  typedef float Floats __attribute__((vector_size(64)));
  typedef __bf16 Pairs __attribute__((vector_size(64)));
  return (InkflowLanes)__builtin_ia32_dpbf16ps_512((Floats)c, (Pairs)a, (Pairs)b);
#elif defined(__ARM_FEATURE_BF16_VECTOR_ARITHMETIC)
  union {
    InkflowLanes lanes;
    float32x4_t floats[2];
    bfloat16x8_t pairs[2];
  } sums = {.lanes = c}, left = {.lanes = a}, right = {.lanes = b};
  for (int i = 0; i < 2; i++) sums.floats[i] = vbfdotq_f32(sums.floats[i], left.pairs[i], right.pairs[i]);
  return sums.lanes;
#else
  union {
    InkflowLanes lanes;
    InkflowWords words;
  } left = {.lanes = a}, right = {.lanes = b}, first[2], second[2];
  first[0].words = left.words << 16;
  first[1].words = right.words << 16;
  second[0].words = left.words & 0xffff0000u;
  second[1].words = right.words & 0xffff0000u;
  c = inkflow_adding_product(c, first[0].lanes, first[1].lanes);
  return inkflow_adding_product(c, second[0].lanes, second[1].lanes);
#endif
}

/// The instruction set this build needs, for messages and for the checkpoint: "x86_64 avx512" and the like.
const char *inkflow_build_flavour(void);

/// Whether the CPU that runs now has the vector instructions the build uses. A build for a newer CPU
/// would otherwise die of SIGILL somewhere in the middle of a run.
bool inkflow_cpu_is_sufficient(void);

/// Whether this CPU multiplies bf16 numbers faster than Float32 ones, as far as is known: AMD's are taken to, as an EPYC
/// (Zen 4) does it twice as fast; an Intel Xeon was slower. Other makers' were not tried: false.
bool inkflow_bfloat16_is_fast(void);

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
