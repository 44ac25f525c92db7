// Tensors on the CPU from another allocator than the C library's, and over memory that others allocated.
#include "shim.h"

#include <memory>

#include <ATen/ops/from_blob.h>
#include <c10/core/CPUAllocator.h>

namespace {

// libtorch's own alignment (c10/core/alignment.h): one cache line, one AVX-512 register.
constexpr size_t kAlignment = 64;

struct GivenAllocator final : at::Allocator {
  meme_allocate *take;
  meme_release *give_back;

  GivenAllocator(meme_allocate *take, meme_release *give_back) : take(take), give_back(give_back) {}

  at::DataPtr allocate(size_t bytes) override {
    const at::Device cpu(at::DeviceType::CPU);
    if (bytes == 0) return {nullptr, nullptr, give_back, cpu};
    void *data = take(bytes, kAlignment);
    TORCH_CHECK(data != nullptr, "not enough memory for a tensor of ", bytes, " bytes");
    return {data, data, give_back, cpu};
  }

  at::DeleterFnPtr raw_deleter() const override { return give_back; }

  void copy_data(void *to, const void *from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
};

}  // namespace

extern "C" char *meme_set_allocator(meme_allocate *take, meme_release *give_back) {
  return meme_guarded([&] {
    // Never destroyed: tensors may be freed while the process ends.
    static auto *allocator = new GivenAllocator(take, give_back);
    c10::SetCPUAllocator(allocator, /*priority=*/1);
  });
}

extern "C" char *meme_tensor_over(void *data, size_t dims, const int64_t *shape, int kind, void *owner,
                                  meme_release *release, at::Tensor **output) {
  return meme_guarded([&] {
    // The tensor's storage keeps a share of it; where making it fails, this is the last one.
    const std::shared_ptr<void> held(owner, release);
    const auto options = at::TensorOptions().dtype(static_cast<at::ScalarType>(kind));
    *output = new at::Tensor(at::from_blob(data, at::IntArrayRef(shape, dims), [held](void *) {}, options));
  });
}
