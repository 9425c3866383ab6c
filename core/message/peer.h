// What sets say to each other. A set has one numbered stream of items to each other set (session
// protocol, rules 12, 16 and 17); the leader of the one reads items, the leader of the other
// proposes them as kPeerItems, and what that applied comes back as kPeerAcked:
//
//   items := { varint n, string item }      n ascending; numbers left out were evicted
//   item  := u8 kind, fields
//
// Also here: kSetLayout, by which a set knows itself and which topics are its own. Structs hold
// views; they live as long as the bytes they were decoded from. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/encoding.h"
#include "core/base/tagged.h"
#include "core/base/time.h"
#include "core/message/command.h"
#include "core/message/slots.h"

namespace causeway {

// Encoded as varint self, varint count, { varint set, varint slots }: runs of slots of one owner,
// 1,024 slots together, no set 0 (the control group).
struct SetLayout {
    GroupId self;
    SlotMap slots;

    friend bool operator==(const SetLayout&, const SetLayout&) = default;
};

struct PeerItems {
    GroupId from;
    std::uint64_t first = 0;  // items from here to the last one in `items` are in it or evicted
    std::string_view items;
};
// Answer in detail: varint, the last item of `from` that was applied, now or before. Result
// kResync: `first` lies beyond the next one.

struct PeerAcked {
    GroupId set;
    std::uint64_t upto = 0;
};

enum class PeerItemKind : std::uint8_t {
    kMessage = 1,   // for sessions of the receiving set
    kPublish,       // its topic is the receiving set's: retained there, to subscribers anywhere
    kInterestAdd,   // the sending set has subscriptions to `filter`
    kInterestDrop,  // it has none any more
    kRetainedAsk,   // send what is retained under `filter` for `session` of the sending set
    kRetained,      // the answer, one topic each
    kGroup,         // a message for one member of the shared subscription `filter`
};

struct PeerItem {
    PeerItemKind kind{};
    // Messages, publishes, retained.
    std::string_view topic;
    std::string_view body;
    std::string_view client_id;
    SetMs expires_at = 0;               // 0: never
    std::uint64_t publisher_epoch = 0;  // in the set of `client_id`; 0: nobody's
    std::uint8_t qos = 0;
    bool retain = false;
    bool retain_only = false;  // a publish: subscribers have it already (QoS 0)
    bool from_event = false;   // made by a rule of an event: makes no event itself
    // Interests, asks, retained, groups.
    std::string_view filter;
    std::uint64_t session = 0;  // asks, retained: of the set that asked
};

void encode(const CommandHeader& header, const SetLayout& command, std::string& out);
void encode(const CommandHeader& header, const PeerItems& command, std::string& out);
void encode(const CommandHeader& header, const PeerAcked& command, std::string& out);
bool decode(ByteReader& in, SetLayout& out);
bool decode(ByteReader& in, PeerItems& out);
bool decode(ByteReader& in, PeerAcked& out);

void encode(const PeerItem& item, std::string& out);
// False: no such item. Bytes behind its fields are skipped.
bool decode(std::string_view in, PeerItem& out);
// More than encode() gives for a message, a publish or a retained message.
constexpr std::uint64_t peer_item_bytes_max(std::uint64_t topic, std::uint64_t body,
                                            std::uint64_t client_id, std::uint64_t filter = 0) {
    constexpr std::uint64_t kHead = 2 + 5 * 10;  // kind, flags, varints
    return kHead + topic + body + client_id + filter;
}

void append_peer_item(std::uint64_t n, std::string_view item, std::string& out);
// Takes one off the front; false at the end or on bad bytes (then in.failed()).
bool next_peer_item(ByteReader& in, std::uint64_t& n, std::string_view& item);

}  // namespace causeway
