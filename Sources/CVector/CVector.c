#define _DEFAULT_SOURCE
#include "CVector.h"

#include <sys/mman.h>

const char *inkflow_build_flavour(void) {
#if defined(__x86_64__)
#if defined(__AVX512F__)
  return "x86_64 avx512";
#elif defined(__AVX2__) && defined(__FMA__)
  return "x86_64 avx2 fma";
#else
  return "x86_64 baseline";
#endif
#elif defined(__aarch64__)
  return "arm64 neon";
#else
  return "unknown";
#endif
}

bool inkflow_cpu_is_sufficient(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
#if defined(__AVX512F__)
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512vl") ||
      !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512bw"))
    return false;
#endif
#if defined(__AVX512BF16__)
  if (!__builtin_cpu_supports("avx512bf16")) return false;
#endif
#if defined(__AVX2__)
  if (!__builtin_cpu_supports("avx2")) return false;
#endif
#if defined(__FMA__)
  if (!__builtin_cpu_supports("fma")) return false;
#endif
#endif
  return true;
}

bool inkflow_bfloat16_is_fast(void) {
#if defined(__AVX512BF16__)
  __builtin_cpu_init();
  return __builtin_cpu_is("amd");
#else
  return false;
#endif
}

void inkflow_advise_huge_pages(void *memory, size_t bytes) {
#if defined(MADV_HUGEPAGE)
  (void)madvise(memory, bytes, MADV_HUGEPAGE);
#endif
}
