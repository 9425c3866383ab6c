// A typed queue from any thread to one loop: two vectors swapped under a lock and drained outside
// it. One lock per batch and one wake-up while undrained, so it is fit for the hot paths between
// loops.
#pragma once

#include <cstddef>
#include <iterator>
#include <mutex>
#include <utility>
#include <vector>

#include <absl/functional/any_invocable.h>

#include "core/io/loop.h"

namespace causeway::io {

// Made on the loop's thread or before it runs; destroyed there, or after the loop stopped, before
// the Loop and after the last sender. The mailbox does not refuse: what is in it is bounded by its
// senders' windows, which can look at queued().
template <typename T>
class Mailbox final : public MailboxBase {
public:
    // The receiver gets all that arrived since the last call, in order of arrival, and may move the
    // items out; what it leaves is destroyed. It must not destroy its mailbox.
    using Receiver = absl::AnyInvocable<void(std::vector<T>&)>;

    Mailbox(Loop& loop, Receiver receiver) : loop_(loop), receiver_(std::move(receiver)) {}
    ~Mailbox() override { loop_.forget(this); }
    Mailbox(const Mailbox&) = delete;
    Mailbox& operator=(const Mailbox&) = delete;

    // Any thread. Items of one thread stay in order.
    void push(T item) {
        bool wake = false;
        {
            const std::lock_guard lock(mutex_);
            items_.push_back(std::move(item));
            wake = !std::exchange(signalled_, true);
        }
        if (wake) {
            loop_.notify(this);
        }
    }
    // The same for what can wait: it is handed over with the next item that cannot, or at the next
    // drain().
    void push_quietly(T item) {
        const std::lock_guard lock(mutex_);
        items_.push_back(std::move(item));
    }
    // Effect: moves all of `batch` in and leaves it empty with its capacity or another's. Any
    // thread.
    void push_batch(std::vector<T>& batch) {
        if (batch.empty()) {
            return;
        }
        bool wake = false;
        {
            const std::lock_guard lock(mutex_);
            if (items_.empty()) {
                items_.swap(batch);
            } else {
                items_.insert(items_.end(), std::make_move_iterator(batch.begin()),
                              std::make_move_iterator(batch.end()));
            }
            wake = !std::exchange(signalled_, true);
        }
        batch.clear();
        if (wake) {
            loop_.notify(this);
        }
    }
    // Items pushed and not yet handed to the receiver. Any thread.
    [[nodiscard]] std::size_t queued() const {
        const std::lock_guard lock(mutex_);
        return items_.size();
    }

    // Called by the loop when something was pushed; or by the owner, on the loop's thread, for what
    // was pushed quietly.
    void drain() override {
        {
            const std::lock_guard lock(mutex_);
            items_.swap(draining_);
            signalled_ = false;
        }
        if (draining_.empty()) {
            return;
        }
        receiver_(draining_);
        draining_.clear();
        if (draining_.capacity() > kKeptCapacityMax) {
            std::vector<T>().swap(draining_);
        }
    }

private:
    static constexpr std::size_t kKeptCapacityMax = std::size_t{16} * 1024;

    Loop& loop_;
    Receiver receiver_;
    mutable std::mutex mutex_;  // Guards items_ and signalled_.
    std::vector<T> items_;
    bool signalled_ = false;
    std::vector<T> draining_;  // Loop thread.
};

}  // namespace causeway::io
