// A Loop over libuv. The turn end hangs on uv_prepare: libuv runs it after the timers and right
// before it blocks in poll, so it comes after every socket callback of the turn.
#include "core/io/loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "core/base/check.h"
#include "core/io/clock.h"
#include "core/io/loop_state.h"

namespace causeway::io {
namespace {

LoopState& state_of(void* data) { return *static_cast<LoopState*>(data); }

// Any thread.
void wake(const LoopState& state) {
    const std::uint64_t one = 1;
    // Fails only when the counter is full: then a wake-up is under way.
    [[maybe_unused]] const auto written = ::write(state.wake_fd, &one, sizeof(one));
}

void on_wake(uv_poll_t* handle, int /*status*/, int /*events*/) {
    LoopState& state = state_of(handle->data);
    std::uint64_t count = 0;
    [[maybe_unused]] const auto read = ::read(state.wake_fd, &count, sizeof(count));
    {
        const std::lock_guard lock(state.mutex);
        state.running.swap(state.posted);
        state.draining.swap(state.ready);
        state.signalled = false;
    }
    for (Task& task : state.running) {
        task();
    }
    state.running.clear();
    // By index: a mailbox destroyed by the one before it has become null.
    for (std::size_t i = 0; i < state.draining.size(); ++i) {
        if (state.draining[i] != nullptr) {
            state.draining[i]->drain();
        }
    }
    state.draining.clear();
    if (state.stop_requested.load(std::memory_order_acquire)) {
        uv_stop(&state.uv);
    }
}

void run_hooks(LoopState& state) {
    auto& [hooks, running] = state.turn_hooks;
    running = true;
    // Hooks added meanwhile are first called at the next turn's end.
    const std::size_t count = hooks.size();
    for (std::size_t i = 0; i < count; ++i) {
        if (!hooks[i]->removed) {
            hooks[i]->run();
        }
    }
    running = false;
    std::erase_if(hooks, [](const auto& hook) { return hook->removed; });
}

void on_turn_end(uv_prepare_t* handle) {
    LoopState& state = state_of(handle->data);
    run_hooks(state);
    flush_streams(state);
    resume_handshakes(state);
}

// True when the wake-up must be sent: one is enough until the queues are drained.
bool mark_signalled(LoopState& state) { return !std::exchange(state.signalled, true); }

}  // namespace

// Idle handles run once before each turn end, and while one is active the loop does not block.
void stay_awake(LoopState& state) {
    uv_idle_start(&state.busy, [](uv_idle_t* handle) { uv_idle_stop(handle); });
}

std::unique_ptr<OutputQueue> LoopState::take_queue() {
    if (spare_queues.empty()) {
        return std::make_unique<OutputQueue>();
    }
    std::unique_ptr<OutputQueue> queue = std::move(spare_queues.back());
    spare_queues.pop_back();
    return queue;
}

void LoopState::give_queue(std::unique_ptr<OutputQueue> queue) {
    if (queue != nullptr && spare_queues.size() < kSpareQueuesMax) {
        queue->reset();
        spare_queues.push_back(std::move(queue));
    }
}

TurnHook::TurnHook(TurnHook&& other) noexcept
    : state_(std::exchange(other.state_, nullptr)), id_(other.id_) {}

TurnHook& TurnHook::operator=(TurnHook&& other) noexcept {
    if (this != &other) {
        reset();
        state_ = std::exchange(other.state_, nullptr);
        id_ = other.id_;
    }
    return *this;
}

TurnHook::~TurnHook() { reset(); }

void TurnHook::reset() {
    if (state_ == nullptr) {
        return;
    }
    auto& [hooks, in_hooks] = std::exchange(state_, nullptr)->turn_hooks;
    const auto it = std::find_if(hooks.begin(), hooks.end(),
                                 [this](const auto& hook) { return hook->id == id_; });
    if (it == hooks.end()) {
        return;
    }
    if (in_hooks) {
        (*it)->removed = true;  // It may be the one that runs: its callable outlives the call.
    } else {
        hooks.erase(it);
    }
}

Loop::Loop() : state_(std::make_unique<LoopState>()) {
    // A write to a reset socket must be an error value; libuv does not pass MSG_NOSIGNAL.
    std::signal(SIGPIPE, SIG_IGN);
    LoopState& state = *state_;
    CW_CHECK(uv_loop_init(&state.uv) == 0);
    state.uv.data = &state;
    state.wake_fd = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    CW_CHECK(state.wake_fd >= 0, "no file descriptor left for a loop");
    CW_CHECK(uv_poll_init(&state.uv, &state.wake, state.wake_fd) == 0);
    uv_idle_init(&state.uv, &state.busy);
    uv_prepare_init(&state.uv, &state.turn_end);
    uv_timer_init(&state.uv, &state.linger_timer);
    state.wake.data = state.turn_end.data = state.linger_timer.data = &state;
    CW_CHECK(uv_poll_start(&state.wake, UV_READABLE, on_wake) == 0);
    uv_prepare_start(&state.turn_end, on_turn_end);
}

Loop::~Loop() {
    LoopState& state = *state_;
    close_lingering(state);
    for (uv_handle_t* own :
         {reinterpret_cast<uv_handle_t*>(&state.wake), reinterpret_cast<uv_handle_t*>(&state.busy),
          reinterpret_cast<uv_handle_t*>(&state.turn_end),
          reinterpret_cast<uv_handle_t*>(&state.linger_timer)}) {
        uv_close(own, nullptr);
    }
    uv_walk(
        &state.uv,
        [](uv_handle_t* handle, void*) {
            CW_CHECK(uv_is_closing(handle) != 0,
                     std::string("outlives its loop: ") + uv_handle_type_name(handle->type));
        },
        nullptr);
    uv_run(&state.uv, UV_RUN_DEFAULT);  // Runs the close callbacks, which free the handles.
    CW_CHECK(uv_loop_close(&state.uv) == 0);
    ::close(state.wake_fd);
}

void Loop::run() {
    uv_run(&state_->uv, UV_RUN_DEFAULT);
    state_->stop_requested.store(false, std::memory_order_release);
}

void Loop::turn() { uv_run(&state_->uv, UV_RUN_ONCE); }

void Loop::stop() {
    state_->stop_requested.store(true, std::memory_order_release);
    wake(*state_);
}

void Loop::post(Task task) {
    bool first = false;
    {
        const std::lock_guard lock(state_->mutex);
        state_->posted.push_back(std::move(task));
        first = mark_signalled(*state_);
    }
    if (first) {
        wake(*state_);
    }
}

MonoMs Loop::now_ms() const { return boot_ms(); }

TurnHook Loop::at_turn_end(Task hook) {
    const std::uint64_t id = state_->next_hook_id++;
    state_->turn_hooks.hooks.push_back(
        std::make_unique<LoopState::Hook>(LoopState::Hook{id, std::move(hook)}));
    return TurnHook(state_.get(), id);
}

void Loop::set_handshakes_per_turn(unsigned count) {
    CW_CHECK(count > 0);
    state_->handshakes_per_turn = count;
    state_->handshakes_left = count;
}

void Loop::again() { stay_awake(*state_); }

void Loop::notify(MailboxBase* mailbox) {
    bool first = false;
    {
        const std::lock_guard lock(state_->mutex);
        state_->ready.push_back(mailbox);
        first = mark_signalled(*state_);
    }
    if (first) {
        wake(*state_);
    }
}

void Loop::forget(MailboxBase* mailbox) {
    const std::lock_guard lock(state_->mutex);
    std::erase(state_->ready, mailbox);
    std::replace(state_->draining.begin(), state_->draining.end(), mailbox,
                 static_cast<MailboxBase*>(nullptr));
}

}  // namespace causeway::io
