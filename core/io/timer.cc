// Timers on a loop; see the header.
#include "core/io/timer.h"

#include <memory>
#include <utility>

#include "core/io/loop_state.h"

namespace causeway::io {

struct Timer::Handle {
    uv_timer_t uv{};
    Task callback;
};

Timer::Timer(Loop& loop, Task callback) : handle_(std::make_unique<Handle>().release()) {
    uv_timer_init(&loop.state().uv, &handle_->uv);
    handle_->uv.data = handle_;
    handle_->callback = std::move(callback);
}

Timer::~Timer() {
    uv_close(reinterpret_cast<uv_handle_t*>(&handle_->uv), [](uv_handle_t* handle) {
        const std::unique_ptr<Handle> freed(static_cast<Handle*>(handle->data));
    });
}

void Timer::start(std::uint64_t delay_ms, std::uint64_t repeat_ms) {
    uv_update_time(handle_->uv.loop);  // The delay counts from now, not from the turn's start.
    uv_timer_start(
        &handle_->uv, [](uv_timer_t* timer) { static_cast<Handle*>(timer->data)->callback(); },
        delay_ms, repeat_ms);
}

void Timer::stop() { uv_timer_stop(&handle_->uv); }

bool Timer::active() const {
    return uv_is_active(reinterpret_cast<const uv_handle_t*>(&handle_->uv)) != 0;
}

LoopTimers::LoopTimers(Loop& loop, TimerWheel::Options options,
                       absl::AnyInvocable<void(std::uint64_t)> fire)
    : loop_(loop),
      resolution_ms_(options.resolution_ms),
      wheel_(loop.now_ms(), options),
      fire_(std::move(fire)),
      timer_(loop, [this] { tick(); }) {}

TimerWheel::Id LoopTimers::arm_after(std::uint64_t delay_ms, std::uint64_t cookie) {
    if (!timer_.active()) {
        timer_.start(resolution_ms_, resolution_ms_);
    }
    return wheel_.arm(loop_.now_ms() + delay_ms, cookie);
}

void LoopTimers::tick() {
    wheel_.advance(loop_.now_ms(), [this](std::uint64_t cookie) { fire_(cookie); });
    if (wheel_.size() == 0) {
        timer_.stop();
    }
}

}  // namespace causeway::io
