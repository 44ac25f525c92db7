// Tensors from plain malloc. libtorch takes them from posix_memalign, which in glibc before 2.38
// asks for the alignment on top, so that a freed block never fits the next tensor of its own size
// unless a neighbour is free too; the heap grows by about a third and its holes stay empty.
#include "shim.h"

#include <cstdint>
#include <cstdlib>

#include <c10/core/CPUAllocator.h>

namespace {

// libtorch's own alignment (c10/core/alignment.h): one cache line, one AVX-512 register.
constexpr size_t kAlignment = 64;

void release(void *data) {
  // The block's own address stands in the word before the data.
  if (data != nullptr) std::free(static_cast<void **>(data)[-1]);
}

struct PlainAllocator final : at::Allocator {
  at::DataPtr allocate(size_t bytes) override {
    const at::Device cpu(at::DeviceType::CPU);
    if (bytes == 0) return {nullptr, nullptr, &release, cpu};
    // malloc aligns to 16 bytes, so there are 16, 32, 48 or 64 bytes before the next line.
    void *block = bytes > SIZE_MAX - kAlignment ? nullptr : std::malloc(bytes + kAlignment);
    TORCH_CHECK(block != nullptr, "not enough memory for a tensor of ", bytes, " bytes");
    const auto address = reinterpret_cast<uintptr_t>(block);
    auto *data = reinterpret_cast<void **>((address / kAlignment + 1) * kAlignment);
    data[-1] = block;
    return {data, data, &release, cpu};
  }

  at::DeleterFnPtr raw_deleter() const override { return &release; }

  void copy_data(void *to, const void *from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
};

}  // namespace

extern "C" char *meme_use_plain_malloc() {
  return meme_guarded([] {
    // Never destroyed: tensors may be freed while the process ends.
    static auto *allocator = new PlainAllocator();
    c10::SetCPUAllocator(allocator, /*priority=*/1);
  });
}
