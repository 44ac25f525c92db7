// Loops over channels-last feature maps, free of libtorch: group normalisation with SiLU, pooling, depthwise
// convolution. Compiled once for each instruction set (avx512.cpp, avx2.cpp, plain.cpp); `kernels()` picks one when it is first
// called. Arithmetic is float32 whatever the maps hold.
#pragma once

#include <cstdint>

namespace meme {

// How the values of a map lie in memory.
enum class Element { kFloat, kBfloat16 };

// What follows a kernel's sum.
enum class Activation { kNone = 0, kSilu = 1, kGelu = 2 };

// Part of a map: `channels` neighbouring channels at `pixels` positions; element (p, c) stands at data[p * stride + c].
struct Part {
  const void *data;
  int64_t stride;
};
struct Target {
  void *data;
  int64_t stride;
};

// One source of a depthwise convolution: a map of height x width pixels, of which each stands for factor x factor.
struct Rows {
  const void *data;
  int64_t stride, height, width, factor;
};

struct Kernels {
  const char *name;
  // Adds up (x - first) and its square for each channel.
  void (*sums)(Element, Part x, int64_t pixels, int64_t channels, const float *first, double *sum, double *square);
  // y = act(x * scale + shift); where copy.data is not null, x itself also goes there.
  void (*affine)(Element, Part x, Target y, Target copy, int64_t pixels, int64_t channels, const float *scale,
                 const float *shift, Activation);
  // dz = dy * act'(x * scale + shift): adds up dz and dz * (x - mean) for each channel.
  void (*gradient_sums)(Element, Part x, Part dy, int64_t pixels, int64_t channels, const float *scale,
                        const float *shift, const float *mean, bool silu, double *sum, double *sum_x);
  // dx = dz * scale + x * slope + constant.
  void (*gradient)(Element, Part x, Part dy, Target dx, int64_t pixels, int64_t channels, const float *scale,
                   const float *shift, const float *slope, const float *constant, bool silu);
  // One row of a 3x3 maximum of stride 1 of x * scale + shift; `above` and `below` may be null. `line` holds
  // width * 16 floats.
  void (*max_row)(Element, Part above, Part here, Part below, Target y, int64_t width, int64_t channels,
                  const float *scale, const float *shift, float *line);
  // The gradient of that maximum, of at most 16 channels of a whole map: of equal values the first in reading order
  // takes it all, as in libtorch. `sums` holds height * width * 16 floats.
  void (*max_gradient)(Element, Part x, Part dy, Target dx, int64_t height, int64_t width, int64_t channels,
                       float *sums);
  // One row of pooling windows: `rows` rows of `width` pixels, row_stride apart, to ceil(width / window) pixels.
  void (*pool_row)(Element, Part x, int64_t row_stride, int64_t rows, int64_t width, int64_t window, bool maximum,
                   Target y, int64_t channels, const float *scale, const float *shift);
  // One row of a depthwise 3x3 convolution with zeros around: row `at` of an output as wide as width * factor
  // (cut to out_width). weight is [9, channels] with rows weight_stride apart.
  void (*depthwise_row)(Element, Rows x, int64_t at, int64_t out_height, int64_t out_width, Target y, int64_t channels,
                        const float *weight, int64_t weight_stride, Activation);
};

const Kernels &kernels();

extern const Kernels kPlain;
#if defined(__x86_64__)
extern const Kernels kAvx2, kAvx512;
#endif

}  // namespace meme
