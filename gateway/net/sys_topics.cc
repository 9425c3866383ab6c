#include "gateway/net/sys_topics.h"

#include <utility>

#include "core/message/topic.h"

namespace causeway::net {

std::vector<SysMessage> sys_messages(std::string_view node, const ShardStatus& status,
                                     std::uint64_t uptime_s) {
    const std::string prefix = "$SYS/nodes/" + std::string(node) + "/";
    if (!valid_topic_name(prefix)) {
        return {};
    }
    const session::Counters& s = status.sessions;
    const std::pair<std::string_view, std::uint64_t> values[] = {
        {"uptime_s", uptime_s},
        {"connections", status.connections},
        {"connections/online", status.online},
        {"connections/accepted", status.accepted},
        {"connects/ok", s.connects_ok},
        {"connects/refused", s.connects_refused},
        {"bytes/received", status.bytes_in},
        {"publishes/received/qos0", s.publishes_received[0]},
        {"publishes/received/qos1", s.publishes_received[1]},
        {"publishes/received/qos2", s.publishes_received[2]},
        {"publishes/refused", s.publishes_refused},
        {"deliveries/sent/qos0", s.deliveries_sent[0]},
        {"deliveries/sent/qos1", s.deliveries_sent[1]},
        {"deliveries/sent/qos2", s.deliveries_sent[2]},
        {"deliveries/dropped/slow_client", s.deliveries_dropped_full},
        {"deliveries/dropped/too_large", s.deliveries_dropped_too_large},
        {"closed/protocol_error", s.protocol_errors + s.malformed},
        {"closed/keep_alive", s.keep_alive_timeouts},
        {"closed/taken_over", s.takeovers},
    };
    std::vector<SysMessage> messages;
    for (const auto& [name, value] : values) {
        messages.push_back(SysMessage{prefix + std::string(name), std::to_string(value)});
    }
    return messages;
}

}  // namespace causeway::net
