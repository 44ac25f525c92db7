// What meme-torch needs of libtorch beyond tch's bindings. Every function returns nullptr when it
// succeeded and otherwise a message that the caller frees with meme_free; no exception leaves it.
#pragma once

#include <cstddef>
#include <cstdint>

#include <ATen/core/Tensor.h>

extern "C" {

void meme_free(char *message);

// optimise.cpp: operations over all parameters at once. Lists have `count` entries.
char *meme_adamw(int fused, size_t count, at::Tensor *const *parameters,
                 at::Tensor *const *gradients, at::Tensor *const *first, at::Tensor *const *second,
                 const double *steps, double learning_rate, double beta1, double beta2,
                 double weight_decay, double epsilon);
char *meme_lerp(size_t count, at::Tensor *const *averages, at::Tensor *const *parameters,
                double weight);
char *meme_copy(size_t count, at::Tensor *const *to, at::Tensor *const *from);
char *meme_swap(size_t count, at::Tensor *const *left, at::Tensor *const *right);
char *meme_clip(size_t count, at::Tensor *const *gradients, double max_norm, double *norm);
char *meme_set_gradient_to_none(size_t count, at::Tensor *const *parameters);

// allocator.cpp: tensors from this allocator (bytes, alignment), from the next one on. Null goes back, too.
typedef void *meme_allocate(size_t, size_t);
typedef void meme_release(void *);
char *meme_set_allocator(meme_allocate *take, meme_release *give_back);
// A tensor over bytes that lie somewhere already; `release(owner)` when nothing looks at them any more, or at once
// when this fails.
char *meme_tensor_over(void *data, size_t dims, const int64_t *shape, int kind, void *owner, meme_release *release,
                       at::Tensor **output);

// context.cpp: switches and facts. Kinds are c10::ScalarType numbers, devices c10::DeviceType.
char *meme_autocast_enter(int device_type, int kind, int *was_enabled, int *previous_kind);
char *meme_autocast_leave(int device_type, int was_enabled, int previous_kind);
char *meme_set_deterministic(int on, int warn_only);
char *meme_deterministic(int *on);
char *meme_set_tf32(int on);
char *meme_tf32(int *on);
char *meme_set_cudnn_benchmark(int on);
char *meme_init_thread(int threads);
char *meme_threads(int *threads);
char *meme_channels_last(const at::Tensor *input, at::Tensor **output);
char *meme_describe(int what, char **text);

}  // extern "C"

// Shared by both files: runs `body` and turns whatever it throws into a message.
char *meme_message(const char *text) noexcept;

template <typename Body>
char *meme_guarded(Body &&body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const c10::Error &error) {
    return meme_message(error.what_without_backtrace());
  } catch (const std::exception &error) {
    return meme_message(error.what());
  } catch (...) {
    return meme_message("an exception of unknown type");
  }
}
