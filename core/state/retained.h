// Retained messages of a set (MQTT 5.0 §3.3.1.3), one record a topic in the table; memory holds
// only their count. A subscription with wildcards reads the topics under its literal prefix in
// slices. Apply thread only.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <absl/functional/function_ref.h>

#include "core/state/sessions.h"

namespace causeway::state {

// What keeping some messages takes beyond what their topics hold now.
struct RetainedNeed {
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
};

class Retained {
public:
    Retained(Context& context, Sessions& sessions, Peers& peers)
        : context_(context), sessions_(sessions), peers_(peers) {}

    // Adds what keeping this body under the topic takes; forgetting (an empty payload) is free.
    void add_need(std::string_view topic, std::string_view body, RetainedNeed& need) const;
    [[nodiscard]] bool has_room(const RetainedNeed& need) const;
    // Effect: keeps the message, or forgets the topic when the payload is empty [MQTT-3.3.1-6].
    void put(const Outgoing& message);
    // Effect: delivers up to `budget` looked-at topics behind item.after_text to the session, as
    // long as it is subscribed [MQTT-3.10.4-2]; into its inbox also while it is away.
    std::uint32_t replay_slice(WorkItem& item, std::uint32_t budget, bool& more);
    // Effect: the same for a session of another set, as items of the stream to it. Precondition:
    // the stream is not crowded.
    std::uint32_t peer_replay_slice(WorkItem& item, std::uint32_t budget, bool& more);

private:
    // Calls `visit` for up to `budget` looked-at topics behind item.after_text that match; forgets
    // those that are over. Returns how many were looked at.
    std::uint32_t visit_slice(WorkItem& item, std::uint32_t budget, bool& more,
                              absl::FunctionRef<void(const Outgoing& message)> visit);
    bool erase(std::string_view topic);
    Context& context_;
    Sessions& sessions_;
    Peers& peers_;
    std::string scratch_;
};

}  // namespace causeway::state
