// Activation checkpointing: what the backward pass needs of a region is computed again then, instead
// of being kept. The graph of the first pass stays; only the tensors that its nodes saved are
// replaced by numbers, so gradients are added up in the same order and have the same bits.
//
// PyTorch does the same from Python (torch.utils.checkpoint with use_reentrant=False) through the
// hooks of its Python engine. This is the same door in C++: an engine that hands out hooks.
#include "shim.h"

#include <memory>
#include <mutex>
#include <vector>

#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/detach.h>
#include <torch/csrc/autograd/engine.h>
#include <torch/csrc/autograd/saved_variable_hooks.h>

namespace {

using torch::autograd::Engine;
using torch::autograd::SavedVariableHooks;

// Runs the region again; on failure fills the message and returns another number than 0.
using Again = int (*)(void *data, char *message, size_t capacity);
using Forget = void (*)(void *data);

constexpr size_t kMessage = 1024;
constexpr at::DeviceType kDevices[] = {at::DeviceType::CPU, at::DeviceType::CUDA};

// Autocast as it was in the first pass.
struct Casting {
  bool enabled[2];
  at::ScalarType dtype[2];

  Casting() {
    for (int i = 0; i < 2; ++i) {
      enabled[i] = at::autocast::is_autocast_enabled(kDevices[i]);
      dtype[i] = at::autocast::get_autocast_dtype(kDevices[i]);
    }
  }

  void apply() const {
    for (int i = 0; i < 2; ++i) {
      at::autocast::set_autocast_enabled(kDevices[i], enabled[i]);
      at::autocast::set_autocast_dtype(kDevices[i], dtype[i]);
    }
  }
};

class Region;

// What becomes of tensors that are saved on this thread: nothing special, or one of the two.
struct Mode {
  std::shared_ptr<Region> region;
  bool again = false;
};
thread_local Mode mode;

class Region : public std::enable_shared_from_this<Region> {
 public:
  Region(Again again, Forget forget, void *data) : again_(again), forget_(forget), data_(data) {}
  Region(const Region &) = delete;
  ~Region() { forget_(data_); }

  size_t reserve() { return reserved_++; }

  void keep(at::Tensor value) { values_.push_back(std::move(value)); }

  // The tensor that was saved as number `index`. It is handed out once; who asks again, as a second
  // backward through the same graph does, has all of them computed again.
  at::Tensor take(size_t index) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (index >= values_.size() || !values_[index].defined()) compute();
    return std::move(values_[index]);
  }

 private:
  void compute() {
    struct Restore {
      Mode before = mode;
      Casting casting;
      ~Restore() {
        mode = std::move(before);
        // Weights that were cast here belong to this pass alone.
        if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
        casting.apply();
      }
    };
    values_.clear();
    values_.reserve(reserved_);
    char message[kMessage] = {};
    int failed = 0;
    {
      const Restore restore;
      at::autocast::increment_nesting();
      casting_.apply();
      mode = Mode{shared_from_this(), true};
      const at::AutoGradMode gradients(true);
      failed = again_(data_, message, kMessage);
    }
    TORCH_CHECK(failed == 0, "a checkpointed region failed when it was computed again: ", message);
    TORCH_CHECK(values_.size() == reserved_, "a checkpointed region needs ", reserved_,
                " tensors for its gradient, but when it was computed again it had ", values_.size(),
                ": it must do the same operations both times");
  }

  const Again again_;
  const Forget forget_;
  void *const data_;
  const Casting casting_;
  size_t reserved_ = 0;
  std::vector<at::Tensor> values_;
  std::mutex mutex_;
};

// In the first pass: a number instead of the tensor.
class Promise final : public SavedVariableHooks {
 public:
  explicit Promise(std::shared_ptr<Region> region) : region_(std::move(region)) {}
  void call_pack_hook(const at::Tensor &) override { index_ = region_->reserve(); }
  at::Tensor call_unpack_hook() override { return region_->take(index_); }

 private:
  std::shared_ptr<Region> region_;
  size_t index_ = 0;
};

// In the second pass: the tensor goes to the region; its own graph is not gone through.
class Delivery final : public SavedVariableHooks {
 public:
  explicit Delivery(Region *region) : region_(region) {}
  void call_pack_hook(const at::Tensor &value) override { region_->keep(value.detach()); }
  at::Tensor call_unpack_hook() override {
    TORCH_CHECK(false, "a gradient was asked for inside a checkpointed region");
  }

 private:
  Region *region_;
};

class CheckpointingEngine final : public Engine {
 public:
  std::unique_ptr<SavedVariableHooks> get_default_saved_variable_hooks() override {
    if (mode.region == nullptr) return nullptr;
    if (mode.again) return std::make_unique<Delivery>(mode.region.get());
    return std::make_unique<Promise>(mode.region);
  }
};

Engine &checkpointing_engine() {
  // Never destroyed: its threads may outlive main.
  static auto *engine = new CheckpointingEngine();
  return *engine;
}

}  // namespace

extern "C" {

// Begins a region on this thread; *begun is 0 where no gradients are recorded and inside another
// region, which then holds for both. `data` is the region's from here on, and goes to `forget` when the last gradient is known.
char *meme_checkpoint_begin(Again again, Forget forget, void *data, int *begun) {
  std::shared_ptr<Region> region;
  try {
    region = std::make_shared<Region>(again, forget, data);
  } catch (const std::exception &error) {
    forget(data);
    return meme_message(error.what());
  }
  return meme_guarded([&] {
    *begun = mode.region == nullptr && at::GradMode::is_enabled() ? 1 : 0;
    if (*begun == 0) return;
    static std::once_flag once;
    std::call_once(once, [] { torch::autograd::set_default_engine_stub(checkpointing_engine); });
    mode = Mode{std::move(region), false};
  });
}

char *meme_checkpoint_end() {
  return meme_guarded([] { mode = Mode{}; });
}

}  // extern "C"
