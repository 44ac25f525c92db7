// Group normalisation (Wu and He, arXiv 1803.08494): its statistics, and the whole of it with SiLU as one operation of
// libtorch's autograd, for float32 and bfloat16 maps on the CPU. Statistics and sums are float32 and float64.
#include "shim.h"

#include <cmath>

#include <torch/csrc/autograd/custom_function.h>

#include "maps.h"

namespace meme {
namespace {

int64_t pieces_of(int64_t pixels) { return (pixels + kPiece - 1) / kPiece; }

// scale = rstd * weight and shift = bias - mean * scale: the whole norm as one multiply-add a channel.
void fold(int64_t channels, int64_t wide, const float *weight, const float *bias, const float *mean,
          const float *rstd, const float *add, float *scale, float *shift) {
  for (int64_t c = 0; c < channels; ++c) {
    const int64_t g = c / wide;
    scale[c] = rstd[g] * weight[c];
    shift[c] = bias[c] - (mean[g] - (add == nullptr ? 0.0f : add[c])) * scale[c];
  }
}

at::Tensor floats(at::IntArrayRef size) { return at::empty(size, at::TensorOptions().dtype(at::kFloat)); }

struct Folded {
  at::Tensor numbers;
  int64_t channels;
  Folded(int64_t samples, int64_t wide) : numbers(floats({2, samples, wide})), channels(wide) {}
  float *scale(int64_t n) const { return numbers.mutable_data_ptr<float>() + n * channels; }
  float *shift(int64_t n) const { return scale(n) + numbers.size(1) * channels; }
};

at::Tensor forward(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias, int64_t groups,
                   double epsilon, bool silu, at::Tensor &mean, at::Tensor &rstd) {
  const at::Tensor *one = &x;
  const Joined joined(1, &one);
  const Map &map = joined.front();
  mean = floats({map.samples, groups}), rstd = floats({map.samples, groups});
  const Rowwise none(nullptr, map.samples, map.channels);
  group_moments(joined, groups, epsilon, none, mean.mutable_data_ptr<float>(), rstd.mutable_data_ptr<float>());
  const Folded folded(map.samples, map.channels);
  for (int64_t n = 0; n < map.samples; ++n) {
    fold(map.channels, map.channels / groups, weight.const_data_ptr<float>(), bias.const_data_ptr<float>(),
         mean.const_data_ptr<float>() + n * groups, rstd.const_data_ptr<float>() + n * groups, nullptr,
         folded.scale(n), folded.shift(n));
  }
  const Map y = new_map(map, map.channels, map.height, map.width);
  const int64_t pieces = pieces_of(map.pixels());
  in_parallel(map.samples * pieces, kPiece * map.channels, [&](int64_t i) {
    const int64_t n = i / pieces, begin = i % pieces * kPiece;
    kernels().affine(map.element, {map.at(n, begin, 0), map.channels}, {y.to(n, begin, 0), map.channels},
                     {nullptr, 0}, std::min(kPiece, map.pixels() - begin), map.channels, folded.scale(n),
                     folded.shift(n), silu ? Activation::kSilu : Activation::kNone);
  });
  return y.tensor;
}

// With xhat = (x - mean) * rstd and dz the gradient in front of the activation:
// dbias = sum dz, dweight = sum dz * xhat, and within a group of n values
// dx = rstd * (weight * dz - (sum weight * dz) / n - xhat * (sum weight * dz * xhat) / n).
torch::autograd::variable_list backward(const at::Tensor &x, const at::Tensor &gradient, const at::Tensor &weight,
                                        const at::Tensor &bias, const at::Tensor &mean, const at::Tensor &rstd,
                                        bool silu) {
  const Map map(x), dy(gradient.to(x.scalar_type())), dx = new_map(map, map.channels, map.height, map.width);
  const int64_t samples = map.samples, channels = map.channels, groups = mean.size(1), wide = channels / groups;
  const int64_t pieces = pieces_of(map.pixels());
  const float *w = weight.const_data_ptr<float>(), *b = bias.const_data_ptr<float>();
  const Folded folded(samples, channels), lines(samples, channels);
  const at::Tensor means = floats({samples, channels});
  for (int64_t n = 0; n < samples; ++n) {
    const float *m = mean.const_data_ptr<float>() + n * groups;
    fold(channels, wide, w, b, m, rstd.const_data_ptr<float>() + n * groups, nullptr, folded.scale(n), folded.shift(n));
    for (int64_t c = 0; c < channels; ++c) means.mutable_data_ptr<float>()[n * channels + c] = m[c / wide];
  }
  std::vector<double> sums(static_cast<size_t>(2 * samples * pieces * channels));
  const auto sum_of = [&](int64_t i) { return sums.data() + 2 * i * channels; };
  in_parallel(samples * pieces, 2 * kPiece * channels, [&](int64_t i) {
    const int64_t n = i / pieces, begin = i % pieces * kPiece;
    kernels().gradient_sums(map.element, {map.at(n, begin, 0), channels}, {dy.at(n, begin, 0), channels},
                            std::min(kPiece, map.pixels() - begin), channels, folded.scale(n), folded.shift(n),
                            means.const_data_ptr<float>() + n * channels, silu, sum_of(i), sum_of(i) + channels);
  });
  // Pieces are added up in their order, then samples in theirs.
  const at::Tensor dw = floats({channels}), db = floats({channels});
  std::vector<double> all(static_cast<size_t>(2 * channels));
  const double count = static_cast<double>(wide) * static_cast<double>(map.pixels());
  for (int64_t n = 0; n < samples; ++n) {
    double *sum = sum_of(n * pieces), *sum_x = sum + channels;
    for (int64_t i = 1; i < pieces; ++i) {
      const double *part = sum_of(n * pieces + i);
      for (int64_t c = 0; c < 2 * channels; ++c) sum[c] += part[c];
    }
    for (int64_t g = 0; g < groups; ++g) {
      const double r = rstd.const_data_ptr<float>()[n * groups + g], m = mean.const_data_ptr<float>()[n * groups + g];
      double plain = 0, along = 0;
      for (int64_t c = g * wide; c < (g + 1) * wide; ++c) {
        all[static_cast<size_t>(c)] += sum[c];
        all[static_cast<size_t>(channels + c)] += sum_x[c] * r;
        plain += w[c] * sum[c];
        along += w[c] * sum_x[c] * r;
      }
      const double by_x = -r * r * along / count;
      for (int64_t c = g * wide; c < (g + 1) * wide; ++c) {
        lines.scale(n)[c] = static_cast<float>(by_x);
        lines.shift(n)[c] = static_cast<float>(-r * plain / count - m * by_x);
      }
    }
  }
  for (int64_t c = 0; c < channels; ++c) {
    db.mutable_data_ptr<float>()[c] = static_cast<float>(all[static_cast<size_t>(c)]);
    dw.mutable_data_ptr<float>()[c] = static_cast<float>(all[static_cast<size_t>(channels + c)]);
  }
  in_parallel(samples * pieces, 2 * kPiece * channels, [&](int64_t i) {
    const int64_t n = i / pieces, begin = i % pieces * kPiece;
    kernels().gradient(map.element, {map.at(n, begin, 0), channels}, {dy.at(n, begin, 0), channels},
                       {dx.to(n, begin, 0), channels}, std::min(kPiece, map.pixels() - begin), channels,
                       folded.scale(n), folded.shift(n), lines.scale(n), lines.shift(n), silu);
  });
  return {dx.tensor, dw, db, at::Tensor(), at::Tensor(), at::Tensor()};
}

struct Norm : torch::autograd::Function<Norm> {
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &x,
                            const at::Tensor &weight, const at::Tensor &bias, int64_t groups, double epsilon,
                            bool silu) {
    at::Tensor mean, rstd;
    at::Tensor y = meme::forward(x, weight, bias, groups, epsilon, silu, mean, rstd);
    context->save_for_backward({x, weight, bias, mean, rstd});
    context->saved_data["silu"] = silu;
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the fused norm has no second derivative");
    const auto saved = context->get_saved_variables();
    return meme::backward(saved[0], gradients[0], saved[1], saved[2], saved[3], saved[4],
                          context->saved_data["silu"].toBool());
  }
};

}  // namespace

