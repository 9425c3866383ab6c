// Shared subscriptions: «MQTT 5.0 §4.8.2». Sessions of one set; those of several are at the end.
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "test/core/state/rig.h"
#include "test/core/state/sets.h"

namespace causeway::state {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

constexpr std::string_view kFilter = "$share/g/t/#";

class GroupTest : public StateTest {
protected:
    StreamId s = rig.hello(1);

    struct Client {
        std::uint64_t epoch = 0;
        std::uint64_t nonce = 0;
    };
    Client open(std::string_view name, std::uint64_t nonce, std::uint32_t expiry_s = 3600,
                std::uint16_t receive_maximum = 100) {
        Open command;
        command.client_id = name;
        command.nonce = nonce;
        command.session_expiry_interval_s = expiry_s;
        command.receive_maximum = receive_maximum;
        return {rig.open(s, command).epoch, nonce};
    }
    Client member(std::string_view name, std::uint64_t nonce, std::uint8_t qos = 1,
                  std::uint32_t expiry_s = 3600) {
        const Client client = open(name, nonce, expiry_s);
        EXPECT_EQ(rig.subscribe(s, client.epoch, kFilter, qos),
                  std::string(1, static_cast<char>(qos)));
        return client;
    }
    // Who got the messages, by nonce, in the order of publishing.
    std::vector<std::string> publish(std::initializer_list<std::string_view> payloads,
                                     std::uint8_t qos = 1) {
        std::vector<std::string> all;
        for (const std::string_view payload : payloads) {
            rig.publish("t/x", payload, qos);
            for (const std::string& one : rig.delivered(s)) {
                all.push_back(one);
            }
        }
        return all;
    }
    void ack(const Client& client, std::uint64_t n) { rig.ack(s, {{client.epoch, n, n}}); }
    std::vector<std::string> settle() {
        std::vector<std::string> all = rig.delivered(s);
        while (rig.machine().has_work()) {
            rig.step();
            const auto more = rig.delivered(s);
            all.insert(all.end(), more.begin(), more.end());
        }
        return all;
    }
};

CAUSEWAY_STATE_TESTS_OF(SharedSubscription, GroupTest);
CAUSEWAY_STATE_TESTS_OF(LeavingMember, GroupTest);

TEST_P(SharedSubscription, GivesEachMessageToOneMemberInTurn) {
    member("a", 1);
    member("b", 2);
    member("c", 3);
    EXPECT_THAT(publish({"1", "2", "3", "4"}),
                ElementsAre("1 n1 q1 t/x=1", "2 n1 q1 t/x=2", "3 n1 q1 t/x=3", "1 n2 q1 t/x=4"));
    EXPECT_EQ(rig.statistics().subscriptions, 3U);
}

TEST_P(SharedSubscription, StandsBesideAnOrdinaryOneAndOtherGroups) {
    const Client a = member("a", 1);
    rig.subscribe(s, a.epoch, "t/x", 1);
    const Client b = open("b", 2);
    rig.subscribe(s, b.epoch, "$share/h/t/x", 1);
    EXPECT_THAT(publish({"1"}),
                UnorderedElementsAre("1 n1 q1 t/x=1", "1 n2 q1 t/x=1", "2 n1 q1 t/x=1"));
}

TEST_P(SharedSubscription, KeepsEachMembersQosAndIdentifier) {  // [MQTT-4.8.2-3]
    const Client a = open("a", 1);
    SubscriptionRequest request;
    request.filter = kFilter;
    request.identifier = 7;
    request.qos = 0;
    rig.subscribe(s, a.epoch, request);
    const Client b = open("b", 2);
    request.identifier = 9;
    request.qos = 1;
    rig.subscribe(s, b.epoch, request);
    EXPECT_THAT(publish({"1", "2"}, 2), ElementsAre("1 n0 q0 t/x=1 ids 7", "2 n1 q1 t/x=2 ids 9"));
}

TEST_P(SharedSubscription, SendsNothingRetained) {
    rig.publish("t/x", "kept", 1, true);
    member("a", 1);
    EXPECT_THAT(settle(), IsEmpty());
}

TEST_P(SharedSubscription, PrefersWhoIsThereAndHasRoom) {
    const Client a = open("a", 1, 3600, 1);
    rig.subscribe(s, a.epoch, kFilter, 1);
    const Client b = member("b", 2);
    EXPECT_THAT(publish({"1", "2", "3", "4"}),
                ElementsAre("1 n1 q1 t/x=1", "2 n1 q1 t/x=2", "2 n2 q1 t/x=3", "2 n3 q1 t/x=4"));
    rig.close(s, b.epoch);
    EXPECT_THAT(publish({"5"}), IsEmpty());  // its window is full
    ack(a, 1);
    EXPECT_THAT(rig.delivered(s), SizeIs(1));
}

TEST_P(SharedSubscription, KeepsMessagesWhileOnlyAPersistentMemberIsLeft) {
    const Client a = member("a", 1);
    rig.close(s, a.epoch);
    EXPECT_THAT(publish({"1", "2"}), IsEmpty());
    EXPECT_THAT(publish({"gone"}, 0), IsEmpty());
    open("a", 5);
    EXPECT_THAT(rig.delivered(s), ElementsAre("5 n1 q1 t/x=1", "5 n2 q1 t/x=2"));
}

TEST_P(SharedSubscription, GivesWhatWaitsForOneThatIsAwayToTheNextThatComes) {
    const Client a = member("a", 1);
    rig.close(s, a.epoch);
    publish({"1", "2"});
    member("b", 2);
    EXPECT_THAT(settle(), ElementsAre("2 n1 q1 t/x=1", "2 n2 q1 t/x=2"));
    open("a", 5);
    EXPECT_THAT(rig.delivered(s), IsEmpty());
    EXPECT_EQ(rig.counters().inbox_handed_over, 2U);
}

TEST_P(SharedSubscription, EndsWithItsLastMember) {
    const Client a = member("a", 1);
    const Client b = member("b", 2);
    rig.unsubscribe(s, a.epoch, kFilter);
    EXPECT_THAT(publish({"1"}), ElementsAre("2 n1 q1 t/x=1"));
    rig.unsubscribe(s, b.epoch, kFilter);
    EXPECT_EQ(rig.publish("t/x", "2", 1), ResultCode::kNoSubscribers);
    EXPECT_EQ(rig.statistics().subscriptions, 0U);
    member("c", 3);
    EXPECT_THAT(publish({"3"}), ElementsAre("3 n1 q1 t/x=3"));
}

TEST_P(SharedSubscription, UnloggedMessagesTakeTurnsToo) {
    member("a", 1);
    member("b", 2);
    std::vector<std::uint64_t> got;
    for (int i = 0; i < 2; ++i) {
        Publish command;
        const std::string body = make_body("", "x");
        command.topic = "t/x";
        command.body = body;
        command.qos = 0;
        Outputs out;
        rig.machine().publish_unlogged(command, SharedBytes{}, out);
        ASSERT_THAT(out.streams, SizeIs(1));
        ASSERT_THAT(out.streams[0].deliveries, SizeIs(1));
        got.push_back(out.streams[0].deliveries[0].nonce);
    }
    EXPECT_THAT(got, ElementsAre(1, 2));
}

TEST_P(LeavingMember, HasItsMessagesDeliveredByOthers) {
    const Client a = member("a", 1);
    member("b", 2);
    publish({"1", "2", "3"});  // a, b, a
    rig.close(s, a.epoch);
    EXPECT_THAT(settle(), ElementsAre("2 n2 q1 t/x=1", "2 n3 q1 t/x=3"));
    EXPECT_EQ(rig.counters().inbox_handed_over, 2U);
}

TEST_P(LeavingMember, WithoutSessionExpiryToo) {
    const Client a = member("a", 1, 1, 0);
    member("b", 2, 1, 0);
    publish({"1", "2"});
    rig.close(s, a.epoch, CloseReason::kNormal);
    EXPECT_THAT(settle(), ElementsAre("2 n2 q1 t/x=1"));
}

TEST_P(LeavingMember, WhatItAcknowledgedIsNotSentAgain) {
    const Client a = member("a", 1);
    member("b", 2);
    publish({"1", "2", "3"});
    ack(a, 1);
    rig.close(s, a.epoch);
    EXPECT_THAT(settle(), ElementsAre("2 n2 q1 t/x=3"));
}

TEST_P(LeavingMember, FinishesQos2ItHasBegun) {  // [MQTT-4.8.2-4]
    const Client a = member("a", 1, 2);
    member("b", 2, 2);
    publish({"1", "2"}, 2);
    rig.close(s, a.epoch);
    EXPECT_THAT(settle(), IsEmpty());
    open("a", 5);
    EXPECT_THAT(rig.delivered(s), ElementsAre("5 n1 q2 t/x=1 dup"));
}

TEST_P(LeavingMember, WhoseSessionEndsTakesItsQos2Along) {  // [MQTT-4.8.2-5]
    const Client a = open("a", 1, 3600, 1);
    rig.subscribe(s, a.epoch, kFilter, 2);
    publish({"begun", "waits"}, 2);
    member("b", 2, 2);
    Open again;
    again.client_id = "a";
    again.nonce = 9;
    again.clean_start = true;
    rig.open(s, again);
    EXPECT_THAT(settle(), ElementsAre("2 n1 q2 t/x=waits"));
    EXPECT_EQ(rig.counters().inbox_session_ended, 2U);
}

TEST_P(LeavingMember, ByUnsubscribeKeepsWhatItWasSent) {  // [MQTT-3.10.4-3]
    const Client a = open("a", 1, 3600, 1);
    rig.subscribe(s, a.epoch, kFilter, 1);
    publish({"sent", "waits"});
    member("b", 2);
    rig.unsubscribe(s, a.epoch, kFilter);
    EXPECT_THAT(settle(), ElementsAre("2 n1 q1 t/x=waits"));
    ack(a, 1);
    EXPECT_EQ(rig.statistics().inbox_messages, 1U);  // of b
}

TEST_P(LeavingMember, WithNobodyElseKeepsThem) {
    const Client a = member("a", 1);
    publish({"1"});
    rig.close(s, a.epoch);
    EXPECT_THAT(settle(), IsEmpty());
    open("a", 5);
    EXPECT_THAT(rig.delivered(s), ElementsAre("5 n1 q1 t/x=1 dup"));
}

TEST_P(LeavingMember, ManyMessagesGoInSlices) {
    const Client a = member("a", 1);
    rig.close(s, a.epoch);
    for (int i = 0; i < 600; ++i) {
        rig.publish("t/x", "x", 1);
    }
    open("b", 2, 3600, 1000);
    SubscriptionRequest request;
    request.filter = kFilter;
    request.qos = 1;
    rig.subscribe(s, rig.open(s, "b", 3), request);
    settle();
    EXPECT_EQ(rig.counters().inbox_handed_over, 600U);
    EXPECT_EQ(rig.statistics().inbox_messages, 600U);
}

// --- members in several sets ---------------------------------------------------------------------

class GroupOfSetsTest : public ::testing::TestWithParam<Rig::Mode> {
protected:
    Sets sets{3, GetParam()};
    std::string topic = sets.key_in(1) + "/up";
    std::string filter = "$share/g/" + topic;
    std::vector<std::string> got;  // "<nonce> <payload>"

