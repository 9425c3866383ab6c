// How many connections the devices of each product have on this node. Shared by the loops; the lock
// is taken at CONNECT and at nothing else.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace causeway::net {

class ProductCounts {
    using Count = std::atomic<std::uint32_t>;

public:
    // One connection; counts until it is destroyed.
    class Place {
    public:
        Place() = default;
        explicit Place(std::shared_ptr<Count> count) : count_(std::move(count)) {}
        Place(Place&& other) noexcept : count_(std::move(other.count_)) {}
        Place& operator=(Place&& other) noexcept {
            std::swap(count_, other.count_);
            return *this;
        }
        ~Place() {
            if (count_ != nullptr) {
                count_->fetch_sub(1, std::memory_order_relaxed);
            }
        }
        explicit operator bool() const { return count_ != nullptr; }

    private:
        std::shared_ptr<Count> count_;
    };

    // False in the result: `max` are there already. 0: any number.
    Place enter(const std::string& product, std::uint32_t max) {
        std::shared_ptr<Count> count;
        {
            const std::lock_guard lock(mutex_);
            auto& found = counts_[product];
            if (found == nullptr) {
                found = std::make_shared<Count>(0);
            }
            count = found;
        }
        if (count->fetch_add(1, std::memory_order_relaxed) >= max && max != 0) {
            count->fetch_sub(1, std::memory_order_relaxed);
            return {};
        }
        return Place(std::move(count));
    }

private:
    std::mutex mutex_;  // of counts_; as many as there are products that devices came from
    std::map<std::string, std::shared_ptr<Count>> counts_;
};

}  // namespace causeway::net
