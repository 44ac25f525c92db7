// What norm.cpp and maps.cpp share: feature maps of libtorch as the kernels want them.
#pragma once

#include <vector>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>

#include "kernels/kernels.h"

namespace meme {

constexpr at::MemoryFormat kLast = at::MemoryFormat::ChannelsLast;

// float32 and bfloat16 maps on the CPU, [N, C, H, W] with at least one element, are the kernels' business.
inline bool is_map(const at::Tensor &x) {
  return x.dim() == 4 && x.numel() > 0 && x.device().is_cpu() &&
         (x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16);
}

inline Element element_of(const at::Tensor &x) {
  return x.scalar_type() == at::kFloat ? Element::kFloat : Element::kBfloat16;
}

// A map that lies channels-last, with the sizes that every loop asks for.
struct Map {
  at::Tensor tensor;
  int64_t samples, channels, height, width, size;
  Element element;

  explicit Map(const at::Tensor &x) {
    TORCH_CHECK(is_map(x), "a float32 or bfloat16 map [N, C, H, W] on the CPU is needed, not ", x.scalar_type(), " of shape ",
                x.sizes(), " on ", x.device());
    tensor = x.contiguous(kLast);
    samples = x.size(0), channels = x.size(1), height = x.size(2), width = x.size(3);
    size = static_cast<int64_t>(x.element_size());
    element = element_of(x);
  }
  int64_t pixels() const { return height * width; }
  // Channel c of pixel p of sample n.
  const void *at(int64_t n, int64_t p, int64_t c) const {
    return static_cast<const char *>(tensor.const_data_ptr()) + ((n * pixels() + p) * channels + c) * size;
  }
  void *to(int64_t n, int64_t p, int64_t c) const {
    return static_cast<char *>(tensor.mutable_data_ptr()) + ((n * pixels() + p) * channels + c) * size;
  }
};

inline Map new_map(const Map &like, int64_t channels, int64_t height, int64_t width) {
  return Map(at::empty({like.samples, channels, height, width}, like.tensor.options(), kLast));
}

// Maps of one dtype whose channels stand side by side, without being copied there.
struct Joined {
  std::vector<Map> maps;
  int64_t channels = 0;

  Joined(size_t count, const at::Tensor *const *tensors) {
    for (size_t i = 0; i < count; ++i) {
      maps.emplace_back(*tensors[i]);
      const Map &map = maps.back(), &first = maps.front();
      TORCH_CHECK(map.samples == first.samples && map.height == first.height && map.width == first.width &&
                      map.element == first.element,
                  "maps of different size or dtype stand side by side: ", map.tensor.sizes(), " and ",
                  first.tensor.sizes());
      channels += map.channels;
    }
    TORCH_CHECK(count > 0, "no map at all");
  }
  const Map &front() const { return maps.front(); }

  // Calls f(map, its first channel, its channel in the whole, how many) for what lies in channels begin..end.
  template <class F>
  void each(int64_t begin, int64_t end, const F &f) const {
    int64_t start = 0;
    for (const Map &map : maps) {
      const int64_t from = std::max(begin, start), to = std::min(end, start + map.channels);
      if (from < to) f(map, from - start, from, to - from);
      start += map.channels;
    }
  }
};

// Pieces of at least so many values go to a thread; fewer are not worth waking one.
constexpr int64_t kGrain = 1 << 14;

// Calls f(i) for 0..count, each of which works on `values` numbers. What a call computes must depend on i alone: then the
// number of threads changes no bit.
template <class F>
void in_parallel(int64_t count, int64_t values, const F &f) {
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, values));
  at::parallel_for(0, count, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) f(i);
  });
}

// Pixels of one sample that are one piece of work; a constant, so that sums do not depend on the number of threads.
constexpr int64_t kPiece = 128;

// A vector or matrix of float32 numbers beside a map: one row for each sample, one for all, or none at all.
struct Rowwise {
  at::Tensor tensor;
  int64_t stride = 0;

  Rowwise(const at::Tensor *x, int64_t samples, int64_t channels) {
    if (x == nullptr) return;
    TORCH_CHECK(x->dim() == 2 && x->size(1) == channels && (x->size(0) == 1 || x->size(0) == samples),
                "[", samples, " or 1, ", channels, "] is needed beside the map, not ", x->sizes());
    tensor = x->scalar_type() == at::kFloat && x->stride(1) == 1 ? *x : x->to(at::kFloat).contiguous();
    TORCH_CHECK(tensor.device().is_cpu(), "numbers beside a map must be on the CPU with it");
    stride = x->size(0) == 1 ? 0 : tensor.stride(0);
  }
  const float *row(int64_t n) const {
    return tensor.defined() ? tensor.const_data_ptr<float>() + n * stride : nullptr;
  }
};

// Group statistics of maps side by side, [N, groups] each; `add`, if any, is added to each channel first.
void group_moments(const Joined &x, int64_t groups, double epsilon, const Rowwise &add, float *mean, float *rstd);

}  // namespace meme
