// The fence for publishers whose home is another set (session protocol, rule 8): the highest epoch
// of each client that published here lately, so that a stopped gateway that wakes cannot overwrite
// what the client's newer connection published. In memory and in the table; bounded by
// StateLimits::fences_max, the oldest go first. Apply thread only.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>

#include "core/state/context.h"

namespace causeway::state {

class Fences {
public:
    explicit Fences(Context& context) : context_(context) {}
    bool load();
    // Effect: false when a higher epoch of the client published in the last 30 s; else notes it.
    bool admit(std::string_view client_id, std::uint64_t epoch);
    // Effect: nothing is forgotten for age before this leader has led for 8 s from the next admit()
    // on: the set's time may have leapt, while a gateway that stood still had not been declared
    // dead.
    void new_leader();
    [[nodiscard]] std::size_t size() const { return by_client_.size(); }

private:
    struct Fence {
        std::uint64_t epoch = 0;
        SetMs at = 0;  // of a publish at most kRefreshMs before the last one
    };
    void note(std::string_view client_id, std::uint64_t epoch);
    void forget_oldest();
    void keep_leader();

    Context& context_;
    absl::btree_map<std::string, Fence, std::less<>> by_client_;
    absl::btree_set<std::pair<SetMs, std::string>> by_time_;
    SetMs led_since_ = 0;  // 0: no publish since the leader is new
};

}  // namespace causeway::state
