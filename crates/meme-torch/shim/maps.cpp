// What an inference form does between its convolutions: channel-wise affine functions with an activation, pooling and
// depthwise convolution, each in one pass over float32 or bfloat16 maps on the CPU. None of it has a gradient.
#include "shim.h"

#include <cstring>

#include <ATen/ops/zeros.h>

#include "maps.h"

namespace meme {
namespace {

// scale and shift of [2, N, C], as meme_norm_affine makes them; without them 1 and 0.
struct Lines {
  at::Tensor numbers;
  int64_t samples, channels;

  Lines(const at::Tensor *affine, int64_t wanted_samples, int64_t wanted_channels)
      : samples(wanted_samples), channels(wanted_channels) {
    if (affine == nullptr) {
      numbers = at::zeros({2, samples, channels}, at::TensorOptions().dtype(at::kFloat));
      numbers.select(0, 0).fill_(1);
      return;
    }
    TORCH_CHECK(affine->dim() == 3 && affine->size(0) == 2 && affine->size(1) == samples &&
                    affine->size(2) == channels && affine->scalar_type() == at::kFloat && affine->device().is_cpu(),
                "scales and shifts of shape [2, ", samples, ", ", channels, "] are needed, not ", affine->sizes());
    numbers = affine->contiguous();
  }
  const float *scale(int64_t n, int64_t c) const { return numbers.const_data_ptr<float>() + n * channels + c; }
  const float *shift(int64_t n, int64_t c) const { return scale(n, c) + samples * channels; }
};

void within(int64_t first, int64_t count, int64_t channels) {
  TORCH_CHECK(first >= 0 && count > 0 && first + count <= channels, "channels ", first, " to ", first + count,
              " of a map that has ", channels);
}

Activation activation_of(int number) {
  TORCH_CHECK(number >= 0 && number <= 2, "no such activation: ", number);
  return static_cast<Activation>(number);
}

}  // namespace
}  // namespace meme

