// Convolutions and linear layers whose weights lie as oneDNN wants them, through operators that libtorch registers
// where it was built with oneDNN and that no header names. Where they are absent `meme_packed_available` says so.
#include "shim.h"

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>

namespace {

using Ints = std::vector<int64_t>;
using Scalars = torch::List<std::optional<at::Scalar>>;

const c10::OperatorHandle &find(const char *name, const char *overload) {
  static std::map<std::pair<std::string, std::string>, c10::OperatorHandle> known;
  static std::mutex mutex;
  const std::lock_guard<std::mutex> lock(mutex);
  const auto key = std::make_pair(std::string(name), std::string(overload));
  auto found = known.find(key);
  if (found == known.end()) {
    found = known.emplace(key, c10::Dispatcher::singleton().findSchemaOrThrow(name, overload)).first;
  }
  return found->second;
}

// The one tensor that the operator returns.
at::Tensor call(const c10::OperatorHandle &op, torch::jit::Stack stack) {
  op.callBoxed(stack);
  return std::move(stack.at(0)).toTensor();
}

std::optional<at::Tensor> optional(const at::Tensor *x) {
  return x == nullptr ? std::optional<at::Tensor>() : std::optional<at::Tensor>(*x);
}

const char *attribute(int activation) {
  switch (activation) {
    case 0: return "none";
    case 1: return "swish";
    case 2: return "gelu";
    default: TORCH_CHECK(false, "no such activation: ", activation);
  }
}

}  // namespace

extern "C" {

char *meme_packed_available(int bfloat16, int *available) {
  return meme_guarded([&] {
    *available = 0;
    auto &dispatcher = c10::Dispatcher::singleton();
    const c10::OperatorName needed[] = {{"mkldnn::_reorder_convolution_weight", ""},
                                        {"mkldnn::_convolution_pointwise", ""},
                                        {"mkldnn::_convolution_pointwise_", "binary"},
                                        {"mkldnn::_is_mkldnn_bf16_supported", ""}};
    for (const auto &name : needed) {
      if (!dispatcher.findSchema(name).has_value()) return;
    }
    if (!at::globalContext().userEnabledMkldnn()) return;
    if (bfloat16 != 0) {
      torch::jit::Stack stack;
      find("mkldnn::_is_mkldnn_bf16_supported", "").callBoxed(stack);
      if (!stack.at(0).toBool()) return;
    }
    *available = 1;
  });
}

char *meme_pack_conv(const at::Tensor *weight, int64_t padding, int64_t stride, int64_t groups,
                     const int64_t *input_size, at::Tensor **output) {
  return meme_guarded([&] {
    const at::NoGradGuard no_grad;
    const at::Tensor plain = weight->is_mkldnn() ? weight->to_dense() : *weight;
    torch::jit::Stack stack;
    torch::jit::push(stack, plain, Ints{padding, padding}, Ints{stride, stride}, Ints{1, 1}, groups,
                     std::optional<Ints>(Ints(input_size, input_size + 4)));
    *output = new at::Tensor(call(find("mkldnn::_reorder_convolution_weight", ""), std::move(stack)));
  });
}

char *meme_packed_conv(const at::Tensor *x, const at::Tensor *weight, const at::Tensor *bias, int64_t padding,
                       int64_t stride, int64_t groups, int activation, at::Tensor *sum, at::Tensor **output) {
  return meme_guarded([&] {
    const at::NoGradGuard no_grad;
    torch::jit::Stack stack;
    const Ints pads{padding, padding}, strides{stride, stride}, ones{1, 1};
    if (sum == nullptr) {
      torch::jit::push(stack, *x, *weight, optional(bias), pads, strides, ones, groups, attribute(activation), Scalars(),
                       std::optional<std::string>(activation == 2 ? "none" : ""));
      *output = new at::Tensor(call(find("mkldnn::_convolution_pointwise", ""), std::move(stack)));
    } else {
      TORCH_CHECK(activation == 0, "a sum with an activation");
      torch::jit::push(stack, *sum, *x, *weight, optional(bias), pads, strides, ones, groups, "add",
                       std::optional<at::Scalar>(), std::optional<std::string>(), Scalars(),
                       std::optional<std::string>());
      *output = new at::Tensor(call(find("mkldnn::_convolution_pointwise_", "binary"), std::move(stack)));
    }
  });
}

}  // extern "C"
