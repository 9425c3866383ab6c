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
#include "core/state/context.h"
#include "core/state/queues.h"

namespace causeway::state {

struct Statistics {
    std::uint64_t sessions = 0;
    std::uint64_t attached = 0;
    std::uint64_t subscriptions = 0;
    std::uint64_t inbox_messages = 0;
    std::uint64_t retained_messages = 0;
    std::uint64_t retained_bytes = 0;
    std::uint64_t bodies = 0;
    Counters counters;
    std::vector<QueueStatus> queues;
    std::vector<QueueStatus> outboxes;
};

// The stream of a gateway loop.
struct LiveStream {
    StreamId stream = 0;
    std::uint64_t node = 0;
    std::uint64_t boot = 0;
    std::uint32_t loop = 0;
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

    // Effect: delivers a QoS 0 publish to the connections that want it; changes no state.
    void publish_unlogged(const Publish& publish, const SharedBytes& owner, Outputs& out);

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
    [[nodiscard]] Statistics statistics() const;

private:
    struct Parts;
    std::unique_ptr<Parts> parts_;
};

}  // namespace causeway::state
