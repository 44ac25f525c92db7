// Group normalisation and SiLU as one operation of libtorch's autograd, for channels-last float32 on the CPU.
#include "kernels.h"

#include <cstdlib>
#include <cstring>
#include <exception>

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <torch/csrc/autograd/custom_function.h>

namespace {

using meme_blocks::Slab;

constexpr at::MemoryFormat kLast = at::MemoryFormat::ChannelsLast;

// How a map of shape [N, C, H, W] is cut into pieces of work. Every value is computed by the same operations in the
// same order whatever the cut, so the number of threads does not change a bit.
struct Cut {
  Slab slab;
  int64_t samples, blocks, block_groups, channels;

  Cut(const at::Tensor &x, int64_t groups) {
    samples = x.size(0);
    channels = x.size(1);
    const int64_t pixels = x.size(2) * x.size(3), wide = channels / groups;
    // A whole sample where there are samples enough; otherwise pieces of at least a cache line of channels.
    int64_t least = channels;
    if (samples < at::get_num_threads()) least = 16;
    block_groups = (least + wide - 1) / wide;
    if (block_groups > groups) block_groups = groups;
    while (groups % block_groups != 0) ++block_groups;
    blocks = groups / block_groups;
    slab = Slab{block_groups * wide, pixels, channels, wide};
  }

  // Calls f(first element, sample, first channel, first group) for each piece.
  template <class F>
  void run(const F &f) const {
    const int64_t sample = channels * slab.pixels;
    at::parallel_for(0, samples * blocks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t piece = begin; piece < end; ++piece) {
        const int64_t n = piece / blocks, block = piece % blocks, c = block * slab.channels;
        f(n * sample + c, n, c, block * block_groups);
      }
    });
  }
};

// x is contiguous as channels-last; mean and rstd become [N, groups].
at::Tensor forward(const at::Tensor &x, const at::Tensor &weight, const at::Tensor &bias, int64_t groups,
                   double epsilon, bool activate, at::Tensor &mean, at::Tensor &rstd) {
  const Cut cut(x, groups);
  at::Tensor y = at::empty_like(x, kLast);
  mean = at::empty({x.size(0), groups}, at::TensorOptions().dtype(at::kFloat));
  rstd = at::empty_like(mean);
  const float *from = x.const_data_ptr<float>(), *w = weight.const_data_ptr<float>();
  const float *b = bias.const_data_ptr<float>();
  float *to = y.mutable_data_ptr<float>(), *m = mean.mutable_data_ptr<float>();
  float *r = rstd.mutable_data_ptr<float>();
  cut.run([&](int64_t at, int64_t n, int64_t c, int64_t g) {
    const int64_t group = n * groups + g;
    norm_forward(cut.slab, activate, epsilon, from + at, w + c, b + c, to + at, m + group, r + group);
  });
  return y;
}

struct Norm : torch::autograd::Function<Norm> {
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &x,
                            const at::Tensor &weight, const at::Tensor &bias, int64_t groups, double epsilon,
                            bool activate) {
    at::Tensor mean, rstd;
    at::Tensor y = ::forward(x, weight, bias, groups, epsilon, activate, mean, rstd);
    context->save_for_backward({x, weight, bias, mean, rstd});
    context->saved_data["groups"] = groups;
    context->saved_data["activate"] = activate;
    return y;
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the fused norm has no second derivative");
    const auto saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1], &bias = saved[2], &mean = saved[3], &rstd = saved[4];
    const int64_t groups = context->saved_data["groups"].toInt();
    const bool activate = context->saved_data["activate"].toBool();
    const at::Tensor dy = gradients[0].contiguous(kLast);
    const Cut cut(x, groups);
    at::Tensor dx = at::empty_like(x, kLast);
    // Each sample's part; their sum is taken in the order of the samples.
    at::Tensor dw = at::empty({x.size(0), x.size(1)}, mean.options()), db = at::empty_like(dw);
    const float *from = x.const_data_ptr<float>(), *above = dy.const_data_ptr<float>();
    const float *w = weight.const_data_ptr<float>(), *b = bias.const_data_ptr<float>();
    const float *m = mean.const_data_ptr<float>(), *r = rstd.const_data_ptr<float>();
    float *to = dx.mutable_data_ptr<float>(), *to_w = dw.mutable_data_ptr<float>();
    float *to_b = db.mutable_data_ptr<float>();
    cut.run([&](int64_t at, int64_t n, int64_t c, int64_t g) {
      const int64_t group = n * groups + g, row = n * cut.channels + c;
      norm_backward(cut.slab, activate, from + at, above + at, w + c, b + c, m + group, r + group, to + at,
                    to_w + row, to_b + row);
    });
    return {dx, dw.sum(0), db.sum(0), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

char *message(const char *text) {
  char *copy = static_cast<char *>(std::malloc(std::strlen(text) + 1));
  return copy == nullptr ? nullptr : std::strcpy(copy, text);
}

}  // namespace

extern "C" {

// x [N, C, H, W], weight [C] and bias [C] are float32 on the CPU; groups divides C. Returns nullptr and the result,
// channels-last, or a message that the caller frees with meme_blocks_free.
char *meme_blocks_norm(const at::Tensor *x, const at::Tensor *weight, const at::Tensor *bias, int64_t groups,
                       double epsilon, int activate, at::Tensor **result) {
  try {
    const at::Tensor map = x->contiguous(kLast);
    const at::Tensor w = weight->contiguous(), b = bias->contiguous();
    const bool tracked =
        at::GradMode::is_enabled() && (map.requires_grad() || w.requires_grad() || b.requires_grad());
    if (tracked) {
      *result = new at::Tensor(Norm::apply(map, w, b, groups, epsilon, activate != 0));
    } else {
      at::Tensor mean, rstd;
      *result = new at::Tensor(forward(map, w, b, groups, epsilon, activate != 0, mean, rstd));
    }
    return nullptr;
  } catch (const std::exception &error) {
    return message(error.what());
  } catch (...) {
    return message("an exception that is no std::exception");
  }
}

void meme_blocks_free(char *text) { std::free(text); }

}  // extern "C"
