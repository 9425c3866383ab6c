// What comes from other sets and what they have taken: the commands kSetLayout, kPeerItems and
// kPeerAcked (session protocol, rules 12, 16 and 17). An item is applied exactly once, in the order
// of its stream; what arrives is never refused, it is applied or counted under a reason. Apply
// thread only.
#pragma once

#include <cstdint>
#include <string>

#include "core/state/peers.h"
#include "core/state/publish.h"
#include "core/state/retained.h"
#include "core/state/sessions.h"
#include "core/state/work.h"

namespace causeway::state {

class Exchange {
public:
    Exchange(Context& context, Peers& peers, Sessions& sessions, Publisher& publisher,
             WorkList& work)
        : context_(context),
          peers_(peers),
          sessions_(sessions),
          publisher_(publisher),
          work_(work) {}

    ResultCode set_layout(const SetLayout& command);
    // `answer`: varint, the last item of that set that was applied.
    ResultCode accept(const PeerItems& command, std::string& answer);
    // `answer`: varint, the last item that set is known to have applied.
    ResultCode acknowledged(const PeerAcked& command, std::string& answer);
    // A slice of removing what was acknowledged.
    std::uint32_t trim_slice(const WorkItem& item, std::uint32_t budget, bool& more);

private:
    void apply(GroupId from, std::string_view bytes);
    void wake(GroupId set);

    Context& context_;
    Peers& peers_;
    Sessions& sessions_;
    Publisher& publisher_;
    WorkList& work_;
};

}  // namespace causeway::state