    void SetUp() override {
        sets.on_outputs = [this](std::uint32_t, const Outputs& out) {
            for (const StreamOutputs& stream : out.streams) {
                for (const Delivery& delivery : stream.deliveries) {
                    const std::string body(stream.messages[delivery.message].body.view());
                    got.push_back(std::to_string(delivery.nonce) + " " + payload_of(body));
                }
            }
        };
    }
    std::uint64_t member(const std::string& client, std::uint64_t nonce,
                         std::uint32_t expiry_s = 3600) {
        const std::uint64_t epoch = sets.open(client, nonce, expiry_s);
        sets.subscribe(client, epoch, filter, 1);
        sets.pump();
        return epoch;
    }
    void publish(const std::string& payload) {
        Publish command;
        command.topic = topic;
        const std::string body = make_body("", payload);
        command.body = body;
        sets.lead(1, command);
        sets.pump();
    }
};

INSTANTIATE_TEST_SUITE_P(Modes, GroupOfSetsTest,
                         ::testing::Values(Rig::Mode::kLive, Rig::Mode::kRestarting), mode_name);

TEST_P(GroupOfSetsTest, EachMessageGoesToOneOfThem) {
    member(sets.key_in(1, 1), 11);
    member(sets.key_in(2, 1), 21);
    member(sets.key_in(3, 1), 31);
    for (int i = 0; i < 6; ++i) {
        publish(std::to_string(i));
    }
    EXPECT_THAT(got, SizeIs(6));
    const std::multiset<std::string> who = [&] {
        std::multiset<std::string> all;
        for (const std::string& one : got) {
            all.insert(one.substr(0, 2));
        }
        return all;
    }();
    EXPECT_EQ(who.count("11"), 2U);
    EXPECT_EQ(who.count("21"), 2U);
    EXPECT_EQ(who.count("31"), 2U);
}

TEST_P(GroupOfSetsTest, WhatAnEndedSessionLeavesGoesToAnotherSet) {
    const std::string leaving = sets.key_in(2, 1);
    const std::uint64_t epoch = member(leaving, 21, 0);
    publish("1");
    ASSERT_THAT(got, ElementsAre("21 1"));
    got.clear();
    member(sets.key_in(3, 1), 31);
    Close close;
    close.epoch = epoch;
    close.reason = CloseReason::kNormal;
    sets.run(2, close);
    sets.pump();
    EXPECT_THAT(got, ElementsAre("31 1"));
    publish("2");
    EXPECT_THAT(got, ElementsAre("31 1", "31 2"));
}

TEST_P(GroupOfSetsTest, AnOrdinarySubscriptionElsewhereDoesNotDouble) {
    member(sets.key_in(1, 1), 11);
    const std::string both = sets.key_in(2, 1);
    const std::uint64_t epoch = member(both, 21);
    sets.subscribe(both, epoch, topic, 1);
    sets.pump();
    got.clear();
    publish("1");
    publish("2");
    // Twice by the ordinary one, and each of the two messages once by the group.
    EXPECT_THAT(got, UnorderedElementsAre("21 1", "21 2", "11 1", "21 2"));
}

}  // namespace
}  // namespace causeway::state
