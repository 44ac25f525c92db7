// The kernels for processors with AVX512 and its bfloat16 conversions.
#include "kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define MEME_AVX512
#define MEME_INLINE __attribute__((always_inline)) static inline
#define MEME_LAMBDA __attribute__((always_inline))

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16,avx2,fma")
#endif

namespace meme {
namespace {
#include "vector.inc"

#include "body.inc"
}  // namespace
}  // namespace meme

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

namespace meme {
const Kernels kAvx512 =
#define MEME_TARGET_NAME "AVX512"
#include "table.inc"
    ;
}  // namespace meme
#endif
