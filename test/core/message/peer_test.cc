// What sets say to each other: every field comes back, and what is no item is refused.
#include "core/message/peer.h"

#include <deque>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "core/base/random.h"

namespace causeway {
namespace {

// Kept: what is decoded are views.
template <typename Command>
const std::string& encoded(const Command& command) {
    static std::deque<std::string> kept;
    encode(CommandHeader{{}, 0, 7}, command, kept.emplace_back());
    return kept.back();
}
template <typename Command>
bool decodes(std::string_view bytes, CommandKind kind, Command& out) {
    ByteReader in(bytes);
    CommandHeader header;
    return decode_header(in, header) && header.kind == kind && header.seq == 7 && decode(in, out) &&
           in.at_end();
}

TEST(SetLayout, ComesBackAsRunsOfSlots) {
    SetLayout layout{GroupId(2), SlotMap::even(GroupId(1), 3)};
    layout.slots.assign(Slot(5), GroupId(3));
    const std::string bytes = encoded(layout);
    EXPECT_LT(bytes.size(), 40U);
    SetLayout out;
    ASSERT_TRUE(decodes(bytes, CommandKind::kSetLayout, out));
    EXPECT_EQ(out, layout);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_FALSE(
            decodes(std::string_view(bytes).substr(0, size), CommandKind::kSetLayout, out));
    }
}

TEST(SetLayout, MustNameASetForEverySlotAndNoMore) {
    const auto decoded = [](std::uint64_t self, std::vector<std::uint64_t> runs) {
        std::string bytes;
        ByteWriter writer(bytes);
        writer.varint(self);
        writer.varint(runs.size() / 2);
        for (const std::uint64_t number : runs) {
            writer.varint(number);
        }
        ByteReader in(bytes);
        SetLayout out;
        return decode(in, out);
    };
    EXPECT_TRUE(decoded(1, {1, 1024}));
    EXPECT_TRUE(decoded(1, {2, 1000, 3, 24}));
    EXPECT_FALSE(decoded(0, {1, 1024})) << "the control group is no set";
    EXPECT_FALSE(decoded(1, {0, 1024}));
    EXPECT_FALSE(decoded(1, {1, 1023}));
    EXPECT_FALSE(decoded(1, {1, 1024, 2, 1}));
    EXPECT_FALSE(decoded(1, {1, 0, 2, 1024}));
    EXPECT_FALSE(decoded(1, {1, ~std::uint64_t{0}}));
}

TEST(PeerCommands, ComeBack) {
    PeerItems items;
    ASSERT_TRUE(
        decodes(encoded(PeerItems{GroupId(3), 17, "items"}), CommandKind::kPeerItems, items));
    EXPECT_EQ(items.from, GroupId(3));
    EXPECT_EQ(items.first, 17U);
    EXPECT_EQ(items.items, "items");
    PeerAcked acked;
    ASSERT_TRUE(decodes(encoded(PeerAcked{GroupId(3), 99}), CommandKind::kPeerAcked, acked));
    EXPECT_EQ(acked.set, GroupId(3));
    EXPECT_EQ(acked.upto, 99U);
    EXPECT_FALSE(decodes(encoded(PeerAcked{GroupId(0), 99}), CommandKind::kPeerAcked, acked));
    EXPECT_FALSE(decodes(encoded(PeerItems{GroupId(0), 1, ""}), CommandKind::kPeerItems, items));
}

PeerItem full(PeerItemKind kind) {
    PeerItem item;
    item.kind = kind;
    item.topic = "plant/dev/up";
    item.body = "body";
    item.client_id = "plant/dev";
    item.expires_at = ~std::uint64_t{0};
    item.publisher_epoch = 1U << 20;
    item.qos = 2;
    item.retain = true;
    item.retain_only = true;
    item.from_event = true;
    item.filter = "plant/+/up";
    item.session = 77;
    return item;
}

TEST(PeerItem, ComesBackAndMayGrow) {
    for (int kind = 1; kind <= 7; ++kind) {
        const PeerItem item = full(static_cast<PeerItemKind>(kind));
        std::string bytes;
        encode(item, bytes);
        PeerItem out;
        for (const std::string& more : {std::string(), std::string("of a later version")}) {
            const std::string whole = bytes + more;
            // The last field of all is a string: what follows it is not part of it.
            ASSERT_TRUE(decode(whole, out)) << kind;
        }
        ASSERT_TRUE(decode(bytes, out));
        EXPECT_EQ(out.kind, item.kind);
        const bool message = kind == 1 || kind == 2 || kind == 6 || kind == 7;
        EXPECT_EQ(out.topic, message ? item.topic : "");
        EXPECT_EQ(out.body, message ? item.body : "");
        EXPECT_EQ(out.client_id, message ? item.client_id : "");
        EXPECT_EQ(out.expires_at, message ? item.expires_at : 0);
        EXPECT_EQ(out.publisher_epoch, message ? item.publisher_epoch : 0);
        EXPECT_EQ(out.qos, message ? 2 : 0);
        EXPECT_EQ(out.retain, message);
        EXPECT_EQ(out.retain_only, message);
        EXPECT_EQ(out.from_event, message);
        EXPECT_EQ(out.filter, kind >= 3 ? item.filter : "");
        EXPECT_EQ(out.session, kind == 5 || kind == 6 ? 77U : 0U);
        EXPECT_LE(bytes.size(), peer_item_bytes_max(item.topic.size(), item.body.size(),
                                                    item.client_id.size(), item.filter.size()));
        for (std::size_t size = 0; size < bytes.size(); ++size) {
            EXPECT_FALSE(decode(std::string_view(bytes).substr(0, size), out)) << size;
        }
    }
}

TEST(PeerItem, IsRefusedWhenItIsNone) {
    const auto decodes_as = [](const PeerItem& item) {
        std::string bytes;
        encode(item, bytes);
        PeerItem out;
        return decode(bytes, out);
    };
    PeerItem item = full(PeerItemKind::kMessage);
    item.qos = 3;
    EXPECT_FALSE(decodes_as(item));
    item = full(PeerItemKind::kPublish);
    item.topic = "a/#";
    EXPECT_FALSE(decodes_as(item));
    item.topic = "";
    EXPECT_FALSE(decodes_as(item));
    item = full(PeerItemKind::kInterestAdd);
    item.filter = "a/#/b";
    EXPECT_FALSE(decodes_as(item));
    PeerItem out;
    EXPECT_FALSE(decode(std::string_view("\x00", 1), out));
    EXPECT_FALSE(decode("\x07", out));
    EXPECT_FALSE(decode("\x08", out));
    EXPECT_FALSE(decode("", out));
}

TEST(PeerItem, ListsKeepNumbers) {
    std::string list;
    append_peer_item(3, "three", list);
    append_peer_item(9, "", list);
    ByteReader in(list);
    std::uint64_t n = 0;
    std::string_view item;
    ASSERT_TRUE(next_peer_item(in, n, item));
    EXPECT_EQ(n, 3U);
    EXPECT_EQ(item, "three");
    ASSERT_TRUE(next_peer_item(in, n, item));
    EXPECT_EQ(n, 9U);
    EXPECT_EQ(item, "");
    EXPECT_FALSE(next_peer_item(in, n, item));
    EXPECT_FALSE(in.failed());
    ByteReader cut(std::string_view(list).substr(0, 4));
    EXPECT_FALSE(next_peer_item(cut, n, item));
    EXPECT_TRUE(cut.failed());
}

TEST(PeerItem, RandomBytesAreReadSafely) {
    Random random(1);
    std::string bytes;
    for (int i = 0; i < 20'000; ++i) {
        bytes.clear();
        bytes.push_back(static_cast<char>(random.below(8)));
        for (std::uint64_t size = random.below(40); size != 0; --size) {
            bytes.push_back(
                static_cast<char>(random.chance(1, 2) ? random.below(6) : random.next()));
        }
        PeerItem item;
        (void)decode(bytes, item);
        ByteReader in(bytes);
        SetLayout layout;
        (void)decode(in, layout);
    }
}

}  // namespace
}  // namespace causeway
