#include "core/message/peer.h"

#include "core/message/command_fields.h"
#include "core/message/topic.h"

namespace causeway {
namespace {

using namespace command_fields;

constexpr std::uint8_t kQosMask = 0x03;
constexpr std::uint8_t kQosMax = 2;
constexpr std::uint8_t kRetainFlag = 0x04;
constexpr std::uint8_t kRetainOnlyFlag = 0x08;
constexpr std::uint8_t kFromEventFlag = 0x10;

GroupId get_set(ByteReader& in) {
    const GroupId set(get_u32(in));
    if (!set) {
        in.fail();
    }
    return set;
}

void put_message(const PeerItem& item, ByteWriter& writer) {
    writer.u8(static_cast<std::uint8_t>(item.qos | (item.retain ? kRetainFlag : 0) |
                                        (item.retain_only ? kRetainOnlyFlag : 0) |
                                        (item.from_event ? kFromEventFlag : 0)));
    writer.varint(item.expires_at);
    writer.varint(item.publisher_epoch);
    writer.string(item.client_id);
    writer.string(item.topic);
    writer.string(item.body);
}

void get_message(ByteReader& in, PeerItem& out) {
    const std::uint8_t flags = in.u8();
    out.qos = flags & kQosMask;
    out.retain = (flags & kRetainFlag) != 0;
    out.retain_only = (flags & kRetainOnlyFlag) != 0;
    out.from_event = (flags & kFromEventFlag) != 0;
    out.expires_at = in.varint();
    out.publisher_epoch = in.varint();
    out.client_id = in.string();
    out.topic = in.string();
    out.body = in.string();
    if (out.qos > kQosMax || !valid_topic_name(out.topic)) {
        in.fail();
    }
}

void get_filter(ByteReader& in, PeerItem& out) {
    out.filter = in.string();
    if (!valid_topic_filter(out.filter)) {
        in.fail();
    }
}

}  // namespace

void encode(const CommandHeader& header, const SetLayout& command, std::string& out) {
    put_header(CommandKind::kSetLayout, header, out);
    std::string runs;
    ByteWriter run_writer(runs);
    std::uint64_t count = 0;
    for (std::uint32_t slot = 0; slot < kSlots;) {
        const GroupId owner = command.slots.owner(Slot(static_cast<std::uint16_t>(slot)));
        const std::uint32_t from = slot;
        while (slot < kSlots &&
               command.slots.owner(Slot(static_cast<std::uint16_t>(slot))) == owner) {
            ++slot;
        }
        run_writer.varint(owner.value());
        run_writer.varint(slot - from);
        ++count;
    }
    ByteWriter writer(out);
    writer.varint(command.self.value());
    writer.varint(count);
    writer.raw(runs);
}

bool decode(ByteReader& in, SetLayout& out) {
    out.self = get_set(in);
    const std::uint64_t count = get_count(in);
    std::uint32_t slot = 0;
    for (std::uint64_t i = 0; i < count && !in.failed(); ++i) {
        const GroupId owner = get_set(in);
        const std::uint64_t slots = in.varint();
        if (slots == 0 || slots > kSlots - slot) {
            in.fail();
            return false;
        }
        for (const std::uint32_t end = slot + static_cast<std::uint32_t>(slots); slot < end;
             ++slot) {
            out.slots.assign(Slot(static_cast<std::uint16_t>(slot)), owner);
        }
    }
    return !in.failed() && slot == kSlots;
}

void encode(const CommandHeader& header, const PeerItems& command, std::string& out) {
    put_header(CommandKind::kPeerItems, header, out);
    ByteWriter writer(out);
    writer.varint(command.from.value());
    writer.varint(command.first);
    writer.string(command.items);
}

bool decode(ByteReader& in, PeerItems& out) {
    out.from = get_set(in);
    out.first = in.varint();
    out.items = in.string();
    return !in.failed();
}

void encode(const CommandHeader& header, const PeerAcked& command, std::string& out) {
    put_header(CommandKind::kPeerAcked, header, out);
    ByteWriter writer(out);
    writer.varint(command.set.value());
    writer.varint(command.upto);
}

bool decode(ByteReader& in, PeerAcked& out) {
    out.set = get_set(in);
    out.upto = in.varint();
    return !in.failed();
}

void encode(const PeerItem& item, std::string& out) {
    ByteWriter writer(out);
    writer.u8(static_cast<std::uint8_t>(item.kind));
    switch (item.kind) {
        case PeerItemKind::kMessage:
        case PeerItemKind::kPublish:
            put_message(item, writer);
            break;
        case PeerItemKind::kInterestAdd:
        case PeerItemKind::kInterestDrop:
            writer.string(item.filter);
            break;
        case PeerItemKind::kRetainedAsk:
            writer.varint(item.session);
            writer.string(item.filter);
            break;
        case PeerItemKind::kRetained:
            writer.varint(item.session);
            writer.string(item.filter);
            put_message(item, writer);
            break;
        case PeerItemKind::kGroup:
            writer.string(item.filter);
            put_message(item, writer);
            break;
    }
}

bool decode(std::string_view bytes, PeerItem& out) {
    out = PeerItem{};
    ByteReader in(bytes);
    out.kind = static_cast<PeerItemKind>(in.u8());
    switch (out.kind) {
        case PeerItemKind::kMessage:
        case PeerItemKind::kPublish:
            get_message(in, out);
            break;
        case PeerItemKind::kInterestAdd:
        case PeerItemKind::kInterestDrop:
            get_filter(in, out);
            break;
        case PeerItemKind::kRetainedAsk:
            out.session = in.varint();
            get_filter(in, out);
            break;
        case PeerItemKind::kRetained:
            out.session = in.varint();
            get_filter(in, out);
            get_message(in, out);
            break;
        case PeerItemKind::kGroup:
            get_filter(in, out);
            get_message(in, out);
            break;
        default:
            return false;
    }
    return !in.failed();
}

void append_peer_item(std::uint64_t n, std::string_view item, std::string& out) {
    ByteWriter writer(out);
    writer.varint(n);
    writer.string(item);
}

bool next_peer_item(ByteReader& in, std::uint64_t& n, std::string_view& item) {
    if (in.at_end()) {
        return false;
    }
    n = in.varint();
    item = in.string();
    return !in.failed();
}

}  // namespace causeway
