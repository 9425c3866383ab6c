// Streams between gateway loops and a set: rules 1, 3 and 9 of the session protocol.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/core/state/rig.h"

namespace causeway::state {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

CAUSEWAY_STATE_TESTS(Streams);

std::string receive_command(StreamId stream, std::uint64_t seq, std::string_view queue) {
    std::string bytes;
    QueueReceive command;
    command.queue = queue;
    encode(CommandHeader{{}, stream, seq}, command, bytes);
    return bytes;
}

TEST_P(Streams, HelloGivesEachLoopAStreamAndTheSameOneAgain) {
    const StreamId a = rig.hello(7, 1, 0);
    const StreamId b = rig.hello(7, 1, 1);
    const StreamId c = rig.hello(8, 1, 0);
    EXPECT_NE(a, b);
    EXPECT_NE(b, c);
    EXPECT_NE(a, 0U);
    EXPECT_EQ(rig.hello(7, 1, 0), a);
    EXPECT_EQ(rig.hello(7, 1, 1), b);
}

TEST_P(Streams, ALoopThatGaveItsStreamUpGetsAnotherAndTheOldOneDies) {
    const StreamId a = rig.hello(7, 1, 0, 3);
    EXPECT_EQ(rig.hello(7, 1, 0, 3), a);
    const StreamId b = rig.hello(7, 1, 0, 4);
    EXPECT_NE(a, b);
    rig.entry({receive_command(a, 1, "q")});
    EXPECT_EQ(rig.last_result(a).code, ResultCode::kDead);
    EXPECT_EQ(rig.hello(7, 1, 0, 3), b) << "a HELLO that came late asks for nothing new";
}

TEST_P(Streams, OnlyTheNextNumberIsApplied) {
    const StreamId s = rig.hello(1);
    rig.entry({receive_command(s, 2, "q")});
    EXPECT_EQ(rig.last_result(s).code, ResultCode::kResync);
    rig.entry({receive_command(s, 1, "q")});
    EXPECT_EQ(rig.last_result(s).code, ResultCode::kNotFound);
    rig.entry({receive_command(s, 3, "q"), receive_command(s, 2, "q"), receive_command(s, 3, "q")});
    const auto& results = rig.outputs(s).results;
    ASSERT_EQ(results.size(), 3U);
    EXPECT_EQ(results[0].code, ResultCode::kResync);
    EXPECT_EQ(results[1].code, ResultCode::kNotFound);
    EXPECT_EQ(results[2].code, ResultCode::kNotFound);
    EXPECT_EQ(results[2].seq, 3U);
}

TEST_P(Streams, ACommandSentAgainChangesNothingAndIsAnsweredAsBefore) {
    const StreamId s = rig.hello(1);
    rig.run(0, QueueDeclare{"q", 1, 0, 30, 0, 0, ""});
    const std::string first = rig.numbered(s, QueueSend{"q", "", "x", 0});
    const std::string second = rig.numbered(s, QueueSend{"q", "", "y", 0});
    rig.entry({first, second});
    EXPECT_EQ(rig.last_result(s).code, ResultCode::kQuotaExceeded);
    rig.entry({first, second});
    const auto& results = rig.outputs(s).results;
    ASSERT_EQ(results.size(), 2U);
    EXPECT_EQ(results[0].code, ResultCode::kOk);
    EXPECT_EQ(results[0].seq, 1U);
    EXPECT_EQ(results[1].code, ResultCode::kQuotaExceeded);
    EXPECT_EQ(rig.counters().queue_made, 1U);
}

TEST_P(Streams, TwoStreamsCountApart) {
    const StreamId a = rig.hello(1, 1, 0);
    const StreamId b = rig.hello(1, 1, 1);
    for (std::uint64_t i = 1; i < 4; ++i) {
        rig.entry({receive_command(a, i, "q"), receive_command(b, i, "q")});
        EXPECT_EQ(rig.last_result(a).code, ResultCode::kNotFound);
        EXPECT_EQ(rig.last_result(b).code, ResultCode::kNotFound);
    }
}

TEST_P(Streams, NothingIsTakenFromADeadOrUnknownStream) {
    const StreamId s = rig.hello(1);
    const std::uint64_t epoch = rig.open(s, "c", 1);
    rig.gateway_down(s);
    EXPECT_TRUE(rig.outputs(s).dead);
    EXPECT_EQ(rig.close(s, epoch), ResultCode::kDead);
    rig.settle();
    EXPECT_EQ(rig.close(s, epoch), ResultCode::kDead) << "also when the record is gone";
    EXPECT_EQ(rig.close(4711, epoch), ResultCode::kDead);
}

TEST_P(Streams, AGatewayDeclaredDeadGetsANewStream) {
    const StreamId s = rig.hello(1, 5);
    rig.gateway_down(s);
    const StreamId again = rig.hello(1, 5);
    EXPECT_NE(again, s);
    rig.settle();
    EXPECT_NE(rig.open(again, "c", 1), 0U);
    rig.gateway_down(s);
    EXPECT_FALSE(rig.outputs(s).dead) << "dead only once";
    EXPECT_FALSE(rig.outputs(again).dead);
}

TEST_P(Streams, ANewerBootEndsTheOldOnesStreams) {
    const StreamId old0 = rig.hello(1, 1, 0);
    const StreamId old1 = rig.hello(1, 1, 1);
    const StreamId other = rig.hello(2, 1, 0);
    rig.open(old0, "a", 1);
    rig.open(old1, "b", 2);
    rig.open(other, "c", 3);
    const StreamId fresh = rig.hello(1, 2, 0);
    EXPECT_TRUE(rig.outputs(old0).dead);
    EXPECT_TRUE(rig.outputs(old1).dead);
    EXPECT_FALSE(rig.outputs(other).dead);
    EXPECT_NE(fresh, old0);
    EXPECT_TRUE(rig.machine().has_work());
    rig.settle();
    EXPECT_EQ(rig.statistics().attached, 1U);
    EXPECT_EQ(rig.statistics().sessions, 3U);
}

TEST_P(Streams, SessionsOfADeadStreamAreDetachedInSlices) {
    const StreamId s = rig.hello(1);
    std::vector<std::string> opens;
    std::vector<std::string> names;
    for (int i = 0; i < 700; ++i) {
        names.push_back("c" + std::to_string(i));
        Open open;
        open.client_id = names.back();
        open.nonce = static_cast<std::uint64_t>(i) + 1;
        opens.push_back(rig.numbered(s, open));  // expiry 0: the session ends with its connection
    }
    rig.entry(opens);
    EXPECT_EQ(rig.statistics().attached, 700U);
    rig.gateway_down(s);
    EXPECT_EQ(rig.statistics().attached, 700U);
    rig.step();
    EXPECT_GE(rig.statistics().attached, 700U - 256U);
    EXPECT_LT(rig.statistics().attached, 700U);
    rig.settle();
    EXPECT_EQ(rig.statistics().sessions, 0U);
}

// Its sessions count as detached from the declaration on: nothing is pushed, so nothing is DUP.
TEST_P(Streams, WhatComesAfterTheDeathIsNotCountedAsPushed) {
    const StreamId s = rig.hello(1, 1);
    const std::uint64_t epoch = rig.open(s, "c", 1);
    rig.subscribe(s, epoch, "t", 1);
    rig.publish("t", "before");
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n1 q1 t=before"));
    rig.gateway_down(s);
    rig.publish("t", "between");
    EXPECT_THAT(rig.delivered(s), IsEmpty());
    rig.settle();
    const StreamId fresh = rig.hello(1, 2);
    rig.open(fresh, "c", 2);
    EXPECT_THAT(rig.delivered(fresh), ElementsAre("2 n1 q1 t=before dup", "2 n2 q1 t=between"));
}

TEST_P(Streams, AnEmptyEntryAndOneOfAnotherVersionChangeNothing) {
    rig.hello(1);
    const std::string before = to_text(rig.statistics());
    Outputs out;
    rig.machine().apply(Index(100), SharedBytes{}, out);
    EXPECT_EQ(rig.machine().applied(), Index(100));
    std::string bytes;
    begin_entry(9'000'000'000, bytes);
    bytes[0] = 9;
    rig.machine().apply(Index(101), SharedBytes::copy(bytes), out);
    EXPECT_EQ(rig.machine().applied(), Index(101));
    EXPECT_EQ(to_text(rig.statistics()), before);
    EXPECT_EQ(to_text(out), "");
}

TEST_P(Streams, SetTimeNeverFalls) {
    rig.step();
    EXPECT_EQ(rig.machine().time(), rig.now());
    const SetMs highest = rig.now();
    std::string bytes;
    begin_entry(highest - 500, bytes);
    Outputs out;
    rig.machine().apply(Index(50), SharedBytes::copy(bytes), out);
    EXPECT_EQ(rig.machine().time(), highest);
}

}  // namespace
}  // namespace causeway::state
