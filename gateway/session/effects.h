// How the files of the session machine write packets and commands into Effects. Inside this module
// only.
#pragma once

#include "core/base/check.h"
#include "gateway/mqtt/encode.h"
#include "gateway/session/session.h"

namespace causeway::session {

template <typename Packet>
void Session::send(const Packet& packet, Effects& out) {
    // Our own packets are within every limit of the encoding.
    CW_CHECK(mqtt::encode(mqtt::Packet(packet), version_, out.bytes));
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
