// The state machine of a set: apply(entry) -> results and outputs. Deterministic: the same entries
// give the same tables and the same outputs on every replica. Its time is the set time stamped into
// each entry.
//
// Life: constructed over a Kv whose content is some earlier commit; load() rebuilds what lives in
// memory; then apply() for each committed entry after kv.applied(), commit() after each batch of
// them. Called by core/replica on the set's apply thread only; the Kv may block there.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "core/base/bytes.h"
#include "core/base/result.h"
#include "core/message/command.h"
#include "core/message/output.h"
#include "core/message/records.h"
#include "core/state/context.h"
#include "core/state/peers.h"
#include "core/state/queues.h"

namespace causeway::state {

// The streams between this set and another one. made = acknowledged + pending + evicted.
struct PeerStatus {
    GroupId set;
    std::uint64_t made = 0;      // the number of the newest item for it
    std::uint64_t acked = 0;     // it has applied them up to here: read on behind this
    std::uint64_t accepted = 0;  // the last item from it that was applied here
    std::uint64_t messages = 0;  // pending
    std::uint64_t bytes = 0;
};

// Heap bytes of what the state keeps in memory, about: sizes of objects and tables, not malloc's
// own.
struct Memory {
    std::uint64_t sessions = 0;       // with their client ids
    std::uint64_t indexes = 0;        // of sessions, by id, client and epoch
    std::uint64_t subscriptions = 0;  // in their sessions
    std::uint64_t trie = 0;           // their filters

    Memory& operator+=(const Memory& other);
};

struct Statistics {
    std::uint64_t sessions = 0;
    std::uint64_t attached = 0;
    std::uint64_t subscriptions = 0;
    std::uint64_t inbox_messages = 0;
    std::uint64_t retained_messages = 0;
    std::uint64_t retained_bytes = 0;
    std::uint64_t bodies = 0;
    std::uint64_t records = 0;
    std::uint64_t records_bytes = 0;
    Counters counters;
    std::vector<QueueStatus> queues;
    std::vector<QueueStatus> outboxes;
    std::uint64_t held_interests = 0;      // filters other sets want
    std::uint64_t asked_interests = 0;     // filters this set told others it wants
    std::uint64_t waiting_subscribes = 0;  // answered kLater and not settled
    std::uint64_t fences = 0;
    std::uint64_t parked_work = 0;
    std::vector<PeerStatus> peers;  // by set
    Memory memory;
};

class Machine {
public:
    explicit Machine(Kv& kv);
    ~Machine();
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    // Effect: reads the tables. The error names the table that is damaged.
    Result<> load();

    // Effect: performs every command of the entry, in order; appends to `out` one result per
    // numbered command and what follows from them. An empty entry (a new leader's first) changes
    // nothing. Bytes that are no entry give kInvalid results; they never stop the machine.
    void apply(Index index, const SharedBytes& entry, Outputs& out);

    // Effect: delivers a QoS 0 publish to the connections that want it, and names the other sets
    // that have such; changes no state. `owner` holds what the views of `publish` point to.
    void publish_unlogged(const Publish& publish, const SharedBytes& owner, Outputs& out);
    // The same with what another set named this one for: to the connections of this set only.
    void publish_unlogged_from_peer(const Publish& publish, const SharedBytes& owner, Outputs& out);

    // Effect: writes what changed since the last commit, as one step with the last applied index.
    void commit();

    [[nodiscard]] Index applied() const;
    [[nodiscard]] SetMs time() const;
    [[nodiscard]] const StateLimits& limits() const;
    // When the next timer is due (0: none): propose kStep then.
    [[nodiscard]] SetMs next_timer() const;
    // Long work is waiting: propose kStep now.
    [[nodiscard]] bool has_work() const;

    // The last command applied of a gateway's stream; nothing: the stream is dead or unknown.
    [[nodiscard]] std::optional<std::uint64_t> stream_position(StreamId id) const;

    // The gateway loops' streams that are not dead, for the leader to watch.
    [[nodiscard]] std::vector<LiveStream> live_streams() const;

    // For the leader's dispatchers. `after` is the last number already taken; at most `bytes_max`
    // bytes, one item at least when there is one.
    [[nodiscard]] std::vector<OutboxItem> read_outbox(std::string_view sink, std::uint64_t after,
                                                      std::uint64_t bytes_max);
    [[nodiscard]] std::vector<SelfItem> read_self(std::uint64_t after, std::uint64_t bytes_max);
    // Items of the stream to another set behind `after`; at most 1,024.
    [[nodiscard]] PeerBatch read_peer(GroupId set, std::uint64_t after,
                                      std::uint64_t bytes_max) const;
    // Every other set there was ever something for, or from; ascending.
    [[nodiscard]] std::vector<PeerStatus> peers() const;
    // At most kRecordScanMax records and about kRecordScanBytes.
    [[nodiscard]] RecordsFound read_records(const RecordQuery& query) const;
    [[nodiscard]] Statistics statistics() const;

private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

}  // namespace causeway::state
