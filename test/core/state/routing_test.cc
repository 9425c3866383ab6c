// Publishes whose topic is another set's: QoS 2 at the client's home, what rules and wills make,
// QoS 0 without the log. Rules 8, 11, 12 and 18 of the session protocol.
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/core/state/sets.h"

namespace causeway::state {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RoutingTest : public ::testing::TestWithParam<Rig::Mode> {
protected:
    RoutingTest() {
        sets.on_outputs = [this](std::uint32_t, const Outputs& out) {
            for (const StreamOutputs& stream : out.streams) {
                for (const Delivery& delivery : stream.deliveries) {
                    delivered_.push_back(to_text(stream, delivery));
                }
            }
        };
        // The subscriber is of set 3, the publisher of set 1, the topics of set 2.
        sets.subscribe(in_3, subscriber, in_2 + "/#", 2);
        sets.pump();
    }
    std::vector<std::string> delivered() { return std::exchange(delivered_, {}); }
    CommandResult publish2(std::string_view payload, std::uint16_t packet_id,
                           std::string_view outputs = {}, bool retain = false) {
        Publish command;
        command.topic = topic;
        command.qos = 2;
        command.packet_id = packet_id;
        command.outputs = outputs;
        command.retain = retain;
        return sets.publish(in_1, epoch, command, payload);
    }
    static void add(std::string& outputs, RouteKind kind, std::string_view target,
                    bool retain = false) {
        const std::string body = make_body("", "made");
        RouteOutput output;
        output.kind = kind;
        output.target = target;
        output.body = body;
        output.qos = 1;
        output.retain = retain;
        append_route_output(output, outputs);
    }
    // A will to `topic`, and what a rule made of it for queue "q".
    void fire_will() {
        const std::string body = make_body("", "gone");
        const std::string client = sets.key_in(1, 1);
        Open open;
        open.client_id = client;
        open.nonce = 9;
        open.will = WillView{topic, body, 0, 0, 1, true};
        OpenAnswer answer;
        ASSERT_TRUE(decode(sets.run(1, open).detail, answer));
        sets.run(1, Close{answer.epoch, CloseReason::kLost, std::nullopt});
        ASSERT_THAT(sets.rig(1).out().self_items, SizeIs(1));
        std::string outputs;
        add(outputs, RouteKind::kQueue, "q");
        SelfPublish command;
        command.n = sets.rig(1).out().self_items[0].n;
        command.outputs = outputs;
        EXPECT_EQ(sets.lead(1, command).code, ResultCode::kOk);
    }

