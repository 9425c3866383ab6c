// Events: which the state machine makes, what they say, that none is made unasked, that what rules
// make of one makes none again, and their bound.
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/core/state/rig.h"

namespace causeway::state {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class EventStateTest : public StateTest {
protected:
    void ask(EventMask events) {
        StateLimits limits = rig.machine().limits();
        limits.events = events;
        rig.limits(limits);
    }
    void ask_for_all() { ask((EventMask{1} << kEventNames.size()) - 1); }

    // "group/name client epoch …" of every event the last entry made.
    std::vector<std::string> made() {
        std::vector<std::string> all;
        for (const SelfItem& item : rig.out().self_items) {
            Event event;
            if (item.event.empty() || !decode(item.event, event)) {
                all.push_back("no event");
                continue;
            }
            EXPECT_EQ(item.at, rig.now());
            std::string line(name(event.kind).substr(8));
            line += " " + item.client_id;
            const auto add = [&line](std::string_view key, std::string_view value) {
                if (!value.empty()) {
                    line.append(" ").append(key).append("=").append(value);
                }
            };
            add("epoch", event.session_epoch == 0 ? "" : std::to_string(event.session_epoch));
            add("why", event.reason);
            add("user", event.username);
            add("present", event.session_present ? "yes" : "");
            add("topic", item.topic);
            add("payload", item.body.empty() ? "" : payload_of(item.body));
            add("from", event.from_client_id);
            add("qos", event.qos == 0 ? "" : std::to_string(event.qos));
            add("queue", event.queue);
            add("dead", event.dead_letter);
            add("key", event.key);
            all.push_back(line);
        }
        return all;
    }
    // The leader has evaluated every event; rules made these outputs of each.
    void answer(std::string_view outputs = {}) {
        for (const SelfItem& item : rig.machine().read_self(0, 1U << 30)) {
            EXPECT_EQ(rig.run(0, SelfPublish{item.n, outputs, 1}).code, ResultCode::kOk);
        }
    }
    static std::string republish(std::string_view topic, std::uint8_t qos) {
        const std::string body = make_body({}, "made");
        RouteOutput output;
        output.kind = RouteKind::kRepublish;
        output.target = topic;
        output.body = body;
        output.qos = qos;
        std::string out;
        append_route_output(output, out);
        return out;
    }
};
CAUSEWAY_STATE_TESTS_OF(EventsTest, EventStateTest);

TEST_P(EventsTest, NoneIsMadeUnasked) {
    const StreamId stream = rig.hello(1);
    const std::uint64_t epoch = rig.open(stream, "c", 1);
    rig.subscribe(stream, epoch, "a/#", 1);
    rig.publish("a/b", "x");
    rig.ack(stream, {{epoch, 1, 1}});
    rig.close(stream, epoch);
    EXPECT_EQ(rig.counters().self_made, 0U);
    ask(mask_of(EventKind::kMessageAcked));
    const std::uint64_t again = rig.open(stream, "c", 2);
    EXPECT_THAT(made(), IsEmpty()) << "another kind was asked for";
    rig.publish("a/b", "y");
    rig.ack(stream, {{again, 2, 2}});
    EXPECT_THAT(made(), ElementsAre("message/acked c epoch=2 topic=a/b payload=y qos=1"));
    ask(0);
    rig.close(stream, again);
    EXPECT_THAT(made(), IsEmpty());
}

TEST_P(EventsTest, PresenceCarriesEpochs) {
    ask_for_all();
    const StreamId stream = rig.hello(1);
    Open command;
    command.client_id = "c";
    command.username = "u";
    command.nonce = 1;
    command.session_expiry_interval_s = 3600;
    rig.open(stream, command);
    EXPECT_THAT(made(), ElementsAre("client/connected c epoch=1 user=u",
                                    "client/connack c epoch=1 why=success user=u"));
    rig.open(stream, command);
    EXPECT_THAT(made(), IsEmpty()) << "the same connection asks again";
    command.nonce = 2;
    rig.open(stream, command);
    EXPECT_THAT(made(), ElementsAre("client/disconnected c epoch=1 why=taken_over",
                                    "client/connected c epoch=2 user=u present=yes",
                                    "client/connack c epoch=2 why=success user=u present=yes"));
    rig.close(stream, 2, CloseReason::kNormal);
    EXPECT_THAT(made(), ElementsAre("client/disconnected c epoch=2 why=normal"));
    rig.open(stream, "c", 3);
    rig.close(stream, 3);
    EXPECT_THAT(made(), ElementsAre("client/disconnected c epoch=3 why=lost"));
    rig.open(stream, "c", 4);
    rig.gateway_down(stream);
    rig.step();
    EXPECT_THAT(made(), ElementsAre("client/disconnected c epoch=4 why=gateway_lost"));
}

TEST_P(EventsTest, ARefusedConnectIsAConnack) {
    StateLimits limits = rig.machine().limits();
    limits.sessions_max = 1;
    limits.events = mask_of(EventKind::kClientConnack);
    rig.limits(limits);
    const StreamId stream = rig.hello(1);
    rig.open(stream, "a", 1);
    Open command;
    command.client_id = "b";
    EXPECT_EQ(rig.run(stream, command).code, ResultCode::kQuotaExceeded);
    EXPECT_THAT(made(), ElementsAre("client/connack b why=quota_exceeded"));
}

TEST_P(EventsTest, Subscriptions) {
    ask(mask_of(EventKind::kSessionSubscribed) | mask_of(EventKind::kSessionUnsubscribed));
    const StreamId stream = rig.hello(1);
    const std::uint64_t epoch = rig.open(stream, "c", 1);
    rig.subscribe(stream, epoch, "a/#", 2);
    EXPECT_THAT(made(), ElementsAre("session/subscribed c epoch=1 topic=a/# qos=2"));
    rig.unsubscribe(stream, epoch, "a/#");
    EXPECT_THAT(made(), ElementsAre("session/unsubscribed c epoch=1 topic=a/#"));
    rig.unsubscribe(stream, epoch, "a/#");
    EXPECT_THAT(made(), IsEmpty()) << "there was none";
}

TEST_P(EventsTest, DeliveredOnceAndAcked) {
    ask(mask_of(EventKind::kMessageDelivered) | mask_of(EventKind::kMessageAcked));
    const StreamId stream = rig.hello(1);
    std::uint64_t epoch = rig.open(stream, "c", 1);
    rig.subscribe(stream, epoch, "a/#", 2);
    rig.publish("a/1", "x", 1);
    EXPECT_THAT(made(), ElementsAre("message/delivered c epoch=1 topic=a/1 payload=x qos=1"));
    rig.publish("a/0", "z", 0);
    EXPECT_THAT(made(), ElementsAre("message/delivered c epoch=1 topic=a/0 payload=z"));
    rig.close(stream, epoch);
    rig.publish("a/2", "y", 2);
    EXPECT_THAT(made(), IsEmpty()) << "it waits";
    epoch = rig.open(stream, "c", 2);
    EXPECT_THAT(made(), ElementsAre("message/delivered c epoch=2 topic=a/2 payload=y qos=2"))
        << "what is sent again was delivered before";
    rig.ack(stream, {{epoch, 1, 1}});
    EXPECT_THAT(made(), ElementsAre("message/acked c epoch=2 topic=a/1 payload=x qos=1"));
    rig.run(stream, Received{epoch, 2});
    EXPECT_THAT(made(), ElementsAre("message/acked c epoch=2 topic=a/2 payload=y qos=2"));
    rig.ack(stream, {{epoch, 2, 2}});
    EXPECT_THAT(made(), IsEmpty()) << "PUBREC was its acknowledgement";
}

TEST_P(EventsTest, DroppedForAReason) {
    StateLimits limits = rig.machine().limits();
    limits.inbox_messages_max = 1;
    limits.events = mask_of(EventKind::kMessageDropped);
    rig.limits(limits);
    rig.publish("nobody", "x");
    EXPECT_THAT(made(), ElementsAre("message/dropped  why=no_subscribers topic=nobody payload=x "
                                    "qos=1"));
    const StreamId stream = rig.hello(1);
    const std::uint64_t epoch = rig.open(stream, "c", 1);
    rig.subscribe(stream, epoch, "a/#", 1);
    rig.close(stream, epoch);
    rig.publish("a/1", "old");
    EXPECT_THAT(made(), IsEmpty());
    rig.publish("a/2", "new");
    EXPECT_THAT(
        made(),
        ElementsAre("message/dropped c epoch=1 why=inbox_full topic=a/1 payload=old qos=1"));
    const StreamId publisher = rig.hello(2);
    const std::uint64_t p = rig.open(publisher, "p", 1);
    Publish expiring;
    expiring.epoch = p;
    expiring.client_id = "p";
    expiring.topic = "a/3";
    expiring.expiry_s = 1;
    rig.publish(publisher, expiring, "late");
    rig.pass_ms(2000);
    rig.open(stream, "c", 2);
    EXPECT_THAT(made(), ElementsAre("message/dropped c epoch=3 why=expired topic=a/3 "
                                    "payload=late from=p qos=1"));
}

TEST_P(EventsTest, DeadLettersOfQueuesAndSinks) {
    ask(mask_of(EventKind::kQueueDeadLetter));
    QueueDeclare declare;
    declare.queue = "q";
    declare.receive_count_max = 1;
    declare.dead_letter = "dead";
    rig.run(0, declare);
    const std::string body = make_body({}, "x");
    rig.run(0, QueueSend{"q", "k", body, 0});
    rig.run(0, QueueReceive{"q", 1, 1});
    rig.pass_ms(2000);
    rig.run(0, QueueReceive{"q", 1, 1});
    EXPECT_THAT(made(), ElementsAre("queue/dead_letter  why=receive count exceeded payload=x "
                                    "queue=q dead=dead key=k"));
    RouteOutput output;
    output.kind = RouteKind::kSink;
    output.target = "hook";
    output.body = body;
    std::string outputs;
    append_route_output(output, outputs);
    Publish command;
    command.topic = "t";
    command.outputs = outputs;
    rig.publish(0, command, "p");
    OutboxDone done{"hook", 1, false, "http 400", "dead"};
    rig.run(0, done);
    EXPECT_THAT(made(), ElementsAre("queue/dead_letter  why=http 400 topic=t payload=x "
                                    "queue=hook dead=dead"));
}

// A rule of message/delivered that publishes to who is told would never end.
TEST_P(EventsTest, WhatRulesMakeOfAnEventMakesNone) {
    ask_for_all();
    const StreamId stream = rig.hello(1);
    std::uint64_t epoch = rig.open(stream, "c", 1);
    rig.subscribe(stream, epoch, "a/#", 1);
    answer();
    EXPECT_EQ(rig.counters().self_made, rig.counters().self_done);
    rig.publish("a/1", "x");
    const auto waiting = rig.machine().read_self(0, 1U << 20);
    ASSERT_EQ(waiting.size(), 1U);
    EXPECT_EQ(rig.run(0, SelfPublish{waiting[0].n, republish("a/2", 1), 1}).code, ResultCode::kOk);
    EXPECT_THAT(rig.delivered(stream), ElementsAre("1 n2 q1 a/2=made")) << "not the event itself";
    EXPECT_THAT(made(), IsEmpty());
    rig.ack(stream, {{epoch, 1, 2}});
    EXPECT_THAT(made(), ElementsAre("message/acked c epoch=1 topic=a/1 payload=x qos=1"));
    // The same when it waits for its receiver first.
    rig.close(stream, epoch);
    answer(republish("a/3", 1));
    epoch = rig.open(stream, "c", 2);
    EXPECT_THAT(made(), ElementsAre("client/connected c epoch=2 present=yes",
                                    "client/connack c epoch=2 why=success present=yes"));
    EXPECT_FALSE(rig.delivered(stream).empty());
}

// Else a rule of message/dropped that publishes to a full inbox would empty it, one for one.
TEST_P(EventsTest, WhatAnEventsOutputDisplacesMakesNone) {
    StateLimits limits = rig.machine().limits();
    limits.inbox_messages_max = 2;
    limits.events = mask_of(EventKind::kMessageDropped);
    rig.limits(limits);
    const StreamId stream = rig.hello(1);
    rig.close(stream, [&] {
        const std::uint64_t epoch = rig.open(stream, "c", 1);
        rig.subscribe(stream, epoch, "a/#", 1);
        return epoch;
    }());
    rig.publish("a/1", "x");
    rig.publish("a/2", "x");
    rig.publish("a/3", "x");
    EXPECT_EQ(made().size(), 1U);
    const std::uint64_t evicted = rig.counters().inbox_evicted;
    answer(republish("a/4", 1));
    EXPECT_EQ(rig.counters().inbox_evicted, evicted + 1);
    EXPECT_THAT(made(), IsEmpty());
    EXPECT_EQ(rig.counters().self_made, rig.counters().self_done);
}

TEST_P(EventsTest, WhatIsNotLoggedMakesNone) {
    ask_for_all();
    const StreamId stream = rig.hello(1);
    const std::uint64_t epoch = rig.open(stream, "c", 1);
    rig.subscribe(stream, epoch, "a", 0);
    answer();
    const Counters before = rig.counters();
    const std::string body = make_body({}, "x");
    Publish publish;
    publish.topic = "a";
    publish.body = body;
    publish.qos = 0;
    Outputs out;
    rig.machine().publish_unlogged(publish, SharedBytes::copy(body), out);
    EXPECT_FALSE(out.streams.empty()) << "it was delivered";
    EXPECT_TRUE(out.self_items.empty());
    EXPECT_EQ(rig.counters(), before);
}

}  // namespace

