// CUDA graphs: the one thing here that has no form for any device. Built as a library of its own,
// only where CUDA's headers lie beside libtorch's, and loaded after libtorch's CUDA half, so that
// everything else neither needs CUDA to be built nor to start.
#include <cstdlib>
#include <cstring>
#include <exception>

#include <ATen/cuda/CUDAGraph.h>

namespace {

char *message(const char *text) noexcept {
  const size_t length = std::strlen(text) + 1;
  char *copy = static_cast<char *>(std::malloc(length));
  if (copy != nullptr) std::memcpy(copy, text, length);
  return copy;
}

template <typename Body>
char *guarded(Body &&body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const c10::Error &error) {
    return message(error.what_without_backtrace());
  } catch (const std::exception &error) {
    return message(error.what());
  } catch (...) {
    return message("an exception of unknown type");
  }
}

at::cuda::CUDAGraph *graph(void *raw) { return static_cast<at::cuda::CUDAGraph *>(raw); }

}  // namespace

extern "C" {

char *meme_graph_new(void **out) {
  return guarded([&] { *out = new at::cuda::CUDAGraph(); });
}

void meme_graph_free(void *raw) { delete graph(raw); }

char *meme_graph_begin(void *raw) {
  // Other threads may allocate meanwhile; what they launch is not captured.
  return guarded([&] { graph(raw)->capture_begin({0, 0}, cudaStreamCaptureModeThreadLocal); });
}

char *meme_graph_end(void *raw) {
  return guarded([&] { graph(raw)->capture_end(); });
}

char *meme_graph_replay(void *raw) {
  return guarded([&] { graph(raw)->replay(); });
}

}  // extern "C"
