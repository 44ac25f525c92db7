// Streams, events and pinned memory through c10's interface for any device: what backend there is
// registers itself when its library is loaded, so this file needs no CUDA to be built.
#include "shim.h"

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>

namespace {

// As Rust sees a stream.
struct Handle {
  int64_t id;
  int32_t type;
  int32_t index;
};

c10::Device device(int type, int index) {
  return {static_cast<c10::DeviceType>(type), static_cast<c10::DeviceIndex>(index)};
}

c10::Stream stream(const Handle &handle) {
  return c10::Stream(c10::Stream::UNSAFE, device(handle.type, handle.index), handle.id);
}

Handle handle(const c10::Stream &stream) {
  return {stream.id(), static_cast<int32_t>(stream.device_type()), stream.device_index()};
}

c10::impl::VirtualGuardImpl backend(int type) {
  return c10::impl::VirtualGuardImpl(static_cast<c10::DeviceType>(type));
}

c10::Event *event(void *raw) { return static_cast<c10::Event *>(raw); }

}  // namespace

extern "C" {

char *meme_stream_current(int type, int index, Handle *out) {
  return meme_guarded([&] { *out = handle(backend(type).getStream(device(type, index))); });
}

char *meme_stream_default(int type, int index, Handle *out) {
  return meme_guarded([&] { *out = handle(backend(type).getDefaultStream(device(type, index))); });
}

char *meme_stream_new(int type, int index, int priority, Handle *out) {
  return meme_guarded(
      [&] { *out = handle(backend(type).getNewStream(device(type, index), priority)); });
}

char *meme_stream_exchange(const Handle *to, Handle *before) {
  return meme_guarded([&] { *before = handle(backend(to->type).exchangeStream(stream(*to))); });
}

char *meme_stream_query(const Handle *of, int *idle) {
  return meme_guarded([&] { *idle = stream(*of).query() ? 1 : 0; });
}

char *meme_stream_synchronize(const Handle *of) {
  return meme_guarded([&] { stream(*of).synchronize(); });
}

char *meme_device_synchronize(int type, int index) {
  return meme_guarded([&] { backend(type).synchronizeDevice(static_cast<c10::DeviceIndex>(index)); });
}

char *meme_event_new(int type, int timed, void **out) {
  return meme_guarded([&] {
    // Asked here, because an event itself asks only when it is recorded.
    (void)backend(type);
    *out = new c10::Event(static_cast<c10::DeviceType>(type),
                          timed != 0 ? c10::EventFlag::BACKEND_DEFAULT
                                     : c10::EventFlag::PYTORCH_DEFAULT);
  });
}

void meme_event_free(void *raw) { delete event(raw); }

char *meme_event_record(void *raw, const Handle *on) {
  return meme_guarded([&] { event(raw)->record(stream(*on)); });
}

char *meme_event_block(const void *raw, const Handle *waiting) {
  return meme_guarded(
      [&] { static_cast<const c10::Event *>(raw)->block(stream(*waiting)); });
}

char *meme_event_query(const void *raw, int *done) {
  return meme_guarded([&] { *done = static_cast<const c10::Event *>(raw)->query() ? 1 : 0; });
}

char *meme_event_synchronize(const void *raw) {
  return meme_guarded([&] { static_cast<const c10::Event *>(raw)->synchronize(); });
}

char *meme_event_elapsed(const void *from, const void *to, double *milliseconds) {
  return meme_guarded([&] {
    *milliseconds = static_cast<const c10::Event *>(from)->elapsedTime(
        *static_cast<const c10::Event *>(to));
  });
}

char *meme_pin(const at::Tensor *tensor, at::Tensor **out) {
  return meme_guarded([&] { *out = new at::Tensor(tensor->pin_memory()); });
}

char *meme_is_pinned(const at::Tensor *tensor, int *pinned) {
  return meme_guarded([&] { *pinned = tensor->is_pinned() ? 1 : 0; });
}

}  // extern "C"