// Mean and variance of each group from each channel's sums of (x - first) and (x - first)^2: taking a channel's
// first value off keeps the squares small where the mean is large.
void group_moments(const Joined &x, int64_t groups, double epsilon, const Rowwise &add, float *mean, float *rstd) {
  const Map &front = x.front();
  const int64_t channels = x.channels, wide = channels / groups, pixels = front.pixels(), pieces = pieces_of(pixels);
  std::vector<double> sums(static_cast<size_t>(2 * front.samples * pieces * channels));
  std::vector<float> firsts(static_cast<size_t>(front.samples * channels));
  for (int64_t n = 0; n < front.samples; ++n) {
    x.each(0, channels, [&](const Map &map, int64_t from, int64_t at, int64_t count) {
      float *first = firsts.data() + n * channels + at;
      for (int64_t c = 0; c < count; ++c) {
        const void *value = map.at(n, 0, from + c);
        first[c] = map.element == Element::kFloat ? *static_cast<const float *>(value)
                                                  : static_cast<float>(*static_cast<const at::BFloat16 *>(value));
      }
    });
  }
  in_parallel(front.samples * pieces, kPiece * channels, [&](int64_t i) {
    const int64_t n = i / pieces, begin = i % pieces * kPiece;
    double *sum = sums.data() + 2 * i * channels;
    x.each(0, channels, [&](const Map &map, int64_t from, int64_t at, int64_t count) {
      kernels().sums(map.element, {map.at(n, begin, from), map.channels}, std::min(kPiece, pixels - begin), count,
                     firsts.data() + n * channels + at, sum + at, sum + channels + at);
    });
  });
  for (int64_t n = 0; n < front.samples; ++n) {
    double *sum = sums.data() + 2 * n * pieces * channels, *square = sum + channels;
    for (int64_t i = 1; i < pieces; ++i) {
      const double *part = sum + 2 * i * channels;
      for (int64_t c = 0; c < 2 * channels; ++c) sum[c] += part[c];
    }
    const float *first = firsts.data() + n * channels, *extra = add.row(n);
    const double count = static_cast<double>(pixels), share = 1.0 / static_cast<double>(wide);
    const auto mean_of = [&](int64_t c) {
      return first[c] + sum[c] / count + (extra == nullptr ? 0.0 : static_cast<double>(extra[c]));
    };
    for (int64_t g = 0; g < groups; ++g) {
      double m = 0, variance = 0;
      for (int64_t c = g * wide; c < (g + 1) * wide; ++c) m += mean_of(c);
      m *= share;
      for (int64_t c = g * wide; c < (g + 1) * wide; ++c) {
        const double shift = sum[c] / count, away = mean_of(c) - m;
        variance += square[c] / count - shift * shift + away * away;
      }
      variance *= share;
      mean[n * groups + g] = static_cast<float>(m);
      rstd[n * groups + g] = static_cast<float>(1.0 / std::sqrt((variance < 0 ? 0 : variance) + epsilon));
    }
  }
}

}  // namespace meme

