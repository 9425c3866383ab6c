#include "core/replica/apply_thread.h"

#include <chrono>
#include <utility>

namespace causeway::replica {
namespace {

constexpr auto kFinishAfter = std::chrono::milliseconds(20);

}  // namespace

ApplyThread::~ApplyThread() { stop(); }

void ApplyThread::add(GroupId group, std::unique_ptr<SetState> state) {
    states_[group] = std::move(state);
}

void ApplyThread::start() {
    thread_ = std::thread([this] { run(); });
}

void ApplyThread::stop() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    wake_.notify_one();
    if (thread_.joinable()) {
        thread_.join();
    }
}

void ApplyThread::push(Item item) {
    bool first = false;
    {
        const std::lock_guard lock(mutex_);
        first = queue_.empty();
        queue_.push_back(std::move(item));
    }
    if (first) {
        wake_.notify_one();
    }
}

void ApplyThread::push(GroupId group, Work work) { push(Item{group, std::move(work)}); }
void ApplyThread::ask(GroupId group, Query query) { push(Item{group, std::move(query)}); }
void ApplyThread::run_there(Task task) { push(Item{GroupId{}, std::move(task)}); }
void ApplyThread::adopt(GroupId group, std::unique_ptr<SetState> state) {
    push(Item{group, std::move(state)});
}

void ApplyThread::run() {
    std::vector<Item> items;
    bool more = false;
    while (true) {
        {
            std::unique_lock lock(mutex_);
            if (!more) {
                wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
            }
            if (queue_.empty() && stopping_) {
                return;
            }
            items.swap(queue_);
        }
        auto finished = std::chrono::steady_clock::now();
        for (Item& item : items) {
            take(item);
            // A replay, or a long backlog, does not keep what it has done to itself.
            if (const auto now = std::chrono::steady_clock::now(); now - finished >= kFinishAfter) {
                finished = now;
                finish();
            }
        }
        items.clear();
        more = finish();
    }
}

bool ApplyThread::finish() {
    bool more = false;
    for (auto& [group, state] : states_) {
        more |= state->finish();
    }
    return more;
}

void ApplyThread::take(Item& item) {
    if (auto* task = std::get_if<Task>(&item.what)) {
        (*task)();
        return;
    }
    if (auto* state = std::get_if<std::unique_ptr<SetState>>(&item.what)) {
        states_[item.group] = std::move(*state);
        return;
    }
    SetState& state = *states_.at(item.group);
    if (auto* work = std::get_if<Work>(&item.what)) {
        state.take(*work);
    } else {
        std::get<Query>(item.what)(state);
    }
}

}  // namespace causeway::replica
