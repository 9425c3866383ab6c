// Any MQTT control packet. The alternatives stand in the order of their type numbers.
#pragma once

#include <variant>

#include "gateway/mqtt/connect.h"
#include "gateway/mqtt/publish.h"
#include "gateway/mqtt/session_end.h"
#include "gateway/mqtt/subscribe.h"

namespace causeway::mqtt {

using Packet = std::variant<Connect, Connack, Publish, Puback, Pubrec, Pubrel, Pubcomp, Subscribe,
                            Suback, Unsubscribe, Unsuback, Pingreq, Pingresp, Disconnect, Auth>;

[[nodiscard]] inline PacketType type_of(const Packet& packet) {
    return static_cast<PacketType>(packet.index() + 1);
}

}  // namespace causeway::mqtt