extern "C" {

char *meme_affine(size_t count, const at::Tensor *const *maps, const at::Tensor *affine, int64_t first,
                  int64_t channels, int activation, int in_place, at::Tensor **output, at::Tensor **copy) {
  return meme_guarded([&] {
    const at::NoGradGuard no_grad;
    const meme::Joined x(count, maps);
    const meme::Map &front = x.front();
    meme::within(first, channels, x.channels);
    const meme::Lines lines(affine, front.samples, x.channels);
    const meme::Activation act = meme::activation_of(activation);
    TORCH_CHECK(in_place == 0 || (count == 1 && channels == x.channels), "only a whole map is changed in its place");
    const meme::Map y = in_place != 0 ? front : meme::new_map(front, channels, front.height, front.width);
    const meme::Map raw = copy == nullptr ? y : meme::new_map(front, channels, front.height, front.width);
    const int64_t pieces = (front.pixels() + meme::kPiece - 1) / meme::kPiece;
    meme::in_parallel(front.samples * pieces, meme::kPiece * channels, [&](int64_t i) {
      const int64_t n = i / pieces, begin = i % pieces * meme::kPiece;
      x.each(first, first + channels, [&](const meme::Map &map, int64_t from, int64_t at, int64_t wide) {
        void *also = copy == nullptr ? nullptr : raw.to(n, begin, at - first);
        meme::kernels().affine(map.element, {map.at(n, begin, from), map.channels},
                               {y.to(n, begin, at - first), channels}, {also, channels},
                               std::min(meme::kPiece, front.pixels() - begin), wide, lines.scale(n, at),
                               lines.shift(n, at), act);
      });
    });
    at::Tensor *made = new at::Tensor(y.tensor);
    if (copy != nullptr) *copy = new at::Tensor(raw.tensor);
    *output = made;
  });
}

char *meme_max3(const at::Tensor *map, const at::Tensor *affine, int64_t first, int64_t channels,
                at::Tensor **output) {
  return meme_guarded([&] {
    const at::NoGradGuard no_grad;
    const meme::Map x(*map);
    meme::within(first, channels, x.channels);
    const meme::Lines lines(affine, x.samples, x.channels);
    const meme::Map y = meme::new_map(x, channels, x.height, x.width);
    meme::in_parallel(x.samples * x.height, 4 * x.width * channels, [&](int64_t i) {
      const int64_t n = i / x.height, row = i % x.height;
      std::vector<float> line(static_cast<size_t>(16 * x.width));
      const auto at = [&](int64_t r) {
        return meme::Part{r < 0 || r >= x.height ? nullptr : x.at(n, r * x.width, first), x.channels};
      };
      meme::kernels().max_row(x.element, at(row - 1), at(row), at(row + 1), {y.to(n, row * x.width, 0), channels},
                              x.width, channels, lines.scale(n, first), lines.shift(n, first), line.data());
    });
    *output = new at::Tensor(y.tensor);
  });
}

char *meme_pool(const at::Tensor *map, const at::Tensor *affine, int64_t first, int64_t channels, int64_t window,
                int maximum, at::Tensor **output) {
  return meme_guarded([&] {
    const at::NoGradGuard no_grad;
    const meme::Map x(*map);
    meme::within(first, channels, x.channels);
    TORCH_CHECK(window > 0, "a window of ", window, " pixels");
    const meme::Lines lines(affine, x.samples, x.channels);
    const int64_t height = (x.height + window - 1) / window, width = (x.width + window - 1) / window;
    const meme::Map y = meme::new_map(x, channels, height, width);
    meme::in_parallel(x.samples * height, window * x.width * channels, [&](int64_t i) {
      const int64_t n = i / height, row = i % height;
      meme::kernels().pool_row(x.element, {x.at(n, row * window * x.width, first), x.channels}, x.width * x.channels,
                               std::min(window, x.height - row * window), x.width, window, maximum != 0,
                               {y.to(n, row * width, 0), channels}, channels, lines.scale(n, first),
                               lines.shift(n, first));
    });
    *output = new at::Tensor(y.tensor);
  });
}

char *meme_depthwise(size_t count, const at::Tensor *const *maps, const int64_t *factors, int64_t height,
                     int64_t width, const at::Tensor *weight, int activation, at::Tensor **output) {
  return meme_guarded([&] {
    const at::NoGradGuard no_grad;
    std::vector<meme::Map> sources;
    int64_t channels = 0;
    for (size_t i = 0; i < count; ++i) {
      sources.emplace_back(*maps[i]);
      const meme::Map &map = sources.back(), &front = sources.front();
      TORCH_CHECK(factors[i] > 0 && map.height == (height + factors[i] - 1) / factors[i] &&
                      map.width == (width + factors[i] - 1) / factors[i] && map.samples == front.samples &&
                      map.element == front.element,
                  "a map of shape ", map.tensor.sizes(), " enlarged ", factors[i], " times beside others of ", height,
                  " x ", width);
      channels += map.channels;
    }
    TORCH_CHECK(count > 0 && weight->dim() == 2 && weight->size(0) == 9 && weight->size(1) == channels &&
                    weight->scalar_type() == at::kFloat && weight->device().is_cpu(),
                "a float32 weight [9, ", channels, "] is needed, not ", weight->sizes());
    const meme::Activation act = meme::activation_of(activation);
    const at::Tensor w = weight->contiguous();
    const meme::Map y = meme::new_map(sources.front(), channels, height, width);
    meme::in_parallel(y.samples * height, 8 * width * channels, [&](int64_t i) {
      const int64_t n = i / height, row = i % height;
      int64_t start = 0;
      for (size_t k = 0; k < count; ++k) {
        const meme::Map &map = sources[k];
        meme::kernels().depthwise_row(map.element, {map.at(n, 0, 0), map.channels, map.height, map.width, factors[k]},
                                      row, height, width, {y.to(n, row * width, start), channels}, map.channels,
                                      w.const_data_ptr<float>() + start, channels, act);
        start += map.channels;
      }
    });
    *output = new at::Tensor(y.tensor);
  });
}

char *meme_interleave(const at::Tensor *const *maps, int64_t height, int64_t width, at::Tensor **output) {
  return meme_guarded([&] {
    const at::NoGradGuard no_grad;
    const std::vector<meme::Map> x = {meme::Map(*maps[0]), meme::Map(*maps[1]), meme::Map(*maps[2]),
                                      meme::Map(*maps[3])};
    const meme::Map &front = x[0];
    for (const meme::Map &map : x) {
      TORCH_CHECK(map.tensor.sizes() == front.tensor.sizes() && map.element == front.element && map.height == height + 1 &&
                      map.width == width + 1,
                  "four maps one larger than ", height, " x ", width, " are needed, not ", map.tensor.sizes());
    }
    const meme::Map y = meme::new_map(front, front.channels, 2 * height, 2 * width);
    const size_t bytes = static_cast<size_t>(front.channels * front.size);
    meme::in_parallel(y.samples * y.height, y.width * y.channels, [&](int64_t i) {
      const int64_t n = i / y.height, row = i % y.height, odd = row % 2;
      for (int64_t column = 0; column < y.width; ++column) {
        const meme::Map &from = x[static_cast<size_t>(2 * odd + column % 2)];
        const int64_t pixel = (row / 2 + odd) * from.width + column / 2 + column % 2;
        std::memcpy(y.to(n, row * y.width + column, 0), from.at(n, pixel, 0), bytes);
      }
    });
    *output = new at::Tensor(y.tensor);
  });
}

}  // extern "C"
