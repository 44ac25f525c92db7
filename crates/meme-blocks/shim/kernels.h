// Group normalisation with or without SiLU, forward and backward, on plain float arrays: the arithmetic of
// shim/kernels.cpp, free of libtorch.
#pragma once

#include <cstdint>

namespace meme_blocks {

// One sample's share of a channels-last feature map: `channels` neighbouring channels of it, whole groups, `pixels`
// positions. Element (pixel p, channel c) stands at p * pixel_stride + c.
struct Slab {
  int64_t channels, pixels, pixel_stride, group_channels;
};

// y = act((x - mean) * rstd * weight + bias); mean and rstd, one a group, are written for the backward pass.
void norm_forward(const Slab &slab, bool activate, double epsilon, const float *x, const float *weight,
                  const float *bias, float *y, float *mean, float *rstd);

// The gradients with respect to x, and this slab's part of those with respect to weight and bias.
void norm_backward(const Slab &slab, bool activate, const float *x, const float *dy, const float *weight,
                   const float *bias, const float *mean, const float *rstd, float *dx, float *dweight,
                   float *dbias);

}  // namespace meme_blocks
