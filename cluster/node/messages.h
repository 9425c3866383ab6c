// What crosses between a gateway loop and the core loop. Values; moved through mailboxes.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "core/message/output.h"

namespace causeway::node {

using LinkId = std::uint32_t;

// One loop turn of one gateway loop.
struct FromGateway {
    LinkId link = 0;
    StreamId stream = 0;
    std::string frames;    // framed, numbered commands
    std::string unlogged;  // framed QoS 0 publishes
};

struct StreamOpened {
    StreamId stream = 0;
};
struct Availability {
    bool available = false;
};
// QoS 0 publishes of the link were dropped: there was no leader.
struct UnloggedDropped {
    std::uint64_t bytes = 0;
    std::uint64_t messages = 0;
};
using ToGateway = std::variant<StreamOpened, Availability, UnloggedDropped, StreamOutputs>;

}  // namespace causeway::node
