#include "shim.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <ATen/autocast_mode.h>
#include <torch/headeronly/version.h>

char *meme_message(const char *text) noexcept {
  const size_t length = std::strlen(text) + 1;
  char *copy = static_cast<char *>(std::malloc(length));
  if (copy != nullptr) std::memcpy(copy, text, length);
  return copy;
}

extern "C" {

void meme_free(char *message) { std::free(message); }

char *meme_autocast_enter(int device_type, int kind, int *was_enabled, int *previous_kind) {
  return meme_guarded([&] {
    const auto device = static_cast<at::DeviceType>(device_type);
    *was_enabled = at::autocast::is_autocast_enabled(device) ? 1 : 0;
    *previous_kind = static_cast<int>(at::autocast::get_autocast_dtype(device));
    at::autocast::set_autocast_dtype(device, static_cast<at::ScalarType>(kind));
    at::autocast::set_autocast_enabled(device, true);
    at::autocast::increment_nesting();
  });
}

char *meme_autocast_leave(int device_type, int was_enabled, int previous_kind) {
  return meme_guarded([&] {
    const auto device = static_cast<at::DeviceType>(device_type);
    // Weights cast on the way are kept until the outermost guard goes.
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device, was_enabled != 0);
    at::autocast::set_autocast_dtype(device, static_cast<at::ScalarType>(previous_kind));
  });
}

char *meme_set_deterministic(int on, int warn_only) {
  return meme_guarded([&] {
    at::globalContext().setDeterministicAlgorithms(on != 0, warn_only != 0);
    at::globalContext().setDeterministicCuDNN(on != 0);
    at::globalContext().setDeterministicMkldnn(on != 0);
    // Filling fresh memory finds reads of uninitialised values; it costs a pass over each output.
    at::globalContext().setDeterministicFillUninitializedMemory(false);
  });
}

char *meme_deterministic(int *on) {
  return meme_guarded([&] { *on = at::globalContext().deterministicAlgorithms() ? 1 : 0; });
}

char *meme_set_tf32(int on) {
  return meme_guarded([&] {
    at::globalContext().setAllowTF32CuBLAS(on != 0);
    at::globalContext().setAllowTF32CuDNN(on != 0);
  });
}

char *meme_tf32(int *on) {
  return meme_guarded([&] {
    *on = at::globalContext().allowTF32CuBLAS() && at::globalContext().allowTF32CuDNN() ? 1 : 0;
  });
}

char *meme_set_cudnn_benchmark(int on) {
  return meme_guarded([&] { at::globalContext().setBenchmarkCuDNN(on != 0); });
}

char *meme_init_thread(int threads) {
  return meme_guarded([&] {
    // Reading first performs the thread's lazy initialisation, which would otherwise happen at its
    // first parallel loop and overwrite what is set here by the number another thread set last.
    (void)at::get_num_threads();
    at::set_num_threads(threads);
  });
}

char *meme_threads(int *threads) {
  return meme_guarded([&] { *threads = at::get_num_threads(); });
}

char *meme_channels_last(const at::Tensor *input, at::Tensor **output) {
  return meme_guarded(
      [&] { *output = new at::Tensor(input->contiguous(at::MemoryFormat::ChannelsLast)); });
}

char *meme_describe(int what, char **text) {
  return meme_guarded([&] {
    std::string answer;
    switch (what) {
      case 0: answer = TORCH_VERSION; break;
      case 1: answer = at::get_cpu_capability(); break;
      case 2: answer = at::show_config(); break;
      case 3: answer = at::get_mkldnn_version(); break;
      case 4: answer = at::get_mkl_version(); break;
      case 5: answer = at::get_openmp_version(); break;
      default: TORCH_CHECK(false, "no such description: ", what);
    }
    *text = meme_message(answer.c_str());
  });
}

}  // extern "C"
