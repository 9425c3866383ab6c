// One frame of each type, byte for byte. If one of these fails, the format has changed: nodes of
// two versions no longer understand each other. Then docs/formats/wire.md says what to do.
#include <gtest/gtest.h>

#include <string>

#include "cluster/wire/codec.h"
#include "cluster/wire/hello.h"
#include "test/cluster/wire/frames.h"

namespace causeway::wire {
namespace {

std::string hex(std::string_view bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (const char c : bytes) {
        text += kDigits[static_cast<unsigned char>(c) >> 4];
        text += kDigits[static_cast<unsigned char>(c) & 15];
    }
    return text;
}

// `expected` may have spaces between the fields.
void expect_bytes(const std::string& bytes, std::string expected) {
    std::erase(expected, ' ');
    EXPECT_EQ(hex(bytes), expected);
}

void expect_frame(const Frame& frame, const std::string& expected) {
    std::string bytes;
    append(frame, bytes);
    expect_bytes(bytes, expected);
    const auto back =
        decode(static_cast<std::uint8_t>(bytes[4]), SharedBytes::copy(bytes.substr(5)));
    EXPECT_TRUE(back && same(frame, *back)) << expected;
}

// Group 2, from node 1 to node 300, term 5.
template <typename Body>
void expect_raft(Body body, const std::string& expected) {
    expect_frame(RaftFrame{GroupId(2), {NodeId(1), NodeId(300), Term(5), std::move(body)}},
                 expected);
}

const raft::SnapshotMeta kMeta{Index(200), Term(4), {{NodeId(1), NodeId(2)}, {NodeId(3)}}};
const std::string kMetaBytes =
    "c801 04 1b 01 02 0100000000000000 0200000000000000 01 0300000000000000";

TEST(Frozen, Hello) {
    Hello hello;
    hello.cluster_id = "c";
    hello.node_uuid = 300;
    hello.node_id = 3;
    hello.boot = 7;
    hello.name = "n3";
    hello.features = {"f"};
    std::string bytes;
    append(hello, bytes);
    expect_bytes(bytes, "14000000 01 0801 120163 18ac02 2003 2807 32026e33 3a0166");
}

TEST(Frozen, RaftMessages) {
    expect_raft(raft::VoteRequest{Index(128), Term(4), true, true},
                "0b000000 02 02 01 ac02 05 01 8001 04 03");
    expect_raft(raft::VoteResponse{false, true}, "08000000 02 02 01 ac02 05 02 02");
    raft::AppendRequest append{Index(9), Term(4), Index(8), {}};
    append.entries.push_back({Term(5), Index(10), raft::EntryKind::kEmpty, {}});
    append.entries.push_back(
        {Term(5), Index(11), raft::EntryKind::kCommand, SharedBytes::copy("abc")});
    expect_raft(append, "16000000 02 02 01 ac02 05 03 09 04 08 02 050a0000 050b01 03616263");
    expect_raft(raft::AppendResponse{Index(9), true, Index(7), Term(3)},
                "0b000000 02 02 01 ac02 05 04 09 01 07 03");
    expect_raft(raft::Heartbeat{}, "07000000 02 02 01 ac02 05 05");
    expect_raft(raft::HeartbeatResponse{Index(9)}, "08000000 02 02 01 ac02 05 06 09");
    expect_raft(raft::InstallSnapshot{kMeta}, "26000000 02 02 01 ac02 05 07" + kMetaBytes);
    expect_raft(raft::TimeoutNow{}, "07000000 02 02 01 ac02 05 08");
}

TEST(Frozen, Snapshots) {
    expect_frame(SnapshotChunk{GroupId(2), kMeta, 6, 1, true, SharedBytes::copy("xy")},
                 "27000000 03 02" + kMetaBytes + "06 01 01 027879");
    expect_frame(SnapshotAck{GroupId(2), 6, 2, false}, "05000000 04 02 06 02 00");
}

TEST(Frozen, StreamsToTheLeader) {
    expect_frame(OpenStream{GroupId(2), 1, 130}, "05000000 05 02 01 8201");
    expect_frame(AttachStream{GroupId(2), 1, 130, 9, Index(77)}, "07000000 06 02 01 8201 09 4d");
    expect_frame(Commands{GroupId(2), 1, 130, 9, "abc", "d"},
                 "0c000000 07 02 01 8201 09 03616263 0164");
}

TEST(Frozen, StreamsFromTheLeader) {
    expect_frame(StreamOpened{GroupId(2), 1, 130, 9, Index(77)}, "07000000 08 02 01 8201 09 4d");
    expect_frame(Welcome{GroupId(2), 1, 130, 500}, "07000000 09 02 01 8201 f403");
    expect_frame(StreamRefused{GroupId(2), 1, 130, StreamRefused::Reason::kGap, NodeId(3)},
                 "07000000 0a 02 01 8201 01 03");
    StreamNews news{GroupId(2), 1, 130, Index(77), {}, 4};
    news.outputs.stream = 9;
    news.outputs.time = 1000;
    news.outputs.unlogged_bytes_done = 64;
    news.outputs.results = {{11, ResultCode::kOk, ""}, {12, ResultCode::kQuotaExceeded, "d"}};
    news.outputs.messages = {{SharedBytes::copy("t"), SharedBytes::copy("b"), 255}};
    Delivery delivery;
    delivery.nonce = 0x0102030405060708;
    delivery.epoch = 3;
    delivery.n = 4;
    delivery.qos = 1;
    delivery.retain = true;
    delivery.dup = true;
    delivery.subscription_ids = {5, 6};
    Delivery release;
    release.nonce = 1;
    release.epoch = 3;
    release.n = 2;
    release.qos = 2;
    release.release = true;
    news.outputs.deliveries = {delivery, release};
    news.outputs.takeovers = {{2, 8}};
    news.outputs.settled = {{2, 8, 10, "d"}};
    expect_frame(news,
                 "4f000000 0b 02 01 8201 4d 04"
                 "09 e807 00 40"
                 "02 0b0000 0c060164"
                 "01 01740162ff01"
                 "02 0807060504030201 03 04 00 0d 020506 0100000000000000 03 02 00 12 00"
                 "01 0200000000000000 08"
                 "01 0200000000000000 08 0a 0164");
}

TEST(Frozen, Nodes) {
    expect_frame(Ping{1000, {{GroupId(0), Term(5), Index(6)}, {GroupId(1), Term(7), Index(200)}}},
                 "0b000000 0c e807 02 000506 0107c801");
    expect_frame(PeerItems{GroupId(1), GroupId(2), 40, "abc", Term(7)}, "09000000 0d 01 02 28 03616263 07");
    expect_frame(PeerItemsAck{GroupId(1), GroupId(2), 42}, "04000000 0e 01 02 2a");
    expect_frame(Call{5, "join", "x"}, "09000000 0f 05 046a6f696e 0178");
    expect_frame(Reply{5, false, "no"}, "06000000 10 05 00 026e6f");
    expect_frame(QueuesReady{{"a", "bc"}}, "07000000 11 02 0161 026263");
}

TEST(Frozen, Records) {
    expect_frame(ReadRecords{GroupId(2), 1, 130, 7, RecordQuery{"p/", true, "p/a", 300}},
                 "10000000 12 02 01 8201 07 02702f 01 03702f61 ac02");
    expect_frame(RecordsRead{GroupId(2), 1, 130, 7, RecordsFound{Index(9), true, {{"k", 3, "v"}}}},
                 "0e000000 13 02 01 8201 07 09 01 01 016b 03 0176");
    expect_frame(RecordsChanged{GroupId(2), Index(9), {"a", "bc"}},
                 "09000000 14 02 09 02 0161 026263");
}

}  // namespace
}  // namespace causeway::wire
