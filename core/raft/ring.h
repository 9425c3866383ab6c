// A queue in one block of memory that grows by doubling and is never given back: in the steady
// state pushing and popping allocates nothing. Used for cached entries, append fences and send
// windows.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "core/base/check.h"

namespace causeway::raft {

template <typename T>
class Ring {
public:
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] bool empty() const { return size_ == 0; }
    // Position 0 is the oldest. Precondition: position < size().
    [[nodiscard]] T& operator[](std::size_t position) { return slots_[slot(position)]; }
    [[nodiscard]] const T& operator[](std::size_t position) const { return slots_[slot(position)]; }
    [[nodiscard]] T& front() { return (*this)[0]; }
    [[nodiscard]] const T& front() const { return (*this)[0]; }
    [[nodiscard]] const T& back() const { return (*this)[size_ - 1]; }

    void push_back(T value) {
        if (size_ == slots_.size()) {
            grow();
        }
        ++size_;
        slots_[slot(size_ - 1)] = std::move(value);
    }
    // Both leave a default value behind, so that what the element owned is released now.
    void pop_front() {
        CW_CHECK(size_ > 0);
        slots_[head_] = T{};
        head_ = (head_ + 1) & (slots_.size() - 1);
        --size_;
    }
    void pop_back() {
        CW_CHECK(size_ > 0);
        slots_[slot(size_ - 1)] = T{};
        --size_;
    }
    void clear() {
        while (!empty()) {
            pop_back();
        }
    }

private:
    [[nodiscard]] std::size_t slot(std::size_t position) const {
        return (head_ + position) & (slots_.size() - 1);
    }
    void grow() {
        std::vector<T> larger(slots_.empty() ? 8 : slots_.size() * 2);
        for (std::size_t i = 0; i < size_; ++i) {
            larger[i] = std::move((*this)[i]);
        }
        slots_ = std::move(larger);
        head_ = 0;
    }

    std::vector<T> slots_;  // A power of two long.
    std::size_t head_ = 0;
    std::size_t size_ = 0;
};

}  // namespace causeway::raft