// Live only: 65,536 entries of a restarting machine would take long.
TEST(EventBoundTest, TooManyThatWaitAreDroppedAndCounted) {
    Rig rig(Rig::Mode::kLive);
    StateLimits limits = rig.machine().limits();
    limits.events = mask_of(EventKind::kMessageDropped);
    rig.limits(limits);
    constexpr std::uint64_t kMax = 65'536;
    constexpr std::size_t kInEntry = 8'192;
    for (std::uint64_t n = 0; n < kMax; n += kInEntry) {
        rig.entry(std::vector<std::string>(kInEntry, rig.publish_command("t", "x", 1)));
    }
    EXPECT_EQ(rig.counters().self_made, kMax);
    EXPECT_EQ(rig.counters().events_dropped, 0U);
    rig.publish("t", "one more");
    EXPECT_EQ(rig.counters().self_made, kMax);
    EXPECT_EQ(rig.counters().events_dropped, 1U);
    const auto first = rig.machine().read_self(0, 1);
    rig.run(0, SelfPublish{first.at(0).n, {}, 1});
    rig.publish("t", "again");
    EXPECT_EQ(rig.counters().self_made, kMax + 1);
    EXPECT_EQ(rig.counters().events_dropped, 1U);
}

TEST(EventBoundTest, SoAreTooManyBytes) {
    Rig rig(Rig::Mode::kLive);
    StateLimits limits = rig.machine().limits();
    limits.events = mask_of(EventKind::kMessageDropped);
    rig.limits(limits);
    const std::string megabyte(1U << 20, 'x');
    for (int i = 0; i < 63; ++i) {
        rig.publish("t", megabyte);
    }
    EXPECT_EQ(rig.counters().events_dropped, 0U);
    rig.publish("t", megabyte);
    EXPECT_EQ(rig.counters().events_dropped, 1U);
    EXPECT_EQ(rig.counters().self_made, 63U);
    rig.publish("t", "small");
    EXPECT_EQ(rig.counters().self_made, 64U) << "there is room for this one";
}

}  // namespace causeway::state
