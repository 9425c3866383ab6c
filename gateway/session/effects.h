// How the files of the session machine write packets and commands into Effects. Inside this module
// only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <type_traits>

#include "core/base/check.h"
#include "gateway/mqtt/encode.h"
#include "gateway/session/session.h"

namespace causeway::session {

// The core's message expiry interval, where 0 means none. 0 on the wire is the least there is: for
// whoever is there now.
inline std::uint32_t expiry_of(std::optional<std::uint32_t> wire_s) {
    return wire_s ? std::max<std::uint32_t>(*wire_s, 1) : 0;
}

template <typename Packet>
bool Session::send(const Packet& packet, Effects& out) {
    const std::size_t before = out.bytes.size();
    // Our own packets are within every limit of the encoding.
    CW_CHECK(mqtt::encode(mqtt::Packet(packet), version_, out.bytes));
    if (client_packet_bytes_max_ == 0 || out.bytes.size() - before <= client_packet_bytes_max_) {
        return true;
    }
    out.bytes.resize(before);
    constexpr bool kFirstOrLast =
        std::is_same_v<Packet, mqtt::Connack> || std::is_same_v<Packet, mqtt::Disconnect>;
    if constexpr (!kFirstOrLast) {
        fail(mqtt::ReasonCode::kPacketTooLarge, "MQTT-3.1.2-24", out);
    }
    return false;
}

template <typename Command>
void Session::submit(std::uint64_t token, const Command& command, std::string_view topic,
                     Effects& out) {
    Effects::Submission submission;
    submission.token = token;
    submission.begin = out.commands.size();
    submission.topic = topic;
    encode(CommandHeader{}, command, out.commands);
    submission.size = out.commands.size() - submission.begin;
    out.submissions.push_back(submission);
    ++results_due_;
}

}  // namespace causeway::session
