// PreciseTimer: a timerfd that the loop polls.
#include "core/io/precise_timer.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <utility>

#include "core/base/check.h"
#include "core/io/loop_state.h"

namespace causeway::io {
namespace {

constexpr std::uint64_t kSecondNs = 1'000'000'000;

void set_time(int fd, std::uint64_t at_ns) {
    itimerspec when{};
    when.it_value.tv_sec = static_cast<time_t>(at_ns / kSecondNs);
    when.it_value.tv_nsec = static_cast<long>(at_ns % kSecondNs);
    CW_CHECK(timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, nullptr) == 0);
}

}  // namespace

struct PreciseTimer::Handle {
    uv_poll_t uv{};
    int fd = -1;
    Task callback;
    bool gone = false;  // The PreciseTimer was destroyed.
};

PreciseTimer::PreciseTimer(Loop& loop, Task callback) {
    auto handle = std::make_unique<Handle>();
    handle->callback = std::move(callback);
    handle->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    CW_CHECK(handle->fd >= 0);
    CW_CHECK(uv_poll_init(&loop.state().uv, &handle->uv, handle->fd) == 0);
    handle->uv.data = handle.get();
    uv_poll_start(&handle->uv, UV_READABLE, [](uv_poll_t* uv, int, int) {
        auto& fired = *static_cast<Handle*>(uv->data);
        std::uint64_t expirations = 0;
        if (!fired.gone && read(fired.fd, &expirations, sizeof(expirations)) > 0) {
            fired.callback();
        }
    });
    handle_ = handle.release();
}

PreciseTimer::~PreciseTimer() {
    handle_->gone = true;
    uv_poll_stop(&handle_->uv);
    // Its memory, and with it a callback that destroys its own timer, lives until the close
    // callback.
    uv_close(reinterpret_cast<uv_handle_t*>(&handle_->uv), [](uv_handle_t* uv) {
        const std::unique_ptr<Handle> freed(static_cast<Handle*>(uv->data));
        close(freed->fd);
    });
}

void PreciseTimer::start_at(std::uint64_t at_ns) {
    set_time(handle_->fd, std::max<std::uint64_t>(at_ns, 1));  // 0 would disarm it.
}

void PreciseTimer::stop() { set_time(handle_->fd, 0); }

std::uint64_t PreciseTimer::now_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * kSecondNs +
           static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace causeway::io