extern "C" {

char *meme_group_norm(const at::Tensor *x, const at::Tensor *weight, const at::Tensor *bias, int64_t groups,
                      double epsilon, int silu, at::Tensor **output) {
  return meme_guarded([&] {
    TORCH_CHECK(groups > 0 && x->dim() == 4 && x->size(1) == weight->numel() && x->size(1) == bias->numel() &&
                    x->size(1) % groups == 0,
                groups, " groups and ", weight->numel(), " channels do not fit a map of shape ", x->sizes());
    const at::Tensor map = x->contiguous(meme::kLast), w = weight->contiguous(), b = bias->contiguous();
    const bool tracked =
        at::GradMode::is_enabled() && (map.requires_grad() || w.requires_grad() || b.requires_grad());
    if (tracked) {
      *output = new at::Tensor(meme::Norm::apply(map, w, b, groups, epsilon, silu != 0));
    } else {
      at::Tensor mean, rstd;
      *output = new at::Tensor(meme::forward(map, w, b, groups, epsilon, silu != 0, mean, rstd));
    }
  });
}

char *meme_norm_affine(size_t count, const at::Tensor *const *maps, const at::Tensor *weight, const at::Tensor *bias,
                       int64_t groups, double epsilon, const at::Tensor *add, const at::Tensor *scale,
                       const at::Tensor *shift, at::Tensor **output) {
  return meme_guarded([&] {
    const at::NoGradGuard no_grad;
    const meme::Joined x(count, maps);
    const int64_t samples = x.front().samples, channels = x.channels;
    TORCH_CHECK(groups > 0 && channels % groups == 0 && weight->numel() == channels && bias->numel() == channels,
                groups, " groups and ", weight->numel(), " scales do not fit ", channels, " channels");
    const meme::Rowwise before(add, samples, channels), times(scale, samples, channels), after(shift, samples, channels);
    std::vector<float> mean(static_cast<size_t>(samples * groups)), rstd(mean.size());
    meme::group_moments(x, groups, epsilon, before, mean.data(), rstd.data());
    const meme::Folded folded(samples, channels);
    const at::Tensor w = weight->contiguous(), b = bias->contiguous();
    for (int64_t n = 0; n < samples; ++n) {
      float *line = folded.scale(n), *offset = folded.shift(n);
      meme::fold(channels, channels / groups, w.const_data_ptr<float>(), b.const_data_ptr<float>(),
                 mean.data() + n * groups, rstd.data() + n * groups, before.row(n), line, offset);
      const float *more = times.row(n), *on_top = after.row(n);
      for (int64_t c = 0; c < channels; ++c) {
        if (more != nullptr) line[c] *= 1.0f + more[c], offset[c] *= 1.0f + more[c];
        if (on_top != nullptr) offset[c] += on_top[c];
      }
    }
    *output = new at::Tensor(folded.numbers);
  });
}

}  // extern "C"
