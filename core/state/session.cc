#include "core/state/session.h"

#include "core/base/encoding.h"

namespace causeway::state {
namespace {

constexpr std::uint8_t kAttached = 0x01;
constexpr std::uint8_t kPresent = 0x02;
constexpr std::uint8_t kHasWill = 0x04;
constexpr std::uint8_t kHasInbox = 0x08;
constexpr std::uint8_t kDirect = 0x10;
constexpr std::uint8_t kQosMask = 0x03;
constexpr std::uint8_t kFlag4 = 0x04;
constexpr std::uint8_t kFlag8 = 0x08;

}  // namespace

void encode(const Session& session, std::string& out) {
    ByteWriter writer(out);
    writer.u8(static_cast<std::uint8_t>(
        (session.attached ? kAttached : 0) | (session.present ? kPresent : 0) |
        (session.will ? kHasWill : 0) | (session.inbox ? kHasInbox : 0) |
        (session.direct ? kDirect : 0)));
    writer.string(session.client_id);
    writer.varint(session.epoch);
    writer.varint(session.stream);
    writer.u64(session.nonce);
    writer.varint(session.expiry_s);
    writer.u16(session.receive_maximum);
    writer.varint(session.expires_at);
    writer.varint(session.will_at);
    if (session.will) {
        const Will& will = *session.will;
        writer.string(will.topic);
        writer.string(will.body);
        writer.varint(will.delay_s);
        writer.varint(will.expiry_s);
        writer.u8(static_cast<std::uint8_t>(will.qos | (will.retain ? kFlag4 : 0)));
    }
    if (session.inbox) {
        writer.varint(session.inbox->tail);
        writer.varint(session.inbox->cursor);
        writer.varint(session.inbox->pushed);
        writer.u8(session.inbox->pumping ? 1 : 0);
    }
    writer.varint(session.incoming.size());
    for (const std::uint16_t packet_id : session.incoming) {
        writer.u16(packet_id);
    }
}

bool decode(std::string_view in, Session& out) {
    ByteReader reader(in);
    const std::uint8_t flags = reader.u8();
    out.attached = (flags & kAttached) != 0;
    out.present = (flags & kPresent) != 0;
    out.direct = (flags & kDirect) != 0;
    out.client_id = std::string(reader.string());
    out.epoch = reader.varint();
    out.stream = static_cast<StreamId>(reader.varint());
    out.nonce = reader.u64();
    out.expiry_s = static_cast<std::uint32_t>(reader.varint());
    out.receive_maximum = reader.u16();
    out.expires_at = reader.varint();
    out.will_at = reader.varint();
    if ((flags & kHasWill) != 0) {
        out.will = std::make_unique<Will>();
        out.will->topic = std::string(reader.string());
        out.will->body = std::string(reader.string());
        out.will->delay_s = static_cast<std::uint32_t>(reader.varint());
        out.will->expiry_s = static_cast<std::uint32_t>(reader.varint());
        const std::uint8_t will_flags = reader.u8();
        out.will->qos = will_flags & kQosMask;
        out.will->retain = (will_flags & kFlag4) != 0;
    }
    if ((flags & kHasInbox) != 0) {
        out.inbox = std::make_unique<Inbox>();
        out.inbox->tail = reader.varint();
        out.inbox->cursor = reader.varint();
        out.inbox->pushed = reader.varint();
        out.inbox->pumping = reader.u8() != 0;
    }
    const std::uint64_t count = reader.varint();
    for (std::uint64_t i = 0; i < count && !reader.failed(); ++i) {
        out.incoming.push_back(reader.u16());
    }
    return !reader.failed();
}

void encode(const Subscription& subscription, std::string& out) {
    ByteWriter writer(out);
    writer.u8(static_cast<std::uint8_t>(subscription.qos | (subscription.no_local ? kFlag4 : 0) |
                                        (subscription.retain_as_published ? kFlag8 : 0)));
    writer.varint(subscription.identifier);
    if (subscription.waiting != 0) {
        writer.varint(subscription.waiting);
    }
}

bool decode(std::string_view in, Subscription& out) {
    ByteReader reader(in);
    const std::uint8_t flags = reader.u8();
    out.qos = flags & kQosMask;
    out.no_local = (flags & kFlag4) != 0;
    out.retain_as_published = (flags & kFlag8) != 0;
    out.identifier = static_cast<std::uint32_t>(reader.varint());
    out.waiting = reader.at_end() ? 0 : reader.varint();
    return !reader.failed();
}

}  // namespace causeway::state
