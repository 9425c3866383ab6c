// A publish inside apply: the fence, the quotas, then everything it does or none of it (rules 8,
// 10, 12 and 18 of the session protocol). Apply thread only.
#pragma once

#include <string_view>

#include "core/state/queues.h"
#include "core/state/retained.h"
#include "core/state/sessions.h"

namespace causeway::state {

class Publisher {
public:
    Publisher(Context& context, Queues& queues, Sessions& sessions, Retained& retained)
        : context_(context), queues_(queues), sessions_(sessions), retained_(retained) {}

    ResultCode publish(const Publish& command, StreamId stream);
    // An item of the set's stream to itself. Never refused: what does not fit is evicted and
    // counted.
    ResultCode self_publish(const SelfPublish& command);

private:
    struct Origin {
        std::string_view topic;
        std::string_view client_id;
        SetMs expires_at = 0;
    };
    static Item item_of(const RouteOutput& output, const Origin& origin);
    // kOk, kQuotaExceeded or kInvalid (bytes that are no outputs). All of them must fit together
    // with `retained`, before anything is done.
    [[nodiscard]] ResultCode check_outputs(std::string_view outputs, const Origin& origin,
                                           RetainedNeed retained) const;
    // Keeps a retained message, or counts that it did not fit.
    void keep(const Outgoing& message);
    void perform_outputs(std::string_view outputs, const Origin& origin);

    Context& context_;
    Queues& queues_;
    Sessions& sessions_;
    Retained& retained_;
};

}  // namespace causeway::state
