// The maximum of each pixel's neighbourhood as an operation of libtorch's autograd. It keeps its input for the backward
// pass instead of an index of eight bytes for each value.
#include "shim.h"

#include <torch/csrc/autograd/custom_function.h>

#include "maps.h"

namespace meme {
namespace {

at::Tensor forward(const at::Tensor &input) {
  const Map x(input), y = new_map(x, x.channels, x.height, x.width);
  const std::vector<float> one(static_cast<size_t>(x.channels), 1.0f), zero(one.size(), 0.0f);
  in_parallel(x.samples * x.height, 4 * x.width * x.channels, [&](int64_t i) {
    const int64_t n = i / x.height, row = i % x.height;
    std::vector<float> line(static_cast<size_t>(16 * x.width));
    const auto at = [&](int64_t r) {
      return Part{r < 0 || r >= x.height ? nullptr : x.at(n, r * x.width, 0), x.channels};
    };
    kernels().max_row(x.element, at(row - 1), at(row), at(row + 1), {y.to(n, row * x.width, 0), x.channels}, x.width,
                      x.channels, one.data(), zero.data(), line.data());
  });
  return y.tensor;
}

struct MaxAround : torch::autograd::Function<MaxAround> {
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &x) {
    context->save_for_backward({x});
    return meme::forward(x);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    TORCH_CHECK(!at::GradMode::is_enabled(), "the fused maximum has no second derivative");
    const Map x(context->get_saved_variables()[0]), dy(gradients[0].to(x.tensor.scalar_type()));
    const Map dx = new_map(x, x.channels, x.height, x.width);
    const int64_t blocks = (x.channels + 15) / 16;
    in_parallel(x.samples * blocks, 16 * 9 * x.pixels(), [&](int64_t i) {
      const int64_t n = i / blocks, c = i % blocks * 16;
      std::vector<float> sums(static_cast<size_t>(16 * x.pixels()));
      kernels().max_gradient(x.element, {x.at(n, 0, c), x.channels}, {dy.at(n, 0, c), x.channels},
                             {dx.to(n, 0, c), x.channels}, x.height, x.width, std::min<int64_t>(16, x.channels - c),
                             sums.data());
    });
    return {dx.tensor};
  }
};

}  // namespace
}  // namespace meme

extern "C" {

char *meme_max_around(const at::Tensor *x, at::Tensor **output) {
  return meme_guarded([&] {
    const at::Tensor map = x->contiguous(meme::kLast);
    const bool tracked = at::GradMode::is_enabled() && map.requires_grad();
    *output = new at::Tensor(tracked ? meme::MaxAround::apply(map) : meme::forward(map));
  });
}

}  // extern "C"
