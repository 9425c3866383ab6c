// What the parts of a set's state machine share while one entry is applied: the table, the set's
// time and counters, and where outputs go. Owned by Machine; apply thread only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/btree_set.h>

#include "core/base/bytes.h"
#include "core/message/command.h"
#include "core/message/output.h"
#include "core/state/kv.h"
#include "core/state/layout.h"

namespace causeway::state {

// Counters of the replicated state (promise 6: what was made = what became of it + what is
// pending).
struct Counters {
    std::uint64_t inbox_made = 0;
    std::uint64_t inbox_acknowledged = 0;
    std::uint64_t inbox_expired = 0;
    std::uint64_t inbox_evicted = 0;        // the inbox was full
    std::uint64_t inbox_session_ended = 0;  // the session ended with messages pending
    std::uint64_t queue_made = 0;
    std::uint64_t queue_acknowledged = 0;
    std::uint64_t queue_expired = 0;
    std::uint64_t queue_dead_lettered =
        0;                            // left this queue for a dead-letter queue (or none: dropped)
    std::uint64_t queue_evicted = 0;  // a forced output met a full queue
    std::uint64_t sink_made = 0;
    std::uint64_t sink_delivered = 0;
    std::uint64_t sink_dead_lettered = 0;
    std::uint64_t sink_evicted = 0;
    std::uint64_t self_made = 0;
    std::uint64_t self_done = 0;
    std::uint64_t publishes = 0;
    std::uint64_t publishes_refused = 0;
    std::uint64_t retained_evicted = 0;  // a forced output met a full table of retained messages
    std::uint64_t peer_made = 0;         // items for other sets
    std::uint64_t peer_acknowledged = 0;
    std::uint64_t peer_evicted = 0;
    std::uint64_t peer_accepted = 0;         // items from other sets; each is exactly one of:
    std::uint64_t peer_done = 0;             // applied
    std::uint64_t peer_expired = 0;          // its message was too old
    std::uint64_t peer_invalid = 0;          // no item: bytes of a newer version, or damaged
    std::uint64_t subscribes_timed_out = 0;  // filters refused because another set did not answer
    std::uint64_t fences_evicted = 0;
    std::uint64_t inbox_handed_over = 0;  // to another member of a shared subscription
    std::uint64_t events_dropped = 0;     // too many waited for the rules

    // Sums up what several sets counted.
    Counters& operator+=(const Counters& other);
    friend bool operator==(const Counters&, const Counters&) = default;
};

// One record, written with each commit.
struct Meta {
    SetMs time = 0;
    std::uint64_t next_epoch = 1;
    std::uint64_t next_id = 1;  // of sessions and queues; never used again
    std::uint64_t next_body = 1;
    std::uint64_t next_work = 1;
    StreamId next_stream = 1;
    std::uint64_t retained_messages = 0;
    std::uint64_t retained_bytes = 0;
    StateLimits limits;
    Counters counters;
};

void encode(const Meta& meta, std::string& out);
bool decode(std::string_view in, Meta& out);

// A will, a delayed message or an event that waits for the leader to evaluate rules and propose
// kSelfPublish.
struct SelfItem {
    std::uint64_t n = 0;
    std::string topic;
    std::string body;
    std::string client_id;
    std::uint8_t qos = 0;
    bool retain = false;
    std::string event;  // of an event: event.h; `topic` and `body` are of its message
    SetMs at = 0;       // when it was made
};

// A gateway loop's stream that lives. The leader watches its gateway (rule 9).
struct LiveStream {
    StreamId stream = 0;
    std::uint64_t node = 0;
    std::uint64_t boot = 0;
    std::uint32_t loop = 0;
    friend bool operator==(const LiveStream&, const LiveStream&) = default;
};

// A QoS 0 publish that other sets have subscribers of: a kPublish command, not in any log. Their
// leaders give it to Machine::publish_unlogged_from_peer.
struct UnloggedPeers {
    std::vector<GroupId> sets;  // ascending
    std::string frame;
    Term term;  // in which the leader took it
};

// What applying a batch of entries gave.
struct Outputs {
    std::vector<StreamOutputs> streams;  // few: one per gateway loop; in order of first use
    std::vector<CommandResult> leader;   // results of commands of stream 0, by their seq
    std::vector<SelfItem> self_items;
    std::vector<std::string> ready_queues;  // something became receivable
    std::vector<std::string> ready_sinks;   // something was put into the outbox
    std::vector<GroupId> ready_peers;       // sets that have new items; each once
    std::vector<UnloggedPeers> unlogged_peers;
    std::vector<std::string> changed_records;  // keys
    std::vector<LiveStream> opened;
    std::vector<StreamId> closed;  // declared dead

    StreamOutputs& stream(StreamId id) {
        for (StreamOutputs& stream : streams) {
            if (stream.stream == id) {
                return stream;
            }
        }
        streams.emplace_back().stream = id;
        return streams.back();
    }
    void clear() { *this = Outputs{}; }
};

struct Timer {
    enum class Kind : std::uint8_t { kSession, kQueue, kSubscribe };
    SetMs at = 0;
    Kind kind{};
    std::uint64_t id = 0;
    auto operator<=>(const Timer&) const = default;  // NOLINT(modernize-use-nullptr): no pointer
};

struct Context {
    Kv& kv;
    Meta meta;
    Outputs* out = nullptr;              // set during apply
    const SharedBytes* entry = nullptr;  // the bytes views of the current command point into
    bool logged = false;                 // an entry is applied: only then may the state change
    bool from_event = false;             // what rules made of an event is performed
    absl::btree_set<Timer> timers;
    Layout layout;

    [[nodiscard]] SetMs now() const { return meta.time; }
    [[nodiscard]] Counters& counters() { return meta.counters; }
    // Whether the rules ask for this event, and it can be made now.
    [[nodiscard]] bool wants(EventKind kind) const {
        return (meta.limits.events & mask_of(kind)) != 0 && logged && !from_event;
    }

    // Shared bytes of a view into the current entry, without a copy; of any other view, a copy.
    [[nodiscard]] SharedBytes share(std::string_view view) const {
        const std::string_view all = entry == nullptr ? std::string_view{} : entry->view();
        const bool inside = !all.empty() && view.data() >= all.data() &&
                            view.data() + view.size() <= all.data() + all.size();
        return inside ? entry->slice_of(view) : SharedBytes::copy(view);
    }
};

}  // namespace causeway::state
