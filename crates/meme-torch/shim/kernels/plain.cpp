// The kernels for any processor, and the choice among them.
#include "kernels.h"

#define MEME_INLINE __attribute__((always_inline)) static inline
#define MEME_LAMBDA __attribute__((always_inline))

namespace meme {
namespace {
#include "vector.inc"

#include "body.inc"
}  // namespace

const Kernels kPlain =
#define MEME_TARGET_NAME "any processor"
#include "table.inc"
    ;

const Kernels &kernels() {
#if defined(__x86_64__)
  static const Kernels &chosen = [&]() -> const Kernels & {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl")) {
      return kAvx512;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return kAvx2;
    return kPlain;
  }();
  return chosen;
#else
  return kPlain;
#endif
}

}  // namespace meme
