// Which of a device's two secrets TLS is given as its key: a handshake can try only one. Shared by the
// loops; no lock.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace causeway::net {

class PskChoices {
public:
    // Of `count` secrets.
    [[nodiscard]] std::size_t choose(std::uint64_t identity, std::size_t count) const {
        return count == 0 ? 0 : of(identity).load(std::memory_order_relaxed) % count;
    }
    // Effect: the next handshake of this identity (and of those that share its place) gets the other
    // one, so that a device gets in when it tries again, and after that at once.
    void failed(std::uint64_t identity) {
        of(identity).fetch_add(1, std::memory_order_relaxed);
    }

private:
    using Choice = std::atomic<std::uint8_t>;
    Choice& of(std::uint64_t identity) { return choices_[identity % choices_.size()]; }
    [[nodiscard]] const Choice& of(std::uint64_t identity) const {
        return choices_[identity % choices_.size()];
    }

    std::array<Choice, 4096> choices_{};
};

}  // namespace causeway::net
