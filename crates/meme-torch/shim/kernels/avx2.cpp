// The kernels for processors with AVX2 and FMA.
#include "kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define MEME_AVX2
#define MEME_INLINE __attribute__((always_inline)) static inline
#define MEME_LAMBDA __attribute__((always_inline))

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,fma")
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
const Kernels kAvx2 =
#define MEME_TARGET_NAME "AVX2"
#include "table.inc"
    ;
}  // namespace meme
#endif
