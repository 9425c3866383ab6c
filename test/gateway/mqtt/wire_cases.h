// Well-formed packets as bytes and as values, one table per packet family; the tests of decoding,
// encoding, truncation and corruption all go through them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "gateway/mqtt/decode.h"
#include "gateway/mqtt/packet.h"
#include "test/gateway/mqtt/notation.h"

namespace causeway::mqtt {

struct WireCase {
    std::string_view name;
    Version version;
    Sender sender;
    std::string_view notation;
    Packet packet;
    bool canonical =
        true;  // encode gives the same bytes; otherwise it gives a shorter or reordered form
};

std::vector<WireCase> connect_cases();
std::vector<WireCase> connack_cases();
std::vector<WireCase> session_end_cases();
std::vector<WireCase> publish_cases();
std::vector<WireCase> ack_cases();
std::vector<WireCase> subscribe_cases();
std::vector<WireCase> all_cases();

}  // namespace causeway::mqtt
