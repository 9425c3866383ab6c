// Where a gateway loop gets the pre-shared keys of devices from. A port: gateway/net asks, who knows
// the devices answers.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/any_invocable.h>

#include "core/base/time.h"

namespace causeway::net {

// Belongs to one loop; all on its thread.
class PskSource {
public:
    // At most two, while a device changes from one to the other; none: no such identity, or nobody
    // could say in time.
    using Found = absl::AnyInvocable<void(std::vector<std::string> keys)>;

    virtual ~PskSource() = default;
    // Effect: `found` is called once, from within or later, at `deadline` at the latest. The
    // identity is whatever a stranger says: 1 to 256 printable ASCII characters.
    virtual void find(std::string_view identity, MonoMs deadline, Found found) = 0;
};

// Which of a device's two keys its next handshake is tried with. TLS takes one key only and cannot
// be asked whether it was the right one before the handshake fails; so after a failure the other
// one's turn comes. One table for the loops of a gateway: a device comes back to any. Two identities
// may share a place, which costs them a try.
class PskTurns {
public:
    [[nodiscard]] std::size_t turn(std::uint64_t identity_hash) const {
        return turns_[identity_hash % kPlaces].load(std::memory_order_relaxed);
    }
    void next(std::uint64_t identity_hash) {
        turns_[identity_hash % kPlaces].fetch_xor(1, std::memory_order_relaxed);
    }

private:
    static constexpr std::size_t kPlaces = 8192;
    std::array<std::atomic<std::uint8_t>, kPlaces> turns_{};
};

}  // namespace causeway::net
