// A publish inside apply: the fence, the quotas, then everything it does or none of it (rules 8,
// 10, 12, 16 and 18 of the session protocol). Apply thread only.
#pragma once

#include <string_view>

#include "core/state/fences.h"
#include "core/state/peers.h"
#include "core/state/queues.h"
#include "core/state/retained.h"
#include "core/state/sessions.h"

namespace causeway::state {

class Publisher {
public:
    // The tables it works with.
    struct Tables {
        Queues& queues;
        Sessions& sessions;
        Retained& retained;
        Peers& peers;
        Fences& fences;
    };
    Publisher(Context& context, const Tables& tables)
        : context_(context),
          queues_(tables.queues),
          sessions_(tables.sessions),
          retained_(tables.retained),
          peers_(tables.peers),
          fences_(tables.fences) {}

    ResultCode publish(const Publish& command, StreamId stream);
    // A publish the leader could not take. kOk for one of QoS 2 whose packet id is known: it was
    // accepted when it was sent first, and a refusal would give the id to another message.
    ResultCode refuse(const Refused& command, StreamId stream);
    // An item of the set's stream to itself. Never refused: what does not fit is evicted and
    // counted.
    ResultCode self_publish(const SelfPublish& command);
    // A publish that another set took for a topic of this one. Never refused.
    void peer_publish(const Outgoing& message, bool retain_only);

private:
    struct Origin {
        std::string_view topic;
        std::string_view client_id;
        SetMs expires_at = 0;
    };
    static Item item_of(const RouteOutput& output, const Origin& origin);
    // kOk, kQuotaExceeded or kInvalid (bytes that are no outputs). The message, unless it goes to
    // subscribers only, and all outputs must fit together, before anything is done.
    [[nodiscard]] ResultCode check(const Publish& command, const Origin& origin) const;
    // To the set that owns its topic.
    void forward(const Outgoing& message, bool retain_only);
    // Keeps a retained message, or counts that it did not fit.
    void keep(const Outgoing& message);
    void perform_outputs(std::string_view outputs, const Origin& origin);
    void perform_event_outputs(std::string_view outputs, const Item& item);

    Context& context_;
    Queues& queues_;
    Sessions& sessions_;
    Retained& retained_;
    Peers& peers_;
    Fences& fences_;
};

}  // namespace causeway::state