    Sets sets{3, GetParam()};
    std::string in_1 = sets.key_in(1);
    std::string in_2 = sets.key_in(2);
    std::string in_3 = sets.key_in(3);
    std::string topic = in_2 + "/t";
    std::uint64_t epoch = sets.open(in_1, 1);
    std::uint64_t subscriber = sets.open(in_3, 3);

private:
    std::vector<std::string> delivered_;
};

#define CAUSEWAY_ROUTING_TESTS(Suite)    \
    class Suite : public RoutingTest {}; \
    INSTANTIATE_TEST_SUITE_P(            \
        Modes, Suite, ::testing::Values(Rig::Mode::kLive, Rig::Mode::kRestarting), mode_name)

CAUSEWAY_ROUTING_TESTS(Qos2Elsewhere);
CAUSEWAY_ROUTING_TESTS(MadeElsewhere);
CAUSEWAY_ROUTING_TESTS(UnloggedElsewhere);

TEST_P(Qos2Elsewhere, GoesThroughTheHomeOnce) {
    EXPECT_EQ(publish2("a", 7).code, ResultCode::kOk);
    EXPECT_EQ(publish2("a", 7).code, ResultCode::kOk) << "sent again";
    EXPECT_EQ(sets.rig(1).machine().peers().at(0).made, 1U);
    sets.pump();
    EXPECT_THAT(delivered(), ElementsAre("3 n1 q2 " + topic + "=a"));
    EXPECT_EQ(sets.run(1, Release{epoch, 7}).code, ResultCode::kOk);
    EXPECT_EQ(publish2("b", 7).code, ResultCode::kOk);
    sets.pump();
    EXPECT_THAT(delivered(), ElementsAre("3 n2 q2 " + topic + "=b"));
}

TEST_P(Qos2Elsewhere, IsRetainedAtTheTopicsSet) {
    publish2("kept", 1, {}, true);
    sets.pump();
    EXPECT_EQ(sets.rig(1).statistics().retained_messages, 0U);
    EXPECT_EQ(sets.rig(2).statistics().retained_messages, 1U);
    EXPECT_EQ(sets.rig(3).statistics().retained_messages, 0U);
}

TEST_P(Qos2Elsewhere, ReachesSubscribersAtTheHomeByTheTopicsSet) {
    sets.subscribe(in_1, epoch, "#", 2);
    sets.pump();
    delivered();
    publish2("a", 1);
    EXPECT_THAT(delivered(), IsEmpty()) << "the topic's set keeps the order";
    sets.pump();
    EXPECT_THAT(delivered(), ::testing::UnorderedElementsAre("1 n1 q2 " + topic + "=a",
                                                             "3 n1 q2 " + topic + "=a"));
}

TEST_P(Qos2Elsewhere, WhatRulesMadeOfItStaysWithTheHome) {
    std::string outputs;
    add(outputs, RouteKind::kQueue, "q");
    add(outputs, RouteKind::kSink, "http");
    add(outputs, RouteKind::kRepublish, in_2 + "/made", true);
    EXPECT_EQ(publish2("a", 1, outputs).code, ResultCode::kOk);
    EXPECT_EQ(sets.rig(1).statistics().queues.at(0).messages, 1U);
    EXPECT_EQ(sets.rig(1).statistics().outboxes.at(0).messages, 1U);
    sets.pump();
    EXPECT_THAT(delivered(),
                ElementsAre("3 n1 q2 " + topic + "=a", "3 n2 q1 " + in_2 + "/made=made"));
    EXPECT_EQ(sets.rig(2).statistics().retained_messages, 1U);
    EXPECT_THAT(sets.rig(2).statistics().queues, IsEmpty());
}

// Many outputs to many places: one that does not fit takes all the others with it.
TEST_P(Qos2Elsewhere, IsRefusedWholeWhenTheStreamIsFullAndKeepsNoPacketId) {
    StateLimits limits;
    limits.peer_messages_max = 3;
    sets.rig(1).limits(limits);
    std::string outputs;
    add(outputs, RouteKind::kQueue, "q");
    add(outputs, RouteKind::kRepublish, in_3 + "/a");
    add(outputs, RouteKind::kRepublish, in_2 + "/b", true);
    add(outputs, RouteKind::kSink, "http");
    add(outputs, RouteKind::kRepublish, in_2 + "/c");
    add(outputs, RouteKind::kRepublish, in_1 + "/d", true);
    add(outputs, RouteKind::kRepublish, in_2 + "/e");
    EXPECT_EQ(publish2("a", 1, outputs).code, ResultCode::kQuotaExceeded);
    const Counters counters = sets.rig(1).counters();
    EXPECT_EQ(counters.peer_made, 0U);
    EXPECT_EQ(counters.queue_made + counters.sink_made, 0U);
    EXPECT_EQ(counters.publishes_refused, 1U);
    EXPECT_EQ(sets.rig(1).statistics().retained_messages, 0U);
    EXPECT_EQ(sets.run(1, Release{epoch, 1}).code, ResultCode::kNotFound);
    limits.peer_messages_max = 4;
    sets.rig(1).limits(limits);
    EXPECT_EQ(publish2("a", 1, outputs).code, ResultCode::kOk);
    sets.pump();
    EXPECT_THAT(delivered(), SizeIs(4));
    EXPECT_EQ(sets.rig(1).statistics().retained_messages, 1U);
    EXPECT_EQ(sets.rig(2).statistics().retained_messages, 1U);
}

TEST_P(Qos2Elsewhere, AStaleConnectionPublishesNothing) {
    sets.open(in_1, 2);
    EXPECT_EQ(publish2("a", 1).code, ResultCode::kStale);
    EXPECT_THAT(sets.rig(1).machine().peers(), IsEmpty());
}

TEST_P(MadeElsewhere, AWillGoesToItsTopicsSet) {
    fire_will();
    sets.pump();
    EXPECT_THAT(delivered(), ElementsAre("3 n1 q1 " + topic + "=gone"));
    EXPECT_EQ(sets.rig(2).statistics().retained_messages, 1U);
    EXPECT_EQ(sets.rig(1).statistics().retained_messages, 0U);
    EXPECT_EQ(sets.rig(1).statistics().queues.at(0).messages, 1U);
}

TEST_P(MadeElsewhere, AWillIsNeverRefused) {
    StateLimits limits;
    limits.peer_messages_max = 1;
    sets.rig(1).limits(limits);
    EXPECT_EQ(publish2("a", 1).code, ResultCode::kOk);
    fire_will();
    EXPECT_EQ(sets.rig(1).counters().peer_evicted, 1U);
    EXPECT_EQ(sets.rig(1).counters().self_done, 1U);
    sets.pump();
    EXPECT_THAT(delivered(), ElementsAre("3 n1 q2 " + topic + "=a"));
}

// What only retains and feeds rules of a QoS 0 publish, at a set that does not own the topic.
TEST_P(MadeElsewhere, OutputsOnlyKeepsRetainedThere) {
    Publish command;
    command.topic = topic;
    command.qos = 0;
    command.retain = true;
    command.outputs_only = true;
    EXPECT_EQ(sets.rig(1).publish(0, command, "kept"), ResultCode::kOk);
    sets.pump();
    EXPECT_THAT(delivered(), IsEmpty());
    EXPECT_EQ(sets.rig(2).statistics().retained_messages, 1U);
}

TEST_P(UnloggedElsewhere, NamesTheSetsThatWantIt) {
    sets.subscribe(in_1, epoch, "#", 0);
    sets.pump();
    Publish command;
    const std::string body = make_body("", "fast");
    command.epoch = subscriber;
    command.client_id = in_3;
    command.topic = topic;
    command.body = body;
    command.qos = 0;
    command.username = "u";
    Outputs out;
    sets.rig(2).machine().publish_unlogged(command, SharedBytes{}, out);
    ASSERT_THAT(out.unlogged_peers, SizeIs(1));
    EXPECT_THAT(out.unlogged_peers[0].sets, ElementsAre(GroupId(1), GroupId(3)));
    EXPECT_THAT(out.streams, IsEmpty());
    const SharedBytes frame = SharedBytes::copy(out.unlogged_peers[0].frame);
    ByteReader in(frame.view());
    CommandHeader header;
    Publish again;
    ASSERT_TRUE(decode_header(in, header) && decode(in, again));
    EXPECT_EQ(again.client_id, in_3);
    EXPECT_EQ(again.username, "");
    for (const std::uint32_t set : {1U, 3U}) {
        Outputs there;
        sets.rig(set).machine().publish_unlogged_from_peer(again, frame, there);
        ASSERT_THAT(there.streams, SizeIs(1));
        EXPECT_THAT(there.streams[0].deliveries, SizeIs(1));
        EXPECT_EQ(there.streams[0].deliveries[0].qos, 0);
        EXPECT_THAT(there.unlogged_peers, IsEmpty()) << "it goes no further";
    }
}

TEST_P(UnloggedElsewhere, NobodyWhenNobodyWantsIt) {
    Publish command;
    const std::string other = in_1 + "/t";
    command.topic = other;
    Outputs out;
    sets.rig(1).machine().publish_unlogged(command, SharedBytes{}, out);
    EXPECT_THAT(out.unlogged_peers, IsEmpty());
}

}  // namespace
}  // namespace causeway::state
