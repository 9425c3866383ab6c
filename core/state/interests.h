// What this set asked of others for its subscriptions (session protocol, rule 17): which sets were
// told that it wants a filter, and which SUBSCRIBEs wait until they have applied it.
//
// A set that has applied item n of this set's stream to it has applied the interest that is item n:
// the acknowledgement of the stream is the answer, and a later withdrawal or renewal is a later
// item, so that the order of the stream decides. Apply thread only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <absl/container/btree_map.h>
#include <absl/container/btree_set.h>
#include <absl/container/inlined_vector.h>

#include "core/state/peers.h"

namespace causeway::state {

// Item n of the stream to a set.
struct Asked {
    GroupId set;
    std::uint64_t n = 0;
};
using AskedSets = absl::InlinedVector<Asked, 2>;

struct WaitingFilter {
    std::uint32_t at = 0;  // in the SUBSCRIBE
    std::string filter;
    AskedSets on;
};

// A SUBSCRIBE that was answered kLater.
struct WaitingSubscribe {
    std::uint64_t id = 0;
    std::uint64_t session = 0;
    std::uint64_t nonce = 0;  // of the connection that asked
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    SetMs deadline = 0;
    std::string detail;
    std::vector<WaitingFilter> filters;
};

class Interests {
public:
    Interests(Context& context, Peers& peers) : context_(context), peers_(peers) {}
    // After peers.
    bool load();

    // Whether the streams take what fit() and a question for retained messages may append.
    [[nodiscard]] bool has_room(std::string_view filter) const;
    // Effect: tells every set the filter reaches that was not told yet, and those it does not reach
    // any more (another layout) that it is over.
    void fit(std::string_view filter);
    // Effect: tells every set that was told that it is over.
    void drop(std::string_view filter);
    // Those that have not applied it yet.
    [[nodiscard]] AskedSets outstanding(std::string_view filter) const;

    [[nodiscard]] bool may_wait() const {
        return waiting_.size() < context_.meta.limits.waiting_subscribes_max;
    }
    // Effect: keeps it, sets its timer. `waiting.id` must come from next_id().
    void wait(WaitingSubscribe waiting);
    [[nodiscard]] std::uint64_t next_id() { return context_.meta.next_id++; }
    // Effect: takes out those that waited for items up to `upto` of this set and wait for nothing
    // else.
    std::vector<WaitingSubscribe> acknowledged(GroupId set, std::uint64_t upto);
    // Effect: takes one out whose time is over.
    std::optional<WaitingSubscribe> expired(std::uint64_t id);
    [[nodiscard]] bool applied(const WaitingFilter& filter) const;
    [[nodiscard]] std::size_t asked() const { return asked_.size(); }
    [[nodiscard]] std::size_t waiting() const { return waiting_.size(); }

private:
    void tell(GroupId set, std::string_view filter, PeerItemKind kind, AskedSets& told);
    void keep(std::string_view filter, AskedSets told);
    // Into memory: the record is written or was read.
    void remember(WaitingSubscribe waiting);

    struct Waiting {
        WaitingSubscribe subscribe;
        std::uint32_t left = 0;  // entries of waiting_on_
    };
    Context& context_;
    Peers& peers_;
    absl::btree_map<std::string, AskedSets, std::less<>> asked_;
    absl::btree_map<std::uint64_t, Waiting> waiting_;
    absl::btree_set<std::tuple<GroupId, std::uint64_t, std::uint64_t>> waiting_on_;  // set, n, id
};

}  // namespace causeway::state
