// Watches libtorch at work, for the tests of `count`: multiply-accumulates of every operation that is called, and the
// memory that stays allocated. Nothing but tests refers to these functions, so programs do not contain them.

// RecordFunction has one member more in debug builds, and libtorch is none.
#ifndef NDEBUG
#define NDEBUG
#endif

#include <cstdint>
#include <memory>
#include <string>

#include <ATen/core/Tensor.h>
#include <ATen/record_function.h>
#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

namespace {

thread_local int64_t products = 0, attention = 0, depth = 0;

// Whether an operation multiplies; what it calls inside is then not counted again.
bool multiplies(const std::string &name) {
  for (const char *known :
       {"aten::convolution", "aten::linear", "aten::scaled_dot_product_attention", "aten::matmul", "aten::mm",
        "aten::addmm", "aten::bmm", "aten::baddbmm", "aten::addmv", "aten::mv", "aten::dot", "aten::einsum",
        "aten::fft_rfft2", "aten::fft_irfft2"})
    if (name == known) return true;
  return false;
}

// What a transform of real maps, or back to them, counts by convention: for each map its pixels times the logarithm of
// their number to base 2, rounded up.
int64_t transform(int64_t maps, int64_t height, int64_t width) {
  int64_t steps = 0;
  while ((int64_t(1) << steps) < height * width) ++steps;
  return maps * height * width * steps;
}

struct Entered : at::ObserverContext {};

std::unique_ptr<at::ObserverContext> enter(const at::RecordFunction &call) {
  const std::string name = call.name();
  if (name == "aten::mul" && call.inputs()[0].toTensor().is_complex()) {
    // Each number of a spectrum with one of the filter, which is broadcast over the batch.
    products += 4 * call.inputs()[0].toTensor().numel();
    return nullptr;
  }
  if (!multiplies(name)) return nullptr;
  if (depth++ > 0) return std::make_unique<Entered>();
  const auto inputs = call.inputs();
  const at::Tensor a = inputs[0].toTensor(), b = inputs[1].isTensor() ? inputs[1].toTensor() : at::Tensor();
  if (name == "aten::convolution") {
    // Each output position meets the kernel once; the strides tell the output's size.
    const auto stride = inputs[3].toIntVector(), padding = inputs[4].toIntVector(), step = inputs[5].toIntVector();
    int64_t positions = a.size(0);
    for (int64_t d = 0; d < 2; ++d)
      positions *= (a.size(2 + d) + 2 * padding[d] - step[d] * (b.size(2 + d) - 1) - 1) / stride[d] + 1;
    products += positions * b.numel();
  } else if (name == "aten::linear") {
    products += a.numel() / a.size(-1) * b.numel();
  } else if (name == "aten::scaled_dot_product_attention") {
    const at::Tensor v = inputs[2].toTensor();
    attention += a.numel() * b.size(-2) + a.numel() / a.size(-1) * b.size(-2) * v.size(-1);
  } else if (name == "aten::matmul" && a.dim() == 4) {
    // Of heads, in linear attention.
    attention += a.numel() * b.size(-1);
  } else if (name == "aten::fft_rfft2") {
    products += transform(a.numel() / (a.size(-2) * a.size(-1)), a.size(-2), a.size(-1));
  } else if (name == "aten::fft_irfft2") {
    const auto sides = inputs[1].toIntVector();
    products += transform(a.numel() / (a.size(-2) * a.size(-1)), sides[0], sides[1]);
  } else {
    // No layer of these networks calls a product by itself; a test would notice this number.
    products += int64_t(1) << 50;
  }
  return std::make_unique<Entered>();
}

void leave(const at::RecordFunction &, at::ObserverContext *context) {
  if (context != nullptr) --depth;
}

// Bytes that this thread has allocated and not given back since the beginning, and the most at any time.
struct Allocated : c10::MemoryReportingInfoBase {
  int64_t now = 0, most = 0;
  void reportMemoryUsage(void *, int64_t size, size_t, size_t, c10::Device) override {
    now += size;
    if (now > most) most = now;
  }
  bool memoryProfilingEnabled() const override { return true; }
};

thread_local std::shared_ptr<Allocated> allocated;
thread_local at::CallbackHandle handle = 0;

}  // namespace

extern "C" {

void meme_blocks_trace_begin() {
  products = attention = depth = 0;
  allocated = std::make_shared<Allocated>();
  c10::ThreadLocalDebugInfo::_push(c10::DebugInfoKind::PROFILER_STATE, allocated);
  handle = at::addThreadLocalCallback(at::RecordFunctionCallback(enter, leave).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
}

// Bytes allocated since the beginning that are still there.
int64_t meme_blocks_trace_allocated() { return allocated == nullptr ? 0 : allocated->now; }

// Writes products, products of attention, bytes still allocated, most bytes allocated.
void meme_blocks_trace_end(int64_t *result) {
  at::removeCallback(handle);
  c10::ThreadLocalDebugInfo::_pop(c10::DebugInfoKind::PROFILER_STATE);
  result[0] = products;
  result[1] = attention;
  result[2] = allocated->now;
  result[3] = allocated->most;
  allocated.reset();
}

}  // extern "C"
