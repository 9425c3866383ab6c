// Delivering: the inbox of a session, its window, acknowledgements, resume. Rules 13 and 14 of the
// session protocol; «MQTT 5.0 §4.3, §4.4, §4.9».
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/core/state/rig.h"

namespace causeway::state {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class InboxTest : public StateTest {
protected:
    StreamId s = rig.hello(1);

    std::uint64_t open(std::uint64_t nonce, std::uint16_t receive_maximum,
                       std::uint32_t expiry_s = 3600, std::string_view client = "c") {
        Open command;
        command.client_id = client;
        command.nonce = nonce;
        command.receive_maximum = receive_maximum;
        command.session_expiry_interval_s = expiry_s;
        return rig.open(s, command).epoch;
    }
    void publish_numbers(int from, int to, std::uint8_t qos = 1) {
        std::vector<std::string> commands;
        for (int i = from; i <= to; ++i) {
            commands.push_back(rig.publish_command("t", std::to_string(i), qos));
        }
        rig.entry(commands);
    }
    void inbox_limit(std::uint64_t messages) {
        StateLimits limits;
        limits.inbox_messages_max = messages;
        rig.limits(limits);
    }
};

CAUSEWAY_STATE_TESTS_OF(Windows, InboxTest);
CAUSEWAY_STATE_TESTS_OF(Qos2, InboxTest);
CAUSEWAY_STATE_TESTS_OF(Resume, InboxTest);
CAUSEWAY_STATE_TESTS_OF(Eviction, InboxTest);
CAUSEWAY_STATE_TESTS_OF(Expiry, InboxTest);
CAUSEWAY_STATE_TESTS_OF(WithoutInbox, InboxTest);
CAUSEWAY_STATE_TESTS_OF(Bodies, InboxTest);

TEST_P(Windows, NoMoreInFlightThanReceiveMaximum) {  // [MQTT-4.3.2-3]
    const std::uint64_t epoch = open(1, 2);
    rig.subscribe(s, epoch, "t", 1);
    rig.publish("t", "1");
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n1 q1 t=1"));
    rig.publish("t", "2");
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n2 q1 t=2"));
    publish_numbers(3, 5);
    EXPECT_THAT(rig.delivered(s), IsEmpty());
    rig.ack(s, {{epoch, 1, 1}});
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n3 q1 t=3"));
    rig.ack(s, {{epoch, 2, 3}});
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n4 q1 t=4", "1 n5 q1 t=5"));
    rig.ack(s, {{epoch, 4, 5}});
    EXPECT_EQ(rig.statistics().inbox_messages, 0U);
    rig.publish("t", "6");
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n6 q1 t=6"));
}

TEST_P(Windows, QosZeroIsOutsideTheWindowAndTheNumbers) {
    const std::uint64_t epoch = open(1, 1);
    rig.subscribe(s, epoch, "t", 1);
    publish_numbers(1, 2);
    rig.publish("t", "zero", 0);
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n0 q0 t=zero"));
    EXPECT_EQ(rig.counters().inbox_made, 2U);
}

TEST_P(Windows, AckRangesInAnyOrderAndWithGaps) {
    const std::uint64_t epoch = open(1, 10);
    rig.subscribe(s, epoch, "t", 1);
    publish_numbers(1, 8);
    rig.ack(s, {{epoch, 7, 8}, {epoch, 2, 3}, {epoch, 2, 2}, {epoch, 100, 200}, {epoch, 5, 4}});
    EXPECT_EQ(rig.counters().inbox_acknowledged, 4U);
    rig.close(s, epoch);
    open(2, 10);
    EXPECT_THAT(rig.delivered(s), ElementsAre("2 n1 q1 t=1 dup", "2 n4 q1 t=4 dup",
                                              "2 n5 q1 t=5 dup", "2 n6 q1 t=6 dup"));
}

TEST_P(Windows, AnAckCannotReachWhatWasNotPushed) {
    const std::uint64_t epoch = open(1, 2);
    rig.subscribe(s, epoch, "t", 1);
    publish_numbers(1, 5);
    rig.ack(s, {{epoch, 3, 5}});
    EXPECT_EQ(rig.counters().inbox_acknowledged, 0U);
    rig.ack(s, {{epoch, 0, ~std::uint64_t{0}}});
    EXPECT_EQ(rig.counters().inbox_acknowledged, 2U);
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n3 q1 t=3", "1 n4 q1 t=4"));
}

// Packet ids repeat after 65,535 numbers, and eviction leaves holes.
TEST(PacketIds, OfMessagesInFlightNeverMeet) {  // [MQTT-4.3.3-1]
    Rig rig(Rig::Mode::kLive);
    StateLimits limits;
    limits.inbox_messages_max = 10;
    rig.limits(limits);
    const StreamId s = rig.hello(1);
    const std::uint64_t epoch = rig.open(s, "c", 1);
    rig.subscribe(s, epoch, "t", 1);
    rig.publish("t", "1");
    rig.close(s, epoch);
    std::vector<std::string> commands;
    for (int i = 2; i <= 65'538; ++i) {
        commands.push_back(rig.publish_command("t", std::to_string(i), 1));
    }
    rig.entry(commands);
    const std::uint64_t again = rig.open(s, "c", 2);
    EXPECT_THAT(rig.delivered(s),
                ElementsAre("2 n1 q1 t=1 dup", "2 n65530 q1 t=65530", "2 n65531 q1 t=65531",
                            "2 n65532 q1 t=65532", "2 n65533 q1 t=65533", "2 n65534 q1 t=65534",
                            "2 n65535 q1 t=65535"));
    EXPECT_FALSE(rig.machine().has_work());
    rig.ack(s, {{again, 65'530, 65'530}});
    EXPECT_THAT(rig.delivered(s), IsEmpty()) << "65536 would be packet id 1 again";
    rig.ack(s, {{again, 1, 1}});
    EXPECT_THAT(rig.delivered(s),
                ElementsAre("2 n65536 q1 t=65536", "2 n65537 q1 t=65537", "2 n65538 q1 t=65538"));
}

TEST_P(Windows, OneAckCommandForSeveralSessions) {
    const std::uint64_t a = open(1, 10, 3600, "a");
    const std::uint64_t b = open(2, 10, 3600, "b");
    rig.subscribe(s, a, "t", 1);
    rig.subscribe(s, b, "t", 1);
    publish_numbers(1, 2);
    EXPECT_EQ(rig.ack(s, {{a, 1, 1}, {999, 1, 1}, {b, 1, 2}}), ResultCode::kOk);
    EXPECT_EQ(rig.counters().inbox_acknowledged, 3U);
}

TEST_P(Qos2, MovesFromPublishOverReceivedToComplete) {  // [MQTT-4.3.3-3]
    const std::uint64_t epoch = open(1, 10);
    rig.subscribe(s, epoch, "t", 2);
    rig.publish("t", "x", 2);
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n1 q2 t=x"));
    EXPECT_EQ(rig.run(s, Received{epoch, 1}).code, ResultCode::kOk);
    EXPECT_THAT(rig.delivered(s), IsEmpty()) << "the gateway sends PUBREL on the result";
    EXPECT_EQ(rig.run(s, Received{epoch, 1}).code, ResultCode::kOk) << "sent again";
    EXPECT_EQ(rig.run(s, Received{epoch, 2}).code, ResultCode::kNotFound);
    EXPECT_EQ(rig.statistics().inbox_messages, 1U);
    rig.ack(s, {{epoch, 1, 1}});
    EXPECT_EQ(rig.statistics().inbox_messages, 0U);
    EXPECT_EQ(rig.counters().inbox_acknowledged, 1U);
}

TEST_P(Qos2, AReceivedMessageHoldsItsPlaceInTheWindow) {
    const std::uint64_t epoch = open(1, 2);
    rig.subscribe(s, epoch, "t", 2);
    publish_numbers(1, 4, 2);
    rig.run(s, Received{epoch, 1});
    rig.run(s, Received{epoch, 2});
    EXPECT_THAT(rig.delivered(s), IsEmpty());
    rig.ack(s, {{epoch, 2, 2}});
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n3 q2 t=3"));
}

// [MQTT-4.3.3-5] [MQTT-4.3.3-2] [MQTT-4.3.2-2] [MQTT-3.3.1-3]
TEST_P(Qos2, ResumesWithPubrelForTheReceivedAndDupForTheRest) {
    const std::uint64_t epoch = open(1, 10);
    rig.subscribe(s, epoch, "t", 2);
    publish_numbers(1, 3, 2);
    rig.publish("t", "4", 1);
    rig.run(s, Received{epoch, 2});
    rig.close(s, epoch);
    publish_numbers(5, 5, 2);
    const std::uint64_t again = open(2, 10);
    EXPECT_THAT(rig.delivered(s), ElementsAre("2 n2 release", "2 n1 q2 t=1 dup", "2 n3 q2 t=3 dup",
                                              "2 n4 q1 t=4 dup", "2 n5 q2 t=5"));
    rig.ack(s, {{again, 1, 5}});
    EXPECT_EQ(rig.statistics().inbox_messages, 0U);
}

TEST_P(Qos2, ManyReceivedAndASmallerWindowAfterTheResume) {
    const std::uint64_t epoch = open(1, 10);
    rig.subscribe(s, epoch, "t", 2);
    publish_numbers(1, 6, 2);
    for (std::uint64_t n = 3; n <= 6; ++n) {
        rig.run(s, Received{epoch, n});
    }
    rig.close(s, epoch);
    const std::uint64_t again = open(2, 2);
    EXPECT_THAT(rig.delivered(s),
                ElementsAre("2 n3 release", "2 n4 release", "2 n5 release", "2 n6 release"));
    rig.ack(s, {{again, 3, 5}});
    EXPECT_THAT(rig.delivered(s), ElementsAre("2 n1 q2 t=1 dup"));
    rig.ack(s, {{again, 1, 1}});
    EXPECT_THAT(rig.delivered(s), ElementsAre("2 n2 q2 t=2 dup"));
    publish_numbers(7, 7, 2);
    EXPECT_THAT(rig.delivered(s), IsEmpty());
    rig.ack(s, {{again, 6, 6}});
    EXPECT_THAT(rig.delivered(s), ElementsAre("2 n7 q2 t=7"));
}

// Behind a window that received items fill, older ones wait; they are not forgotten when the
// connection is lost once more.
TEST_P(Qos2, ASecondLossBeforeTheWindowOpens) {
    const std::uint64_t epoch = open(1, 10);
    rig.subscribe(s, epoch, "t", 2);
    publish_numbers(1, 4, 2);
    rig.run(s, Received{epoch, 4});
    rig.close(s, epoch);
    const std::uint64_t second = open(2, 1);
    EXPECT_THAT(rig.delivered(s), ElementsAre("2 n4 release"));
    rig.close(s, second);
    const std::uint64_t third = open(3, 3);
    EXPECT_THAT(rig.delivered(s),
                ElementsAre("3 n4 release", "3 n1 q2 t=1 dup", "3 n2 q2 t=2 dup"));
    rig.ack(s, {{third, 4, 4}});
    EXPECT_THAT(rig.delivered(s), ElementsAre("3 n3 q2 t=3 dup"));
}

TEST_P(Qos2, IncomingIsAppliedOnceUntilReleased) {
    const std::uint64_t epoch = open(1, 10);
    const std::uint64_t reader = open(2, 10, 3600, "reader");
    rig.subscribe(s, reader, "t", 2);
    Publish command;
    command.epoch = epoch;
    command.client_id = "c";
    command.topic = "t";
    command.qos = 2;
    command.packet_id = 7;
    EXPECT_EQ(rig.publish(s, command, "x"), ResultCode::kOk);
    EXPECT_THAT(rig.delivered(s), ElementsAre("2 n1 q2 t=x"));
    EXPECT_EQ(rig.publish(s, command, "x"), ResultCode::kOk);
    EXPECT_THAT(rig.delivered(s), IsEmpty());
    rig.close(s, epoch);
    const std::uint64_t again = open(3, 10);
    command.epoch = again;
    EXPECT_EQ(rig.publish(s, command, "x"), ResultCode::kOk);
    EXPECT_THAT(rig.delivered(s), IsEmpty()) << "known also to the next connection";
    EXPECT_EQ(rig.run(s, Release{again, 7}).code, ResultCode::kOk);
    EXPECT_EQ(rig.run(s, Release{again, 7}).code, ResultCode::kNotFound);
    EXPECT_EQ(rig.publish(s, command, "y"), ResultCode::kOk);
    EXPECT_THAT(rig.delivered(s), ElementsAre("2 n2 q2 t=y"));
}

TEST_P(Resume, PushesWhatWasStoredInOrder) {  // [MQTT-4.6.0-5] [MQTT-4.6.0-6]
    const std::uint64_t epoch = open(1, 10);
    rig.subscribe(s, epoch, "t", 1);
    rig.close(s, epoch);
    publish_numbers(1, 3);
    EXPECT_THAT(rig.delivered(s), IsEmpty());
    const std::uint64_t again = open(2, 2);
    EXPECT_THAT(rig.delivered(s), ElementsAre("2 n1 q1 t=1", "2 n2 q1 t=2"));
    publish_numbers(4, 4);
    EXPECT_THAT(rig.delivered(s), IsEmpty());
    rig.ack(s, {{again, 1, 2}});
    EXPECT_THAT(rig.delivered(s), ElementsAre("2 n3 q1 t=3", "2 n4 q1 t=4"));
}

TEST_P(Resume, TakeoverPushesAgainToTheNewOwnerOnly) {
    const std::uint64_t epoch = open(1, 10);
    rig.subscribe(s, epoch, "t", 1);
    publish_numbers(1, 1);
    const StreamId other = rig.hello(2);
    Open command;
    command.client_id = "c";
    command.nonce = 9;
    command.session_expiry_interval_s = 60;
    rig.open(other, command);
    EXPECT_THAT(rig.delivered(other), ElementsAre("9 n1 q1 t=1 dup"));
    EXPECT_THAT(rig.delivered(s), IsEmpty());
    rig.publish("t", "2");
    EXPECT_THAT(rig.delivered(other), ElementsAre("9 n2 q1 t=2"));
    EXPECT_THAT(rig.delivered(s), IsEmpty());
}

TEST_P(Resume, ALongBacklogComesInSlicesAndInOrder) {
    const std::uint64_t epoch = open(1, 10);
    rig.subscribe(s, epoch, "t", 1);
    rig.close(s, epoch);
    publish_numbers(1, 700);
    open(2, 65535);
    std::vector<std::string> all = rig.delivered(s);
    EXPECT_THAT(all, SizeIs(256));
    rig.publish("t", "701");
    EXPECT_THAT(rig.delivered(s), IsEmpty()) << "behind the backlog";
    while (rig.machine().has_work()) {
        rig.step();
        EXPECT_LE(rig.delivered(s).size(), 256U);
        const auto more = rig.delivered(s);
        all.insert(all.end(), more.begin(), more.end());
    }
    ASSERT_THAT(all, SizeIs(701));
    for (std::size_t i = 0; i < all.size(); ++i) {
        const std::string n = std::to_string(i + 1);
        EXPECT_EQ(all[i], "2 n" + n + " q1 t=" + n);
    }
}

TEST_P(Resume, ABacklogGoesOnAfterAConnectionLostInItsMiddle) {
    const std::uint64_t epoch = open(1, 10);
    rig.subscribe(s, epoch, "t", 1);
    rig.close(s, epoch);
    publish_numbers(1, 600);
    const std::uint64_t second = open(2, 65535);
    rig.close(s, second);
    rig.settle();
    open(3, 65535);
    std::vector<std::string> all = rig.delivered(s);
    while (rig.machine().has_work()) {
        rig.step();
        const auto more = rig.delivered(s);
        all.insert(all.end(), more.begin(), more.end());
    }
    ASSERT_THAT(all, SizeIs(600));
    EXPECT_EQ(all.front(), "3 n1 q1 t=1 dup");
    EXPECT_EQ(all[255], "3 n256 q1 t=256 dup");
    EXPECT_EQ(all[256], "3 n257 q1 t=257");
    EXPECT_EQ(all.back(), "3 n600 q1 t=600");
}

TEST_P(Eviction, TheOldestWaitingGoesAndIsCounted) {
    inbox_limit(3);
    const std::uint64_t epoch = open(1, 10);
    rig.subscribe(s, epoch, "t", 1);
    rig.close(s, epoch);
    publish_numbers(1, 5);
    EXPECT_EQ(rig.counters().inbox_evicted, 2U);
    EXPECT_EQ(rig.counters().inbox_made, 5U);
    open(2, 10);
    EXPECT_THAT(rig.delivered(s), ElementsAre("2 n3 q1 t=3", "2 n4 q1 t=4", "2 n5 q1 t=5"));
}

TEST_P(Eviction, WhatIsInFlightStays) {
    inbox_limit(3);
    const std::uint64_t epoch = open(1, 2);
    rig.subscribe(s, epoch, "t", 1);
    publish_numbers(1, 5);
    EXPECT_EQ(rig.counters().inbox_evicted, 2U);
    rig.ack(s, {{epoch, 1, 2}});
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n5 q1 t=5"));
}

TEST_P(Eviction, AnInboxFullOfMessagesInFlightTurnsTheNewOneAway) {
    inbox_limit(2);
    const std::uint64_t epoch = open(1, 10);
    rig.subscribe(s, epoch, "t", 1);
    publish_numbers(1, 3);
    EXPECT_EQ(rig.counters().inbox_evicted, 1U);
    rig.ack(s, {{epoch, 1, 2}});
    EXPECT_EQ(rig.statistics().inbox_messages, 0U);
    rig.publish("t", "4");
    EXPECT_THAT(rig.delivered(s), SizeIs(1));
}

TEST_P(Eviction, ByBytesToo) {
    StateLimits limits;
    limits.inbox_bytes_max = 3000;
    rig.limits(limits);
    const std::uint64_t epoch = open(1, 10);
    rig.subscribe(s, epoch, "t", 1);
    rig.close(s, epoch);
    for (int i = 0; i < 5; ++i) {
        rig.publish("t", std::string(1000, static_cast<char>('a' + i)));
    }
    EXPECT_EQ(rig.counters().inbox_evicted, 3U);
    EXPECT_EQ(rig.statistics().inbox_messages, 2U);
    rig.publish("t", std::string(4000, 'x'));
    EXPECT_EQ(rig.statistics().inbox_messages, 0U) << "too large for any inbox";
    EXPECT_EQ(rig.counters().inbox_evicted, 6U);
}

TEST_P(Eviction, OneFullInboxHarmsNoOther) {
    inbox_limit(1);
    const std::uint64_t a = open(1, 10, 3600, "a");
    const std::uint64_t b = open(2, 10, 3600, "b");
    rig.subscribe(s, a, "t", 1);
    rig.subscribe(s, b, "t", 1);
    publish_numbers(1, 1);
    rig.ack(s, {{b, 1, 1}});
    publish_numbers(2, 2);
    EXPECT_THAT(rig.delivered(s), ElementsAre("2 n2 q1 t=2"));
    EXPECT_EQ(rig.counters().inbox_evicted, 1U);
}

TEST_P(Expiry, AWaitingMessageIsNotPushedOnceExpired) {
    const std::uint64_t epoch = open(1, 10);
    rig.subscribe(s, epoch, "t", 1);
    rig.close(s, epoch);
    Publish command;
    command.topic = "t";
    command.expiry_s = 5;
    rig.publish(0, command, "short");
    command.expiry_s = 50;
    rig.publish(0, command, "long");
    rig.pass_s(5);
    open(2, 10);
    EXPECT_THAT(rig.delivered(s), ElementsAre("2 n2 q1 t=long"));
    EXPECT_EQ(rig.outputs(s).messages.at(0).expires_at, rig.now() + 45'000);
    EXPECT_EQ(rig.counters().inbox_expired, 1U);
}

// [MQTT-3.3.2-5] is about messages whose delivery has not begun; what was sent is sent again until
// it is acknowledged [MQTT-4.4.0-1] [MQTT-4.3.3-7], else a QoS 2 packet id would be left open at
// the client.
TEST_P(Expiry, AMessageOnItsWayIsCompleted) {
    const std::uint64_t epoch = open(1, 10);
    rig.subscribe(s, epoch, "t", 2);
    Publish command;
    command.topic = "t";
    command.qos = 2;
    command.expiry_s = 5;
    rig.publish(0, command, "short");
    rig.close(s, epoch);
    rig.pass_s(5);
    open(2, 10);
    EXPECT_THAT(rig.delivered(s), ElementsAre("2 n1 q2 t=short dup"));
    EXPECT_EQ(rig.counters().inbox_expired, 0U);
}

TEST_P(Expiry, ExpiredMessagesDoNotStopTheBacklog) {
    const std::uint64_t epoch = open(1, 10);
    rig.subscribe(s, epoch, "t", 1);
    rig.close(s, epoch);
    Publish command;
    command.topic = "t";
    command.expiry_s = 5;
    const std::string body = make_body("", "short");
    command.body = body;
    std::vector<std::string> commands;
    for (int i = 0; i < 600; ++i) {
        commands.push_back(rig.numbered(0, command));
    }
    rig.entry(commands);
    rig.publish("t", "last");
    rig.pass_s(5);
    open(2, 3);
    std::vector<std::string> all = rig.delivered(s);
    for (int i = 0; i < 20 && rig.machine().has_work(); ++i) {
        rig.step();
        const auto more = rig.delivered(s);
        all.insert(all.end(), more.begin(), more.end());
    }
    EXPECT_THAT(all, ElementsAre("2 n601 q1 t=last"));
    EXPECT_EQ(rig.counters().inbox_expired, 600U);
}

TEST_P(WithoutInbox, DeliveriesHaveNoNumberAndNothingIsStored) {
    const std::uint64_t epoch = open(1, 1, 0);
    rig.subscribe(s, epoch, "t", 2);
    rig.publish("t", "1", 1);
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n0 q1 t=1"));
    rig.publish("t", "2", 2);
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n0 q2 t=2")) << "windows are the gateway's";
    EXPECT_EQ(rig.counters().inbox_made, 0U);
    EXPECT_EQ(rig.run(s, Received{epoch, 1}).code, ResultCode::kStale);
}

TEST_P(WithoutInbox, UnloggedPublishesReachConnectionsAtQosZero) {
    const std::uint64_t a = open(1, 10, 0, "a");
    const std::uint64_t b = open(2, 10, 3600, "b");
    const std::uint64_t away = open(3, 10, 3600, "away");
    for (const std::uint64_t epoch : {a, b, away}) {
        rig.subscribe(s, epoch, "t", 2);
    }
    rig.close(s, away);
    const std::string before = to_text(rig.statistics());
    const std::string body = make_body("", "x");
    Publish command;
    command.topic = "t";
    command.body = body;
    command.qos = 0;
    Outputs out;
    const SharedBytes owner = SharedBytes::copy(body);
    command.body = owner.view();
    rig.machine().publish_unlogged(command, owner, out);
    ASSERT_THAT(out.streams, SizeIs(1));
    const StreamOutputs& stream = out.streams[0];
    ASSERT_THAT(stream.deliveries, SizeIs(2));
    EXPECT_EQ(to_text(stream, stream.deliveries[0]), "1 n0 q0 t=x");
    EXPECT_EQ(to_text(stream, stream.deliveries[1]), "2 n0 q0 t=x");
    EXPECT_EQ(stream.time, rig.machine().time());
    EXPECT_EQ(to_text(rig.statistics()), before);
}

TEST_P(Bodies, OneBodyWhateverTheFanOutUntilTheLastReference) {
    std::vector<std::uint64_t> epochs;
    for (std::uint64_t i = 0; i < 4; ++i) {
        epochs.push_back(open(i + 1, 10, 3600, "c" + std::to_string(i)));
        rig.subscribe(s, epochs.back(), "t", 2);
    }
    rig.publish("t", "x", 2);
    EXPECT_EQ(rig.statistics().bodies, 1U);
    EXPECT_THAT(rig.outputs(s).messages, SizeIs(1));
    EXPECT_THAT(rig.outputs(s).deliveries, SizeIs(4));
    rig.ack(s, {{epochs[0], 1, 1}});
    rig.run(s, Received{epochs[1], 1});
    EXPECT_EQ(rig.statistics().bodies, 1U);
    rig.run(s, Close{epochs[2], CloseReason::kNormal, 0});
    rig.settle();
    EXPECT_EQ(rig.statistics().bodies, 1U);
    rig.ack(s, {{epochs[3], 1, 1}});
    EXPECT_EQ(rig.statistics().bodies, 0U);
}

// The inbox of an ended session still refers to bodies until it is purged.
TEST_P(Bodies, SurviveTheEndOfOneOfTheirReaders) {
    const std::uint64_t a = open(1, 10, 3600, "a");
    const std::uint64_t b = open(2, 10, 3600, "b");
    rig.subscribe(s, a, "t", 1);
    rig.subscribe(s, b, "t", 1);
    rig.close(s, a);
    rig.close(s, b);
    publish_numbers(0, 599);
    Open clean;
    clean.client_id = "a";
    clean.nonce = 3;
    clean.clean_start = true;
    rig.open(s, clean);
    EXPECT_EQ(rig.counters().inbox_session_ended, 600U);
    EXPECT_EQ(rig.statistics().bodies, 600U);
    rig.step();
    rig.settle();
    EXPECT_EQ(rig.statistics().bodies, 600U);
    open(4, 65535, 3600, "b");
    EXPECT_EQ(rig.delivered(s).front(), "4 n1 q1 t=0");
    rig.settle();
    EXPECT_EQ(rig.counters().inbox_expired, 0U);
}

}  // namespace
}  // namespace causeway::state
