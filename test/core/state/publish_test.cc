// A publish and what rules made of it: all of it or nothing. Rules 10 to 12 and 18 of the session
// protocol.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/core/state/rig.h"

namespace causeway::state {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PublishTest : public StateTest {
protected:
    StreamId s = rig.hello(1);
    std::uint64_t epoch = rig.open(s, "c", 1);

    static void to_queue(std::string& outputs, std::string_view queue, std::string_view body) {
        RouteOutput output;
        output.kind = RouteKind::kQueue;
        output.target = queue;
        output.body = body;
        append_route_output(output, outputs);
    }
    static void to_sink(std::string& outputs, std::string_view sink) {
        RouteOutput output;
        output.kind = RouteKind::kSink;
        output.target = sink;
        output.body = "request";
        append_route_output(output, outputs);
    }
    static void to_topic(std::string& outputs, std::string_view topic, std::string_view payload,
                         bool retain) {
        const std::string body = make_body("", payload);
        RouteOutput output;
        output.kind = RouteKind::kRepublish;
        output.target = topic;
        output.body = body;
        output.qos = 1;
        output.retain = retain;
        append_route_output(output, outputs);
    }
    ResultCode publish(std::string_view outputs, std::string_view topic = "t") {
        Publish command;
        command.epoch = epoch;
        command.client_id = "c";
        command.topic = topic;
        command.outputs = outputs;
        return rig.publish(s, command, "x");
    }
};

CAUSEWAY_STATE_TESTS_OF(RuleOutputs, PublishTest);
CAUSEWAY_STATE_TESTS_OF(SelfStream, PublishTest);
CAUSEWAY_STATE_TESTS_OF(Refusals, PublishTest);

TEST_P(RuleOutputs, AreDoneWithThePublish) {
    rig.subscribe(s, epoch, "#", 1);
    std::string outputs;
    to_queue(outputs, "q", "for the queue");
    to_topic(outputs, "again", "republished", true);
    to_sink(outputs, "http");
    EXPECT_EQ(publish(outputs), ResultCode::kOk);
    EXPECT_THAT(rig.delivered(s),
                ::testing::UnorderedElementsAre(::testing::HasSubstr("q1 again=republished"),
                                                ::testing::HasSubstr("q1 t=x")));
    EXPECT_EQ(rig.statistics().queues.at(0).messages, 1U);
    EXPECT_EQ(rig.statistics().outboxes.at(0).messages, 1U);
    EXPECT_EQ(rig.statistics().retained_messages, 1U);
    const CommandResult got = rig.run(0, QueueReceive{"q", 1, 0});
    ByteReader in(got.detail);
    in.varint();
    QueueMessage message;
    ASSERT_TRUE(next_queue_message(in, message));
    EXPECT_EQ(message.body, "for the queue");
    EXPECT_EQ(message.topic, "t");
    EXPECT_EQ(message.client_id, "c");
}

TEST_P(RuleOutputs, CountAsSomebodyInterested) {
    EXPECT_EQ(publish(""), ResultCode::kNoSubscribers);
    std::string outputs;
    to_queue(outputs, "q", "x");
    EXPECT_EQ(publish(outputs), ResultCode::kOk);
}

TEST_P(RuleOutputs, NothingIsDoneUnlessAllFits) {
    rig.subscribe(s, epoch, "#", 1);
    QueueDeclare small;
    small.queue = "small";
    small.messages_max = 1;
    rig.run(0, small);
    std::string outputs;
    to_sink(outputs, "http");
    to_topic(outputs, "again", "x", true);
    to_queue(outputs, "small", "1");
    to_queue(outputs, "small", "2");
    EXPECT_EQ(publish(outputs), ResultCode::kQuotaExceeded);
    EXPECT_THAT(rig.delivered(s), IsEmpty());
    EXPECT_EQ(rig.counters().queue_made, 0U);
    EXPECT_EQ(rig.counters().sink_made, 0U);
    EXPECT_EQ(rig.counters().inbox_made, 0U);
    EXPECT_EQ(rig.statistics().retained_messages, 0U);
    EXPECT_EQ(rig.counters().publishes_refused, 1U);
}

TEST_P(RuleOutputs, RetainedRepublishesMustFitTogether) {
    StateLimits limits;
    limits.retained_messages_max = 2;
    rig.limits(limits);
    std::string outputs;
    to_topic(outputs, "a", "1", true);
    to_topic(outputs, "b", "2", true);
    EXPECT_EQ(publish(outputs), ResultCode::kOk);
    std::string more;
    to_topic(more, "a", "", true);
    to_topic(more, "c", "3", true);
    to_topic(more, "d", "4", true);
    EXPECT_EQ(publish(more), ResultCode::kQuotaExceeded);
    EXPECT_EQ(rig.statistics().retained_messages, 2U);
    EXPECT_EQ(rig.counters().retained_evicted, 0U);
}

// The topic of the message is stored with each item: it counts before anything is done.
TEST_P(RuleOutputs, ALongTopicCounts) {
    QueueDeclare small;
    small.queue = "small";
    small.bytes_max = 2000;
    rig.run(0, small);
    std::string outputs;
    to_queue(outputs, "small", "1");
    to_queue(outputs, "small", "2");
    EXPECT_EQ(publish(outputs, std::string(1500, 't')), ResultCode::kQuotaExceeded);
    EXPECT_EQ(rig.counters().queue_evicted, 0U);
    EXPECT_EQ(rig.counters().queue_made, 0U);
    EXPECT_EQ(publish(outputs, std::string(900, 't')), ResultCode::kOk);
    EXPECT_EQ(rig.counters().queue_made, 2U);
}

TEST_P(RuleOutputs, BytesThatAreNoneRefuseThePublish) {
    rig.subscribe(s, epoch, "#", 1);
    std::string outputs;
    to_queue(outputs, "q", "1");
    outputs.push_back('\x77');
    EXPECT_EQ(publish(outputs), ResultCode::kInvalid);
    EXPECT_EQ(rig.counters().queue_made, 0U);
    EXPECT_THAT(rig.delivered(s), IsEmpty());
}

TEST_P(RuleOutputs, OfQosZeroComeWithoutTheMessage) {
    rig.subscribe(s, epoch, "#", 1);
    std::string outputs;
    to_queue(outputs, "q", "1");
    Publish command;
    command.epoch = epoch;
    command.topic = "t";
    command.qos = 0;
    command.retain = true;
    command.outputs_only = true;
    command.outputs = outputs;
    EXPECT_EQ(rig.publish(s, command, "x"), ResultCode::kOk);
    EXPECT_THAT(rig.delivered(s), IsEmpty());
    EXPECT_EQ(rig.counters().queue_made, 1U);
    EXPECT_EQ(rig.statistics().retained_messages, 1U);
}

TEST_P(RuleOutputs, ARefusedQos2PacketIdIsNotKept) {
    StateLimits limits;
    limits.queue_messages_max = 1;
    rig.limits(limits);
    std::string outputs;
    to_queue(outputs, "q", "1");
    EXPECT_EQ(publish(outputs), ResultCode::kOk);
    Publish command;
    command.epoch = epoch;
    command.topic = "t";
    command.qos = 2;
    command.packet_id = 5;
    command.outputs = outputs;
    EXPECT_EQ(rig.publish(s, command, "x"), ResultCode::kQuotaExceeded);
    EXPECT_EQ(rig.run(s, Release{epoch, 5}).code, ResultCode::kNotFound);
    command.outputs = {};
    EXPECT_EQ(rig.publish(s, command, "x"), ResultCode::kNoSubscribers);
    EXPECT_EQ(rig.run(s, Release{epoch, 5}).code, ResultCode::kOk);
}

TEST_P(SelfStream, AWillGoesWithItsOutputsAndIsNeverRefused) {
    StateLimits limits;
    limits.queue_messages_max = 1;
    limits.outbox_messages_max = 0;
    limits.retained_messages_max = 0;
    rig.limits(limits);
    rig.subscribe(s, epoch, "#", 1);
    const std::string body = make_body("", "gone");
    Open open;
    open.client_id = "d";
    open.nonce = 2;
    WillView will;
    will.topic = "will";
    will.body = body;
    will.retain = true;
    will.expiry_s = 30;
    open.will = will;
    rig.close(s, rig.open(s, open).epoch);
    const auto items = rig.machine().read_self(0, 1 << 20);
    ASSERT_THAT(items, SizeIs(1));
    std::string outputs;
    to_queue(outputs, "q", "1");
    to_queue(outputs, "q", "2");
    to_sink(outputs, "http");
    EXPECT_EQ(rig.run(0, SelfPublish{items[0].n, outputs, 3}).code, ResultCode::kOk);
    EXPECT_THAT(rig.delivered(s), ElementsAre("1 n0 q0 will=gone"));
    EXPECT_EQ(rig.outputs(s).messages.at(0).expires_at, rig.now() + 30'000);
    EXPECT_EQ(rig.counters().queue_made, 2U);
    EXPECT_EQ(rig.counters().queue_evicted, 1U);
    EXPECT_EQ(rig.counters().sink_evicted, 1U);
    EXPECT_EQ(rig.counters().retained_evicted, 1U);
    EXPECT_EQ(rig.counters().self_done, 1U);
    EXPECT_THAT(rig.machine().read_self(0, 1 << 20), IsEmpty());
}

TEST_P(Refusals, ARefusedCommandTakesItsNumber) {
    std::string bytes;
    encode({{}, s, 2}, Refused{ResultCode::kQuotaExceeded}, bytes);  // 1 was the OPEN
    rig.entry({bytes});
    EXPECT_EQ(rig.last_result(s).code, ResultCode::kQuotaExceeded);
    EXPECT_EQ(rig.last_result(s).seq, 2U);
    rig.entry({bytes});
    EXPECT_EQ(rig.last_result(s).code, ResultCode::kQuotaExceeded) << "as the first time";
    EXPECT_EQ(rig.counters().publishes_refused, 1U);
}

// A refusal would free the packet id, and the next message under it would count as this one.
TEST_P(Refusals, WhatWasAcceptedOnceIsNotRefusedWhenItIsSentAgain) {
    Publish command;
    command.topic = "t";
    command.qos = 2;
    command.packet_id = 7;
    command.epoch = epoch;
    EXPECT_EQ(rig.publish(s, command, "x"), ResultCode::kNoSubscribers);
    const auto refused = [&](std::uint64_t seq, std::uint16_t packet_id) {
        std::string bytes;
        encode({{}, s, seq}, Refused{ResultCode::kQuotaExceeded, epoch, packet_id}, bytes);
        rig.entry({bytes});
        EXPECT_EQ(rig.last_result(s).seq, seq);
        return rig.last_result(s).code;
    };
    EXPECT_EQ(refused(3, 7), ResultCode::kOk);
    EXPECT_EQ(refused(4, 8), ResultCode::kQuotaExceeded);
    EXPECT_EQ(rig.counters().publishes_refused, 1U);
}

// A client that loses both answers sends both again: the refused one must not come behind the
// other.
TEST_P(Refusals, WhatIsBehindARefusedPublishIsRefusedUntilItIsKnown) {
    std::uint64_t seq = 1;  // of the OPEN
    const auto publish = [&](std::uint64_t behind, std::uint64_t of_epoch, std::uint8_t qos = 1,
                             std::uint16_t packet_id = 0) {
        const std::string body = make_body({}, "x");
        Publish command;
        command.topic = "t";
        command.client_id = "c";
        command.epoch = of_epoch;
        command.body = body;
        command.qos = qos;
        command.packet_id = packet_id;
        std::string bytes;
        encode({{}, s, ++seq, behind}, command, bytes);
        rig.entry({bytes});
        EXPECT_EQ(rig.last_result(s).seq, seq);
        return rig.last_result(s).code;
    };
    const auto refuse = [&] {
        Publish command;
        command.client_id = "c";
        command.epoch = epoch;
        std::string bytes;
        Refused refused{ResultCode::kQuotaExceeded, epoch, 0, publisher_of(command)};
        encode({{}, s, ++seq, 0}, refused, bytes);
        rig.entry({bytes});
    };
    EXPECT_EQ(publish(0, epoch, 2, 7), ResultCode::kNoSubscribers);
    refuse();
    EXPECT_EQ(publish(2, epoch, 2, 7), ResultCode::kOk) << "it was accepted before";
    EXPECT_EQ(publish(2, epoch), ResultCode::kQuotaExceeded);
    EXPECT_EQ(publish(3, epoch, 2, 8), ResultCode::kQuotaExceeded);
    EXPECT_EQ(publish(4, 0), ResultCode::kNoSubscribers) << "the API's";
    EXPECT_EQ(publish(3, epoch), ResultCode::kNoSubscribers) << "its gateway had the answer";
    constexpr std::uint64_t kRefusedAt = 3;
    EXPECT_EQ(publish(seq + 1 - kRefusedAt, epoch), ResultCode::kQuotaExceeded);
    EXPECT_EQ(publish(seq - kRefusedAt, epoch), ResultCode::kNoSubscribers);
    // Another connection sends all of it again.
    Publish one;
    one.client_id = "c";
    one.epoch = epoch;
    Publish other = one;
    other.epoch = epoch + 1;
    EXPECT_NE(publisher_of(one), publisher_of(other));
}

TEST_P(Refusals, TheApiPublishesWithoutASession) {
    Publish command;
    command.topic = "t";
    EXPECT_EQ(rig.publish(0, command, "x"), ResultCode::kNoSubscribers);
    command.epoch = 12345;
    EXPECT_EQ(rig.publish(0, command, "x"), ResultCode::kStale);
    EXPECT_EQ(rig.counters().publishes, 1U);
}

TEST_P(Refusals, LimitsAreSetThroughTheLog) {
    StateLimits limits;
    limits.sessions_max = 77;
    limits.outbox_bytes_max = 88;
    rig.limits(limits);
    EXPECT_EQ(rig.machine().limits(), limits);
}

}  // namespace
}  // namespace causeway::state
