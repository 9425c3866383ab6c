// The Outbox port: how the sink loop drains what the set owes to sinks. Implemented by cluster/node
// on the leader; tests have their own. All calls and callbacks are on the sink loop's thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/functional/any_invocable.h>

#include "core/base/time.h"

namespace causeway {

struct OwedDelivery {
    std::uint64_t n = 0;  // its number in the sink's outbox; ascending
    SetMs sent_at = 0;    // set time when the rule made it
    std::string key;      // ordering key, may be empty
    std::string request;  // as the rule encoded it
};

class Outbox {
public:
    virtual ~Outbox() = default;

    // Effect: calls `take` once, later, with deliveries behind number `after`, in order: at most
    // about `bytes_max` bytes, at least one if there is one. `now` is the set's time.
    using Take = absl::AnyInvocable<void(std::vector<OwedDelivery> owed, SetMs now)>;
    virtual void read(std::string_view sink, std::uint64_t after, std::uint64_t bytes_max,
                      Take take) = 0;

    // Effect: logs that delivery `n` ended; it leaves the outbox when that is applied. Not
    // delivered: it goes to the queue `dead_letter` with `reason`, or is counted and dropped when
    // that is empty.
    virtual void done(std::string_view sink, std::uint64_t n, bool delivered,
                      std::string_view reason, std::string_view dead_letter) = 0;

    // Effect: `ready` is called, on the sink loop, with the name of a sink whose outbox got
    // something, and with every non-empty one when this node begins to lead (again). Replaces the
    // one before.
    virtual void on_ready(absl::AnyInvocable<void(std::string_view sink)> ready) = 0;
};

}  // namespace causeway
