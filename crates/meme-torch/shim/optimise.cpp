#include "shim.h"

#include <cmath>
#include <map>
#include <vector>

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_add.h>
#include <ATen/ops/_foreach_addcdiv.h>
#include <ATen/ops/_foreach_addcmul.h>
#include <ATen/ops/_foreach_copy.h>
#include <ATen/ops/_foreach_div.h>
#include <ATen/ops/_foreach_lerp.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_foreach_sqrt.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/full.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>

namespace {

using Tensors = std::vector<at::Tensor>;

Tensors gather(size_t count, at::Tensor *const *pointers) {
  Tensors tensors;
  tensors.reserve(count);
  for (size_t i = 0; i < count; ++i) tensors.push_back(*pointers[i]);
  return tensors;
}

// The fused kernel walks raw memory: every operand must lie in memory like its parameter.
void same_layout(const at::Tensor &parameter, const at::Tensor &other, const char *what) {
  TORCH_CHECK(other.sizes() == parameter.sizes(), what, " of shape ", other.sizes(),
              " for a parameter of shape ", parameter.sizes());
  TORCH_CHECK(other.strides() == parameter.strides(), what, " with strides ", other.strides(),
              " for a parameter with strides ", parameter.strides());
}

struct Group {
  Tensors parameters, gradients, first, second, steps;
  std::vector<double> counts;
};

// torch.optim.AdamW(foreach=True), not capturable: the same operations in the same order.
void foreach_adamw(Group &group, double learning_rate, double beta1, double beta2,
                   double weight_decay, double epsilon) {
  if (weight_decay != 0) {
    at::_foreach_mul_(group.parameters, at::Scalar(1 - learning_rate * weight_decay));
  }
  at::_foreach_lerp_(group.first, group.gradients, at::Scalar(1 - beta1));
  at::_foreach_mul_(group.second, at::Scalar(beta2));
  at::_foreach_addcmul_(group.second, group.gradients, group.gradients, at::Scalar(1 - beta2));
  std::vector<at::Scalar> step_sizes, roots;
  for (const double step : group.counts) {
    step_sizes.emplace_back((learning_rate / (1 - std::pow(beta1, step))) * -1);
    roots.emplace_back(std::pow(1 - std::pow(beta2, step), 0.5));
  }
  auto denominators = at::_foreach_sqrt(group.second);
  at::_foreach_div_(denominators, roots);
  at::_foreach_add_(denominators, at::Scalar(epsilon));
  at::_foreach_addcdiv_(group.parameters, group.first, denominators, step_sizes);
}

}  // namespace

