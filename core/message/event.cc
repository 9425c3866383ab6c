#include "core/message/event.h"

#include "core/base/encoding.h"
#include "core/message/topic.h"

namespace causeway {
namespace {

constexpr std::uint8_t kEventQosMask = 0x03;
constexpr std::uint8_t kEventQosMax = 2;
constexpr std::uint8_t kEventRetainFlag = 0x04;
constexpr std::uint8_t kSessionPresentFlag = 0x08;
constexpr std::uint8_t kCleanStartFlag = 0x10;
constexpr std::uint8_t kSinkFlag = 0x20;

}  // namespace

EventMask events_matching(std::string_view filter) {
    EventMask mask = 0;
    for (std::size_t i = 0; i < kEventNames.size(); ++i) {
        mask |= topic_matches(filter, kEventNames[i]) ? mask_of(static_cast<EventKind>(i)) : 0;
    }
    return mask;
}

void encode(const Event& event, std::string& out) {
    ByteWriter writer(out);
    writer.u8(static_cast<std::uint8_t>(event.kind));
    writer.u8(static_cast<std::uint8_t>(event.qos | (event.retain ? kEventRetainFlag : 0) |
                                        (event.session_present ? kSessionPresentFlag : 0) |
                                        (event.clean_start ? kCleanStartFlag : 0) |
                                        (event.is_sink ? kSinkFlag : 0)));
    writer.varint(event.session_epoch);
    writer.varint(event.session_expiry_interval_s);
    for (const std::string_view text : {event.username, event.reason, event.from_client_id,
                                        event.queue, event.dead_letter, event.key}) {
        writer.string(text);
    }
}

bool decode(std::string_view in, Event& out) {
    out = Event{};
    ByteReader reader(in);
    const std::uint8_t kind = reader.u8();
    const std::uint8_t flags = reader.u8();
    out.kind = static_cast<EventKind>(kind);
    out.qos = flags & kEventQosMask;
    out.retain = (flags & kEventRetainFlag) != 0;
    out.session_present = (flags & kSessionPresentFlag) != 0;
    out.clean_start = (flags & kCleanStartFlag) != 0;
    out.is_sink = (flags & kSinkFlag) != 0;
    out.session_epoch = reader.varint();
    out.session_expiry_interval_s = static_cast<std::uint32_t>(reader.varint());
    for (std::string_view* text : {&out.username, &out.reason, &out.from_client_id, &out.queue,
                                   &out.dead_letter, &out.key}) {
        *text = reader.string();
    }
    return !reader.failed() && kind < kEventNames.size() && out.qos <= kEventQosMax;
}

}  // namespace causeway