extern "C" {

char *meme_adamw(int fused, size_t count, at::Tensor *const *parameters,
                 at::Tensor *const *gradients, at::Tensor *const *first, at::Tensor *const *second,
                 const double *steps, double learning_rate, double beta1, double beta2,
                 double weight_decay, double epsilon) {
  return meme_guarded([&] {
    const at::NoGradGuard no_grad;
    // As PyTorch: one call for each pair of device and dtype.
    std::map<std::pair<c10::Device, at::ScalarType>, Group,
             bool (*)(const std::pair<c10::Device, at::ScalarType> &,
                      const std::pair<c10::Device, at::ScalarType> &)>
        groups([](const auto &left, const auto &right) {
          const auto key = [](const auto &pair) {
            return std::make_tuple(pair.first.type(), pair.first.index(), pair.second);
          };
          return key(left) < key(right);
        });
    std::map<std::pair<double, std::string>, at::Tensor> step_tensors;
    for (size_t i = 0; i < count; ++i) {
      const at::Tensor &parameter = *parameters[i];
      auto &group = groups[{parameter.device(), parameter.scalar_type()}];
      at::Tensor gradient = *gradients[i];
      TORCH_CHECK(gradient.sizes() == parameter.sizes(), "gradient of shape ", gradient.sizes(),
                  " for a parameter of shape ", parameter.sizes());
      if (gradient.strides() != parameter.strides() ||
          gradient.scalar_type() != parameter.scalar_type()) {
        gradient = at::empty_like(parameter).copy_(gradient);
      }
      same_layout(parameter, *first[i], "first moment");
      same_layout(parameter, *second[i], "second moment");
      group.parameters.push_back(parameter);
      group.gradients.push_back(std::move(gradient));
      group.first.push_back(*first[i]);
      group.second.push_back(*second[i]);
      group.counts.push_back(steps[i]);
      if (fused) {
        auto &step = step_tensors[{steps[i], parameter.device().str()}];
        if (!step.defined()) {
          step = at::full({}, steps[i], at::TensorOptions(at::kFloat).device(parameter.device()));
        }
        group.steps.push_back(step);
      }
    }
    for (auto &[key, group] : groups) {
      if (fused) {
        at::_fused_adamw_(group.parameters, group.gradients, group.first, group.second, {},
                          group.steps, learning_rate, beta1, beta2, weight_decay, epsilon,
                          /*amsgrad=*/false, /*maximize=*/false);
      } else {
        foreach_adamw(group, learning_rate, beta1, beta2, weight_decay, epsilon);
      }
    }
  });
}

char *meme_lerp(size_t count, at::Tensor *const *averages, at::Tensor *const *parameters,
                double weight) {
  return meme_guarded([&] {
    const at::NoGradGuard no_grad;
    if (count == 0) return;
    at::_foreach_lerp_(gather(count, averages), gather(count, parameters), at::Scalar(weight));
  });
}

char *meme_copy(size_t count, at::Tensor *const *to, at::Tensor *const *from) {
  return meme_guarded([&] {
    const at::NoGradGuard no_grad;
    if (count == 0) return;
    for (size_t i = 0; i < count; ++i) {
      TORCH_CHECK(to[i]->sizes() == from[i]->sizes(), "copy of shape ", from[i]->sizes(), " into ",
                  to[i]->sizes());
    }
    at::_foreach_copy_(gather(count, to), gather(count, from));
  });
}

char *meme_swap(size_t count, at::Tensor *const *left, at::Tensor *const *right) {
  return meme_guarded([&] {
    const at::NoGradGuard no_grad;
    for (size_t i = 0; i < count; ++i) {
      TORCH_CHECK(left[i]->sizes() == right[i]->sizes() &&
                      left[i]->scalar_type() == right[i]->scalar_type() &&
                      left[i]->device() == right[i]->device(),
                  "tensors of different shape, dtype or device cannot be swapped: ",
                  left[i]->sizes(), " and ", right[i]->sizes());
    }
    for (size_t i = 0; i < count; ++i) {
      // Both handles keep their identity (and requires_grad); only the memory changes places.
      const at::Tensor kept = left[i]->tensor_data();
      left[i]->set_data(right[i]->tensor_data());
      right[i]->set_data(kept);
    }
  });
}

// torch.nn.utils.clip_grad_norm_ (norm 2, foreach): one pass for the norm, which is infinite or
// not a number exactly when an element is (or the sum of squares overflows), one to scale.
char *meme_clip(size_t count, at::Tensor *const *gradients, double max_norm, double *norm) {
  return meme_guarded([&] {
    const at::NoGradGuard no_grad;
    *norm = 0;
    if (count == 0) return;
    auto tensors = gather(count, gradients);
    const auto device = tensors[0].device();
    auto norms = at::_foreach_norm(tensors, 2);
    for (auto &each : norms) each = each.to(device);
    const auto total = at::linalg_vector_norm(at::stack(norms), 2);
    *norm = total.item().toDouble();
    if (!std::isfinite(*norm) || *norm == 0) return;
    // Python's `max_norm / (norm + 1e-6)` multiplies with the reciprocal.
    const at::Tensor coefficient = (total + 1e-6).reciprocal() * max_norm;
    if (coefficient.item().toDouble() < 1.0) {
      bool one_device = true;
      for (const auto &each : tensors) one_device = one_device && each.device() == device;
      if (one_device) {
        at::_foreach_mul_(tensors, coefficient);
      } else {
        for (auto &each : tensors) each.mul_(coefficient.to(each.device()));
      }
    }
  });
}

char *meme_set_gradient_to_none(size_t count, at::Tensor *const *parameters) {
  return meme_guarded([&] {
    for (size_t i = 0; i < count; ++i) parameters[i]->mutable_grad() = at::Tensor();
  });
}

}  // extern "C"
